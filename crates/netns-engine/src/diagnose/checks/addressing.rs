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
    if can_send || link.bridge.is_some() || is_without_ipv6(stack, link, family) {
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
    let disabled = is_without_ipv6(crossing.scene.stack(stack), far.link, crossing.family());
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

/// IPv6 addresses also go when a link is switched off, which is a finding of its own.
fn is_without_ipv6(stack: &Stack, link: &Link, family: Family) -> bool {
    is_disabled(stack, link, family) || family == Family::Ipv6 && !link.up
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
mod tests;
