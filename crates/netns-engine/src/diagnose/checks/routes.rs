//! Does every stack on the way know where to send the packet, and where to send the answer?

mod words;

use std::net::IpAddr;

use words::{in_words, kind_in_words, routes_in_words};

use super::{Check, Look, cable::place};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{Direction, End, Leg, Way, WireEnd},
        mend::Mend,
        scene::{RouteKind, Scene, Stack, StackId},
    },
    operation::Operation,
    route::Route as WantedRoute,
    sysctl::Sysctl,
};

pub(super) const CHECK: Check = Check {
    question: "Does every stack on the way know where to send it, and the answer?",
    codes: &[&NO_ROUTE, &ROUTE_BLACKHOLE, &RULE_DIVERTS, &NO_WAY_BACK, &ROUTING_LOOP],
    look: Look::Along(look),
};

static NO_ROUTE: Code = Code {
    name: "no-route",
    title: "No route leads there",
    symptom: "'Network is unreachable' at once, without waiting.",
    cause: "The routing table has an entry for the netns' own network only. The default route was never added, or went \
            when the link went down: the kernel does not bring it back.",
    remedy: "Add a default route by way of the bridge's address, or of the other end of the cable: \
             'ip -n NETNS route add default via GATEWAY'.",
    example: "ip -n red route del default\nnetns-tool doctor red        # no-route\nip -n red route add default via 192.168.100.1",
};

static ROUTE_BLACKHOLE: Code = Code {
    name: "route-blackhole",
    title: "A route says that packets shall not go there",
    symptom: "'Invalid argument' (blackhole), 'No route to host' (unreachable) or 'Permission denied' (prohibit).",
    cause: "A route of kind blackhole, unreachable or prohibit covers the destination. VPN kill switches, routing daemons and \
            Kubernetes network plugins make such routes on purpose.",
    remedy: "If it is not wanted, delete the route as it is shown; else add a more specific one beside it.",
    example: "ip -n red route add blackhole 203.0.113.0/24\nnetns-tool doctor red 203.0.113.8   # route-blackhole\nip -n red route del blackhole 203.0.113.0/24",
};

static RULE_DIVERTS: Code = Code {
    name: "rule-diverts",
    title: "A rule sends the packet to another routing table",
    symptom: "'ip route' shows a fitting route, and the packet does not take it. 'ip route get ADDRESS' shows which one it takes.",
    cause: "An 'ip rule' before the main table applies: it forbids the packet, or names a table that leads elsewhere or nowhere.",
    remedy: "Look at 'ip rule' and 'ip route show table N'; delete the rule, or give its table the route.",
    example: "ip -n red rule add from 192.168.100.2 prohibit\nnetns-tool doctor red        # rule-diverts\nip -n red rule del from 192.168.100.2 prohibit",
};

static NO_WAY_BACK: Code = Code {
    name: "no-way-back",
    title: "The answer does not find its way back",
    symptom: "Requests arrive (tcpdump at the other end shows them), answers do not.",
    cause: "Whoever is asked, or a router on the way, has no route to the address that asks, or one that leads elsewhere: \
            a default route is missing at the other end, or networks overlap.",
    remedy: "Give the stack that is named the route back, or let the router translate the source (NAT).",
    example: "ip -n blue route del default    # with blue on a bridge of its own, br1, 192.168.101.1/24\nnetns-tool doctor red blue      # no-way-back\n\
              ip -n blue route add default via 192.168.101.1",
};

static ROUTING_LOOP: Code = Code {
    name: "routing-loop",
    title: "The packet goes round in circles",
    symptom: "'Time to live exceeded'.",
    cause: "Two routers each think the other one leads to the destination.",
    remedy: "One of the two needs a more specific route: 'ip route get ADDRESS' on each shows who sends it where.",
    example: "ip -n r1 route add 10.9.0.0/24 via 10.0.0.2; ip -n r2 route add 10.9.0.0/24 via 10.0.0.1\n\
              netns-tool doctor r1 10.9.0.5   # routing-loop, with a cable between the netns r1 and r2\nip -n r2 route del 10.9.0.0/24",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        followed.legs().filter_map(|leg| misrouted(scene, followed, leg)).collect();
    findings.extend(followed.journey.there().filter_map(|leg| diverted(scene, leg)));
    findings.extend(looping(scene, followed));
    if findings.is_empty() {
        findings.extend(strayed(scene, followed));
    }
    findings
}

fn misrouted(scene: &Scene, followed: &Followed, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let spot = Spot { leg: leg.number, step: Step::Routing };
    match leg.routing.way {
        Way::Here | Way::Out { .. } => None,
        Way::Stopped(kind) => Some(stopped(stack, leg, spot, kind)),
        // Without a link, there is nothing for a route to lead through; an uplink is a question of its own.
        Way::Nowhere if leg.departure.is_none() || leads_out_of_the_host(scene, leg) => None,
        Way::Nowhere if to_a_link_that_is_off(stack, leg) => None,
        Way::Nowhere => Some(missing(scene, followed, leg, spot)),
    }
}

/// The host's way into the world, which was guessed.
fn leads_out_of_the_host(scene: &Scene, leg: &Leg) -> bool {
    let out_of_sight = leg.departure.as_ref().is_some_and(|departure| departure.wire.end == WireEnd::World);
    leg.stack == StackId::HOST && out_of_sight && leg.departure_in(scene).is_some()
}

/// The route to a link's own network comes back when the link does.
fn to_a_link_that_is_off(stack: &Stack, leg: &Leg) -> bool {
    let link = leg.departure.as_ref().and_then(|departure| stack.link(departure.link));
    link.is_some_and(|link| !link.up && link.is_on_link(leg.routed.destination))
}

fn missing(scene: &Scene, followed: &Followed, leg: &Leg, spot: Spot) -> Finding {
    let stack = leg.stack_in(scene);
    let destination = leg.routed.destination;
    let back = leg.direction == Direction::Back;
    let code = if back { &NO_WAY_BACK } else { &NO_ROUTE };
    let what = if back {
        format!("no route leads back to {destination} {}", stack.location())
    } else {
        format!("no route leads to {destination} {}", stack.location())
    };
    let why = if back {
        "whoever asked waits for an answer that is never sent"
    } else {
        "without a route, the kernel refuses to send: it does not know which link leads there"
    };
    let finding = Finding::error(code, leg.stack, spot, what)
        .seen(format!("{} route get {destination}", stack.ip()), "network is unreachable")
        .seen(format!("{} route", stack.ip()), routes_in_words(stack, destination))
        .why(why);
    let Some(departure) = &leg.departure else { return finding };
    let gateway = departure.next;
    if gateway == destination {
        return finding.remedy(Remedy::note(address_instead(stack, departure.link, destination)));
    }
    let guest_of_world = followed.journey.end == End::World(leg.stack) && leg.stack == StackId::HOST;
    if guest_of_world {
        return finding;
    }
    let default = if gateway.is_ipv4() { "default" } else { "-6 default" };
    let command = format!("{} route add default via {gateway}", stack.ip());
    let command = if default == "default" {
        command
    } else {
        format!("{} -6 route add default via {gateway}", stack.ip())
    };
    let mend =
        place(stack).map(|place| Mend::Change(Operation::AddRoute(place, WantedRoute::default_via(gateway))));
    finding.remedy(Remedy::command(command)).mend(mend.filter(|_| gateway_is_on_link(stack, gateway)))
}

/// The kernel refuses a gateway that no address of the stack makes a neighbour.
fn gateway_is_on_link(stack: &Stack, gateway: IpAddr) -> bool {
    stack.links.iter().any(|link| link.is_on_link(gateway))
}

fn address_instead(stack: &Stack, link: u32, destination: IpAddr) -> String {
    let name = stack.link(link).map(|link| link.name.to_string()).unwrap_or_default();
    format!("give link '{name}' {} an address in the network of {destination}", stack.location())
}

/// `RT_TABLE_MAIN` of `linux/rtnetlink.h`.
const MAIN: u32 = 254;

fn stopped(stack: &Stack, leg: &Leg, spot: Spot, kind: RouteKind) -> Finding {
    let destination = leg.routed.destination;
    let route = leg.routing.route.and_then(|place| stack.routes.get(place));
    let rule = leg.routing.rule.and_then(|place| stack.policy.get(place));
    let by_other_table = route.is_none_or(|route| route.table != MAIN);
    let code = if by_other_table && rule.is_some() { &RULE_DIVERTS } else { &ROUTE_BLACKHOLE };
    let mut finding = Finding::error(
        code,
        leg.stack,
        spot,
        format!("packets to {destination} are stopped {} ({})", stack.location(), kind_in_words(kind)),
    )
    .seen(format!("{} route get {destination}", stack.ip()), kind_in_words(kind));
    if let Some(rule) = rule.filter(|_| by_other_table) {
        finding = finding.seen(format!("{} rule", stack.ip()), rule.to_string());
        finding = match route {
            None => {
                finding.remedy(Remedy::command(format!("{} rule del priority {}", stack.ip(), rule.priority)))
            }
            Some(_) => finding,
        };
    }
    if let Some(route) = route {
        let words = in_words(stack, route);
        finding = finding.seen(format!("{} route show table all", stack.ip()), words.clone()).remedy(
            Remedy::command(format!("{} route del {words}", stack.ip()))
                .because("if it is not there on purpose"),
        );
    }
    finding.why("such an entry makes the kernel throw the packet away, whatever other routes say")
}

/// A rule before the main table leads to a stack that does not pass the packet on, where main leads to another.
fn diverted(scene: &Scene, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let route = stack.routes.get(leg.routing.route?).filter(|route| route.table != MAIN)?;
    let rule = stack.policy.get(leg.routing.rule?)?;
    let departure = leg.departure.as_ref()?;
    let WireEnd::Found(next, link) = departure.wire.end else { return None };
    let arrival = scene.stack(next).link(link)?;
    let switch = Sysctl::LinkForwarding(leg.routed.family(), arrival.name.clone()).path();
    let passes_on = scene.stack(next).setting(&switch) != Some(0)
        || scene.stack(next).links.iter().any(|link| link.has_address(leg.routed.destination));
    if passes_on {
        return None;
    }
    let spot = Spot { leg: leg.number, step: Step::Routing };
    let what = format!(
        "a rule sends packets to {} by way of {}, which is no router, {}",
        leg.routed.destination,
        scene.stack(next).entrance,
        stack.location()
    );
    Some(
        Finding::error(&RULE_DIVERTS, leg.stack, spot, what)
            .seen(format!("{} rule", stack.ip()), rule.to_string())
            .seen(format!("{} route show table {}", stack.ip(), route.table), in_words(stack, route))
            .why("rules are asked in the order of their numbers, and this one comes before the main table")
            .remedy(
                Remedy::command(format!("{} rule del priority {}", stack.ip(), rule.priority))
                    .because("or give the table the right route"),
            ),
    )
}

fn looping(scene: &Scene, followed: &Followed) -> Option<Finding> {
    let End::Loop(id) = followed.journey.end else { return None };
    let guessed = |leg: &Leg| leg.departure.as_ref().is_some_and(|departure| departure.guessed);
    if followed.journey.there().any(guessed) {
        return None;
    }
    let leg = followed.journey.last_there()?;
    let spot = Spot { leg: leg.number, step: Step::Routing };
    let destination = leg.routed.destination;
    let stack = scene.stack(id);
    Some(
        Finding::error(
            &ROUTING_LOOP,
            id,
            spot,
            format!("packets to {destination} come back {}", stack.location()),
        )
        .seen(format!("{} route get {destination}", stack.ip()), "leads to a router that sends it back")
        .why("each round costs one of the packet's hops, until none is left")
        .remedy(Remedy::note("give one of the routers a more specific route to it")),
    )
}

/// Every stack has a route, and still the answer ends up elsewhere.
fn strayed(scene: &Scene, followed: &Followed) -> Option<Finding> {
    let arrived = matches!(followed.journey.end, End::Arrived(_) | End::World(_));
    let redirected = followed.legs().any(|leg| leg.redirection.is_some());
    // Where the way there had to be guessed, the way back says nothing.
    let guessed = followed
        .journey
        .there()
        .filter_map(|leg| leg.departure.as_ref())
        .any(|departure| departure.guessed || matches!(departure.wire.end, WireEnd::Nobody(_)));
    if !arrived || followed.journey.returns || redirected || guessed || followed.way.enters_by.is_some() {
        return None;
    }
    let origin = followed.journey.legs.first()?;
    let stray = followed.journey.back().find(|leg| went_another_way(followed, leg))?;
    let stack = stray.stack_in(scene);
    let link = stray.departure_in(scene).map(|link| link.name.to_string()).unwrap_or_default();
    let to = stray.routed.destination;
    let spot = Spot { leg: stray.number, step: Step::Routing };
    let route = stray.routing.route.and_then(|place| stack.routes.get(place));
    let mut finding = Finding::error(
        &NO_WAY_BACK,
        stray.stack,
        spot,
        format!("the answer to {to} leaves by link '{link}' {}, which does not lead there", stack.location()),
    )
    .seen(
        format!("{} route get {to}", stack.ip()),
        route.map_or_else(|| format!("dev {link}"), |route| in_words(stack, route)),
    )
    .why(format!("{to} is {}, and another route to its network wins", scene.stack(origin.stack).location()));
    if let Some(rule) = stray.routing.rule.and_then(|place| stack.policy.get(place)) {
        finding = finding.seen(format!("{} rule", stack.ip()), rule.to_string());
    }
    Some(with_route_back(finding, followed, stray, stack))
}

/// The route that comes with an address may have been deleted; else two networks are in each other's way.
fn with_route_back(finding: Finding, followed: &Followed, stray: &Leg, stack: &Stack) -> Finding {
    let to = stray.routed.destination;
    let there = followed.journey.there().find(|leg| leg.stack == stray.stack);
    let link = there.and_then(|leg| stack.link(leg.arrival?));
    let net = link.and_then(|link| link.addresses.iter().find(|address| address.net.contains(&to)));
    let (Some(link), Some(net)) = (link, net) else {
        return finding.remedy(Remedy::note(
            "give one of the two networks another subnet, or this stack a more specific route",
        ));
    };
    let net = net.net.trunc();
    let has_it = stack.routes.iter().any(|route| {
        route.table == MAIN
            && route.destination == net
            && route.hops.iter().any(|hop| hop.link == Some(link.index))
    });
    if has_it {
        let host: ipnet::IpNet = to.into();
        return finding.remedy(
            Remedy::command(format!("{} route add {host} dev {}", stack.ip(), link.name))
                .because("for this one address; better give one of the two networks another subnet"),
        );
    }
    let route =
        WantedRoute { destination: net, gateway: None, ..WantedRoute::default_via(to).on(link.name.clone()) };
    finding
        .remedy(Remedy::command(format!("{} route add {net} dev {}", stack.ip(), link.name)))
        // A link that is off brings the route along once it is on.
        .mend(place(stack).filter(|_| link.up).map(|place| Mend::Change(Operation::AddRoute(place, route))))
}

/// On the way back, a stack should leave by the link it was come to by on the way there.
fn went_another_way(followed: &Followed, leg: &Leg) -> bool {
    let Some(departure) = &leg.departure else { return false };
    let came_by =
        followed.journey.there().find(|there| there.stack == leg.stack).and_then(|there| there.arrival);
    came_by.is_some_and(|link| link != departure.link)
}

#[cfg(test)]
mod tests;
