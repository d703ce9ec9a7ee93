//! Where packets go, whole and broken.

use super::lab::{BLUE, HOST, RED, WORLD, lab, to};
use crate::diagnose::{
    journey::{Direction, End, Journey, Role},
    scene::Scene,
};

fn follow(scene: &Scene, from: crate::diagnose::scene::StackId, address: &str) -> Journey {
    Journey::follow(scene, from, to(from, address).packet())
}

#[test]
fn out_into_the_world_and_back() {
    let scene = lab();
    let journey = follow(&scene, RED, WORLD);
    assert_eq!(journey.end, End::World(HOST));
    let there: Vec<_> = journey.there().map(|leg| leg.stack).collect();
    assert_eq!(there, [RED, HOST]);
    assert_eq!(journey.legs[0].packet.source.to_string(), "192.168.100.2");
    assert!(journey.legs[1].forwards());
}

#[test]
fn neighbours_meet_on_the_bridge() {
    let scene = lab();
    let journey = follow(&scene, RED, "192.168.100.3");
    assert_eq!(journey.end, End::Arrived(BLUE));
    assert!(journey.returns);
    let departure = journey.legs[0].departure.as_ref().unwrap();
    let roles: Vec<_> = departure.wire.touches.iter().map(|touch| touch.role).collect();
    assert_eq!(roles, [Role::Leaves, Role::InPort, Role::Bridge, Role::OutPort, Role::Arrives]);
}

#[test]
fn a_missing_default_route_is_guessed_and_said_so() {
    let mut scene = lab();
    scene.stacks[RED.0].routes.pop();
    let journey = follow(&scene, RED, WORLD);
    assert_eq!(journey.end, End::World(HOST), "what comes behind is looked at all the same");
    assert!(journey.legs[0].departure.as_ref().unwrap().guessed);
}

#[test]
fn a_bridge_without_its_address_is_still_where_the_gateway_was_meant() {
    let mut scene = lab();
    scene.stacks[HOST.0].links[2].addresses.clear();
    let journey = follow(&scene, RED, WORLD);
    assert_eq!(journey.end, End::World(HOST));
}

#[test]
fn an_address_nobody_has_ends_on_the_wire() {
    let scene = lab();
    assert_eq!(follow(&scene, RED, "192.168.100.77").end, End::Nobody(RED));
}

#[test]
fn the_answer_comes_back_by_the_same_bridge() {
    let scene = lab();
    let journey = follow(&scene, HOST, "192.168.100.2");
    let legs: Vec<_> = journey.legs.iter().map(|leg| (leg.direction, leg.stack)).collect();
    assert_eq!(
        legs,
        [(Direction::There, HOST), (Direction::There, RED), (Direction::Back, RED), (Direction::Back, HOST)]
    );
    assert!(journey.returns);
}
