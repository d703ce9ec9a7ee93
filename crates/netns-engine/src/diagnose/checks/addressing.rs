//! Does each link that needs an address have one, and one of its own?

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Check, Look,
    bridge::{another_router, unplugged},
    cable::at,
    crossing::{Crossing, Member, address_for, crossings, is_link_local, networks},
};
use crate::{
    address::Family,
    diagnose::{
        case::{Case, Followed},
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{Direction, Leg, Role, WireEnd},
        mend::Mend,
        question::{Destination, Question},
        scene::{Link, Scene, Stack, StackId},
        words::link_in,
    },
    operation::Operation,
    sysctl::Sysctl,
};

pub(super) const CHECK: Check = Check {
    question: "Does each link that needs an address have one?",
    codes: &[&NO_ADDRESS, &IPV6_DISABLED],
    look: Look::Along(look),
};

/// A stack without an address cannot be a destination: then there is no way to follow.
pub(super) const DESTINATION_CHECK: Check = Check {
    question: "Has the stack that shall be reached an address?",
    codes: &[],
    look: Look::Around(destination),
};

static NO_ADDRESS: Code = Code {
    name: "no-address",
    title: "A link has no address",
    symptom: "'Network is unreachable' inside, or 'Destination Host Unreachable' if it is the other end that lacks one; \
              'ip address' shows the link without 'inet'.",
    cause: "The address was never added, was added to another link, or went away when the link was moved into another netns: the \
            kernel takes all addresses from a link that moves, and the routes with them.",
    remedy: "Add one that is free in the network of the bridge, or of the other end: \
             'ip -n NETNS address add ADDRESS/LENGTH dev LINK'. Then add the default route again.",
    example: "ip -n red address flush dev eth0\nnetns-tool doctor red        # no-address\n\
              ip -n red address add 192.168.100.2/24 dev eth0; ip -n red route add default via 192.168.100.1",
};

static IPV6_DISABLED: Code = Code {
    name: "ipv6-disabled",
    title: "IPv6 is switched off on a link",
    symptom: "'Permission denied' when an IPv6 address is added; no 'inet6' on the link, not even a link-local one.",
    cause: "'disable_ipv6' is 1 for the link, set by hand, by a container engine, or for all links at once. The kernel takes IPv6 \
            addresses and routes from a link at that moment and does not bring them back.",
    remedy: "Write 0 to 'net.ipv6.conf.LINK.disable_ipv6', then add address and route again.",
    example: "ip netns exec red sysctl -w net.ipv6.conf.eth0.disable_ipv6=1\nnetns-tool doctor red fd00::1   # ipv6-disabled\n\
              ip netns exec red sysctl -w net.ipv6.conf.eth0.disable_ipv6=0",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings: Vec<Finding> = followed.legs().filter_map(|leg| sender(scene, leg)).collect();
    for crossing in crossings(scene, followed) {
        findings.extend(bare_neighbour(&crossing).map(|it| missing_there(&crossing, it)));
    }
    findings.extend(followed.legs().flat_map(|leg| disabled_on(scene, leg)));
    findings
}

/// A link and what is to be said of it.
struct Place<'a> {
    scene: &'a Scene,
    at: Member<'a>,
    spot: Spot,
}

impl<'a> Place<'a> {
    fn stack(&self) -> &'a Stack {
        self.scene.stack(self.at.stack)
    }

    fn named(&self) -> String {
        link_in(self.scene, self.at.stack, self.at.link)
    }

    /// How the address is added by hand.
    fn add(&self, address: IpNet) -> String {
        format!("{} address add {address} dev {}", self.stack().ip(), self.at.link.name)
    }
}

/// A stack that makes packets, and has no address to send them from.
fn sender(scene: &Scene, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let family = leg.routed.family();
    if leg.arrival.is_some() || leg.ends() {
        return None;
    }
    let link = leg.departure_in(scene).or_else(|| only_link(stack))?;
    let is_unknown = leg.departure.as_ref().is_none_or(|departure| departure.guessed);
    // A link without an address borrows one of another link (unnumbered), if a route leads out of it.
    let can_send =
        has_address(link, leg) || (!is_unknown && stack.links.iter().any(|it| has_address(it, leg)));
    // A bridge without an address is a finding of its own.
    if can_send || link.bridge.is_some() || is_disabled(stack, link, family) {
        return None;
    }
    let spot = Spot { leg: leg.number, step: Step::Arrival };
    let at = Member { stack: leg.stack, link };
    let place = Place { scene, at, spot };
    Some(missing(&place, family, address_for(scene, at, family)))
}

/// Where nothing says by which link it goes, there may still be just one.
fn only_link(stack: &Stack) -> Option<&Link> {
    let mut links = stack.links.iter().filter(|link| !link.is_loopback() && link.master.is_none());
    let first = links.next()?;
    links.next().is_none().then_some(first)
}

fn has_address(link: &Link, leg: &Leg) -> bool {
    let family = leg.routed.family();
    let near = is_link_local(leg.routed.destination);
    let of_family = link.addresses.iter().map(|it| it.net.addr()).filter(|it| Family::of(*it) == family);
    let mut usable = of_family.filter(|it| !it.is_loopback() && (near || !is_link_local(*it)));
    usable.next().is_some()
}

fn missing(place: &Place<'_>, family: Family, free: Option<IpNet>) -> Finding {
    let (stack, link) = (place.stack(), &place.at.link.name);
    let flag = if family == Family::Ipv4 { "-4" } else { "-6" };
    let finding = Finding::error(
        &NO_ADDRESS,
        place.at.stack,
        place.spot,
        format!("{} has no {family} address", place.named()),
    )
    .seen(format!("{} {flag} address show {link}", stack.ip()), shown(place.at.link, family))
    .why("without an address there is nothing that an answer could be sent to");
    match free {
        Some(free) => {
            let mend = at(stack, link).map(|at| Mend::Change(Operation::AddAddress(at, free)));
            finding.remedy(Remedy::command(place.add(free)).because("or another one that is free")).mend(mend)
        }
        None => finding.remedy(Remedy::note(format!(
            "add one that fits the network at its other end: '{} address add ADDRESS/LENGTH dev {link}'",
            stack.ip()
        ))),
    }
}

fn shown(link: &Link, family: Family) -> String {
    let of_family = link.addresses.iter().map(|it| it.net).filter(|net| Family::of_net(net) == family);
    let shown: Vec<String> = of_family.map(|net| net.to_string()).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Whoever is sent to, at the other end of the cable or on the bridge, and has no address at all.
pub(super) fn bare_neighbour<'a>(crossing: &Crossing<'a>) -> Option<Member<'a>> {
    let WireEnd::Nobody(Some((stack, link))) = crossing.departure.wire.end else { return None };
    if unplugged(crossing).is_some()
        || crossing.leg.direction == Direction::Back && !crossing.leads_to_router()
    {
        return None;
    }
    let far = Member { stack, link: crossing.scene.stack(stack).link(link)? };
    if far.link.bridge.is_some() {
        return another_router(crossing, far).or_else(|| only_bare_one(crossing));
    }
    let is_bare = networks(far.link, crossing.family()).next().is_none();
    let disabled = is_disabled(crossing.scene.stack(stack), far.link, crossing.family());
    (is_bare && !disabled).then_some(far)
}

/// On a bridge where all but one have an address, that one is meant.
fn only_bare_one<'a>(crossing: &Crossing<'a>) -> Option<Member<'a>> {
    if crossing.leads_to_router() {
        return None;
    }
    let mut bare = crossing.members().into_iter().filter(|it| {
        it.stack != crossing.leg.stack
            && it.link.bridge.is_none()
            && networks(it.link, crossing.family()).next().is_none()
    });
    let first = bare.next()?;
    bare.next().is_none().then_some(first)
}

fn missing_there(crossing: &Crossing<'_>, at: Member<'_>) -> Finding {
    let place = Place { scene: crossing.scene, at, spot: crossing.spot() };
    let user = crossing.stack().location();
    missing(&place, crossing.family(), crossing.wanted())
        .why(format!("packets {user} are sent to {}, which nobody has", crossing.next()))
}

fn is_disabled(stack: &Stack, link: &Link, family: Family) -> bool {
    family == Family::Ipv6 && stack.setting(&Sysctl::DisableIpv6(link.name.clone()).path()) == Some(1)
}

/// Every link that takes or gives an IPv6 packet, with IPv6 switched off.
fn disabled_on(scene: &Scene, leg: &Leg) -> Vec<Finding> {
    let family = leg.routed.family();
    let spot = Spot { leg: leg.number, step: Step::Arrival };
    let stack = leg.stack_in(scene);
    let links: Vec<Member<'_>> = match &leg.departure {
        Some(departure) => {
            let speaking = departure.wire.touches.iter().filter(|it| speaks_ip(departure.next, it.role, leg));
            let member = |stack: StackId, link: u32| Some((stack, scene.stack(stack).link(link)?));
            let links = speaking.filter_map(|touch| member(touch.stack, touch.link));
            links.map(|(stack, link)| Member { stack, link }).collect()
        }
        None => stack.links.iter().map(|link| Member { stack: leg.stack, link }).collect(),
    };
    let off = links.into_iter().filter(|it| is_disabled(scene.stack(it.stack), it.link, family));
    let relevant = off.filter(|it| it.link.master.is_none() && it.link.is_loopback() == to_itself(leg));
    relevant.map(|at| disabled(&Place { scene, at, spot }, leg)).collect()
}

/// A bridge that only passes frames on does not need IP.
fn speaks_ip(next: IpAddr, role: Role, leg: &Leg) -> bool {
    match role {
        Role::Leaves | Role::Arrives => true,
        Role::Bridge => next != leg.routed.destination,
        Role::InPort | Role::OutPort => false,
    }
}

fn to_itself(leg: &Leg) -> bool {
    leg.routed.destination.is_loopback()
}

fn disabled(place: &Place<'_>, leg: &Leg) -> Finding {
    let (stack, link) = (place.stack(), &place.at.link.name);
    let setting = Sysctl::DisableIpv6(link.clone());
    let on = at(stack, link).map(|at| Mend::Change(Operation::SetSysctl(at.place, setting.clone(), 0)));
    let mut commands = vec![stack.set(&setting.to_string(), 0)];
    let mut mends: Vec<Mend> = on.into_iter().collect();
    let lost = networks(place.at.link, Family::Ipv6).next().is_none() && !place.at.link.is_loopback();
    let address = lost.then(|| address_back(place, leg)).flatten();
    if let Some(address) = address {
        commands.push(place.add(address));
        mends.extend(at(stack, link).map(|at| Mend::Change(Operation::AddAddress(at, address))));
    }
    Finding::error(
        &IPV6_DISABLED,
        place.at.stack,
        place.spot,
        format!("IPv6 is switched off on {}", place.named()),
    )
    .seen(stack.file_of(&setting.path()), "1")
    .why("the kernel neither sends nor takes IPv6 packets on such a link, and took its addresses away")
    .remedy(
        Remedy::commands(commands).because("the routes that went with the addresses have to be added again"),
    )
    .mend(mends)
}

/// The address that went: the one that is sent to, or a free one.
fn address_back(place: &Place<'_>, leg: &Leg) -> Option<IpNet> {
    if place.at.stack == leg.stack {
        return address_for(place.scene, place.at, Family::Ipv6);
    }
    let next = leg.departure.as_ref()?.next;
    let leaving = leg.departure_in(place.scene)?;
    let network = networks(leaving, Family::Ipv6).find(|net| net.contains(&next))?;
    IpNet::new(next, network.prefix_len()).ok()
}

/// The stack that shall be reached has links, and none of them an address.
fn destination(case: &Case<'_>) -> Vec<Finding> {
    let Question::Path(path) = case.question else { return Vec::new() };
    let Destination::Stack(entrance) = &path.to else { return Vec::new() };
    let Some(id) = case.scene.find(entrance).filter(|_| case.ways.is_empty()) else { return Vec::new() };
    let stack = case.scene.stack(id);
    let links = stack.links.iter().filter(|link| !link.is_loopback() && link.master.is_none());
    let Some(link) = links.into_iter().next() else { return vec![without_links(id, stack)] };
    let at = Member { stack: id, link };
    let place = Place { scene: case.scene, at, spot: Spot::default() };
    vec![missing(&place, Family::Ipv4, address_for(case.scene, at, Family::Ipv4))]
}

/// An address needs a link.
fn without_links(id: StackId, stack: &Stack) -> Finding {
    let what = format!("there is no link that could have an address {}", stack.location());
    Finding::error(&NO_ADDRESS, id, Spot::default(), what)
        .seen(format!("{} link", stack.ip()), "lo alone")
        .why("without a cable into it, a netns cannot be reached")
        .remedy(Remedy::note("lay a cable into it first: 'netns-tool connect NETNS BRIDGE'"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        question::Path,
        scene::{Address, NextHop, Peer, Route},
        tests::lab::{BLUE, HOST, RED, WORLD, codes, connected, default_via, findings_on, lab, link, to},
        way::Way,
    };

    fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
        codes(&findings_on(&CHECK, scene, way))
    }

    fn bare(scene: &mut Scene, stack: StackId) {
        scene.stacks[stack.0].links[1].addresses.clear();
        scene.stacks[stack.0].routes.clear();
    }

    #[test]
    fn the_lab_is_well() {
        for way in
            [to(RED, WORLD), to(RED, "192.168.100.3"), to(HOST, "192.168.100.2"), to(RED, "192.168.100.77")]
        {
            assert_eq!(found(&lab(), way), [""; 0]);
        }
    }

    #[test]
    fn who_asks_gets_a_free_address_of_the_bridge() {
        let mut scene = lab();
        bare(&mut scene, RED);
        for destination in [WORLD, "192.168.100.3"] {
            let findings = findings_on(&CHECK, &scene, to(RED, destination));
            assert_eq!(codes(&findings), ["no-address"]);
            assert_eq!(findings[0].what, "link 'eth0' in netns 'red' has no IPv4 address");
            let expected = ["ip -n red address add 192.168.100.2/24 dev eth0"];
            assert_eq!(findings[0].remedy[0].commands, expected);
            assert_eq!(findings[0].mend.len(), 1);
        }
    }

    #[test]
    fn who_asks_without_anybody_to_guess_from_is_told_all_the_same() {
        let mut scene = lab();
        bare(&mut scene, RED);
        scene.stacks[HOST.0].links[2].addresses.clear();
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["no-address"]);
        assert!(findings[0].remedy[0].note.is_some() || !findings[0].mend.is_empty());
    }

    #[test]
    fn who_is_asked_and_lacks_the_address_is_found_if_nobody_else_does() {
        let mut scene = lab();
        bare(&mut scene, BLUE);
        let findings = findings_on(&CHECK, &scene, to(RED, "192.168.100.3"));
        assert_eq!(codes(&findings), ["no-address"]);
        assert_eq!(findings[0].remedy[0].commands, ["ip -n blue address add 192.168.100.3/24 dev eth0"]);
    }

    #[test]
    fn a_stack_without_an_address_cannot_be_a_destination() {
        let mut scene = lab();
        bare(&mut scene, BLUE);
        let path = Path {
            from: scene.stack(RED).entrance.clone(),
            to: Destination::Stack(scene.stack(BLUE).entrance.clone()),
            protocol: crate::diagnose::packet::Protocol::Icmp,
            port: None,
        };
        let question = Question::Path(path);
        let case = Case { scene: &scene, question: &question, ways: Vec::new() };
        let findings = destination(&case);
        assert_eq!(codes(&findings), ["no-address"]);
        assert_eq!(findings[0].remedy[0].commands, ["ip -n blue address add 192.168.100.3/24 dev eth0"]);
    }

    #[test]
    fn the_hosts_end_of_a_cable_gets_the_gateways_address() {
        let mut scene = lab();
        let cable = Link { peer: Some(Peer { stack: Some(RED), index: 2 }), ..link(4, "v-red", "veth", &[]) };
        scene.stacks[HOST.0].links = vec![link(1, "lo", "loopback", &["127.0.0.1/8"]), cable];
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings)[0], "no-address");
        assert_eq!(findings[0].remedy[0].commands, ["ip address add 192.168.100.1/24 dev v-red"]);
    }

    #[test]
    fn a_cable_without_an_address_may_borrow_one() {
        let mut scene = lab();
        let host = &mut scene.stacks[HOST.0];
        host.links[3] =
            Link { peer: Some(Peer { stack: Some(RED), index: 2 }), ..link(4, "v-red", "veth", &[]) };
        host.routes.push(connected("192.168.100.2/32", 4));
        assert_eq!(found(&scene, to(HOST, "192.168.100.2")), [""; 0]);
    }

    fn with_ipv6() -> Scene {
        let mut scene = lab();
        let net = |text: &str| Address { net: text.parse().unwrap(), tentative: false, duplicate: false };
        scene.stacks[HOST.0].links[2].addresses.push(net("fd00::1/64"));
        scene.stacks[RED.0].links[1].addresses.push(net("fd00::2/64"));
        scene.stacks[HOST.0].routes.push(connected("fd00::/64", 3));
        scene.stacks[RED.0].routes.extend([connected("fd00::/64", 2), default_via("fd00::1", 2)]);
        scene
    }

    #[test]
    fn ipv6_that_is_switched_off_comes_back_with_its_address() {
        let setting = "net/ipv6/conf/eth0/disable_ipv6";
        assert_eq!(found(&with_ipv6(), to(RED, "fd00::1")), [""; 0]);
        let mut scene = with_ipv6();
        let red = &mut scene.stacks[RED.0];
        red.settings.insert(setting.to_owned(), 1);
        red.links[1].addresses.pop();
        red.routes.retain(|route: &Route| route.destination.addr().is_ipv4());
        let findings = findings_on(&CHECK, &scene, to(RED, "fd00::1"));
        assert_eq!(codes(&findings), ["ipv6-disabled"]);
        assert_eq!(
            findings[0].remedy[0].commands,
            [
                "ip netns exec red sysctl -w net.ipv6.conf.eth0.disable_ipv6=0",
                "ip -n red address add fd00::2/64 dev eth0"
            ]
        );
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "IPv4 does not mind");
    }

    #[test]
    fn ipv6_that_is_switched_off_on_the_bridge_is_found_from_inside() {
        let mut scene = with_ipv6();
        let host = &mut scene.stacks[HOST.0];
        host.settings.insert("net/ipv6/conf/br0/disable_ipv6".to_owned(), 1);
        host.links[2].addresses.pop();
        host.routes.retain(|route| route.destination.addr().is_ipv4());
        let way = Way { to: "2001:db8::8".parse().unwrap(), ..to(RED, WORLD) };
        let findings = findings_on(&CHECK, &scene, way);
        assert_eq!(codes(&findings)[0], "ipv6-disabled");
        assert_eq!(findings[0].remedy[0].commands[1], "ip address add fd00::1/64 dev br0");
    }

    #[test]
    fn a_route_out_of_the_other_links_is_no_reason_for_an_address_here() {
        let mut scene = lab();
        let hop = NextHop { link: Some(2), ..NextHop::default() };
        scene.stacks[RED.0].routes.push(Route { hops: vec![hop], ..connected("203.0.113.0/24", 2) });
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
    }
}
