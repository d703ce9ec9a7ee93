//! Decides whether a route can be added or deleted.

use std::net::IpAddr;

use super::{Conflict, Desired, Draft, Operation, Plan, address::require_place};
use crate::{
    desired::{RouteIn, RouteRemoved},
    observed::{Observed, Scope, Selection},
    place::Place,
    route::Route,
};

impl Desired for RouteIn {
    fn scope(&self) -> Scope {
        scope_of(&self.place)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        require_place(observed, &self.place)?;
        let mut draft = Draft::from(observed);
        if let Some(link) = &self.route.link
            && observed.link(&self.place.link(link)).is_none()
        {
            return Err(Conflict::NoLink(self.place.link(link)));
        }
        let why = if self.route.is_default() {
            "Without a default route, every address outside the link's own network is unreachable."
        } else {
            "The route tells which neighbour to hand packets for that network to."
        };
        add_route(&mut draft, &self.place, &self.route, why)?;
        Ok(draft.finish())
    }
}

impl Desired for RouteRemoved {
    fn scope(&self) -> Scope {
        scope_of(&self.place)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        require_place(observed, &self.place)?;
        let known = observed
            .stack(&self.place)
            .and_then(|stack| stack.routes.iter().find(|known| matches_asked(known, &self.route)).cloned());
        let Some(known) = known else {
            return Err(Conflict::NoRoute { route: self.route.clone(), place: self.place.clone() });
        };
        let mut draft = Draft::from(observed);
        draft.then(
            Operation::DeleteRoute(self.place.clone(), known),
            "Packets for that network now take the next best route, if there is one.",
        );
        Ok(draft.finish())
    }
}

fn scope_of(place: &Place) -> Scope {
    let mut scope = Scope::default();
    scope.netns.extend(place.netns().cloned());
    scope.stacks.insert(place.clone(), Selection::All);
    scope
}

/// Adds a route unless it is there.
pub(super) fn add_route(draft: &mut Draft, place: &Place, route: &Route, why: &str) -> Result<(), Conflict> {
    let stack = draft.state().stack(place);
    let same_goal = stack.and_then(|stack| {
        let clashes = |known: &&Route| known.destination == route.destination && known.metric == route.metric;
        stack.routes.iter().find(clashes)
    });
    match same_goal {
        Some(known) if matches_asked(known, route) => return Ok(()),
        Some(known) => return Err(Conflict::RouteTaken { route: known.clone(), place: place.clone() }),
        None => {}
    }
    if let Some(gateway) = route.gateway
        && !is_neighbour(draft.state(), place, gateway)
    {
        return Err(Conflict::GatewayUnreachable { gateway, place: place.clone() });
    }
    draft.then(Operation::AddRoute(place.clone(), route.clone()), why);
    Ok(())
}

/// Whether `known` is the route asked for; what was not asked may be anything.
fn matches_asked(known: &Route, asked: &Route) -> bool {
    known.destination == asked.destination
        && (asked.metric == 0 || known.metric == asked.metric)
        && (asked.gateway.is_none() || known.gateway == asked.gateway)
        && (asked.link.is_none() || known.link == asked.link)
}

fn is_neighbour(observed: &Observed, place: &Place, gateway: IpAddr) -> bool {
    let links = observed.stack(place).into_iter().flat_map(|stack| stack.links.values());
    let link_local = matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local());
    link_local
        || links.filter(|link| link.up).any(|link| link.addresses.iter().any(|net| net.contains(&gateway)))
}
