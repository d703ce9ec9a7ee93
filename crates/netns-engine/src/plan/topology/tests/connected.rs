//! Routes that came with addresses, and that somebody took away.

use super::*;

fn taken(state: &mut Observed, at: &LinkAt, network: &str) {
    let route = Route::connected(network.parse().unwrap(), at.name.clone());
    state.project(&Operation::DeleteRoute(at.place.clone(), route)).unwrap();
}

fn ends() -> [LinkAt; 3] {
    let inside = |name| LinkAt::inside(netns("web"), link(name));
    [LinkAt::on_host(link("br0")), inside("eth0"), inside("lan0")]
}

#[test]
fn a_route_that_is_missing_is_put_back_before_what_needs_it() {
    let made = up(&pair()).plan(&host()).unwrap().expected;
    let [bridge, first, second] = ends();
    let mut lost = made.clone();
    taken(&mut lost, &bridge, "10.0.0.0/24");
    taken(&mut lost, &first, "10.0.0.0/24");
    taken(&mut lost, &second, "10.9.0.0/30");
    let default = Route::default_via("10.0.0.1".parse().unwrap()).on(link("eth0"));
    lost.project(&Operation::DeleteRoute(first.place.clone(), default.clone())).unwrap();
    let plan = up(&pair()).plan(&lost).unwrap();
    let restored = |at: &LinkAt, address: &str| Operation::RestoreRoute(at.clone(), address.parse().unwrap());
    let wanted = [
        restored(&bridge, "10.0.0.1/24"),
        restored(&first, "10.0.0.2/24"),
        restored(&second, "10.9.0.1/30"),
        Operation::AddRoute(first.place.clone(), default),
    ];
    assert_eq!(plan.steps.iter().map(|step| step.operation.clone()).collect::<Vec<_>>(), wanted);
    assert_eq!(carried_out(&lost, &plan), made);
    assert_undone(&lost, &plan);
}

#[test]
fn what_goes_without_its_route_comes_back_without_it() {
    let mut lost = up(&pair()).plan(&host()).unwrap().expected;
    ends().iter().zip(["10.0.0.0/24", "10.0.0.0/24", "10.9.0.0/30"]).for_each(|(at, network)| {
        taken(&mut lost, at, network);
    });
    let removed = TopologyRemoved { name: netns("pair"), on_holders: OnHolders::Refuse };
    let plan = removed.plan(&lost).unwrap();
    assert_eq!(carried_out(&lost, &plan), host());
    assert_undone(&lost, &plan);
}

#[test]
fn a_route_of_somebody_elses_in_its_place_is_not_touched() {
    let mut lost = up(&pair()).plan(&host()).unwrap().expected;
    let [bridge, ..] = ends();
    taken(&mut lost, &bridge, "10.0.0.0/24");
    let elsewhere = Route {
        protocol: RouteProtocol::Boot,
        ..Route::via("10.0.0.0/24".parse().unwrap(), "192.0.2.1".parse().unwrap()).on(link("eth0"))
    };
    lost.project(&Operation::AddRoute(Place::Host, elsewhere)).unwrap();
    let refused = up(&pair()).plan(&lost).unwrap_err();
    assert!(matches!(refused, Conflict::RouteTaken { .. }), "{refused}");
}
