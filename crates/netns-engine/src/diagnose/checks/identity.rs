//! Is each address on a wire one machine's alone, and in use?

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    Check, Look,
    cable::at,
    crossing::{Crossing, Member, crossings, free_in},
};
use crate::{
    address::MacAddress,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy},
        journey::WireEnd,
        mend::Mend,
        scene::{Address, Scene},
        words::link_in,
    },
    operation::{LinkChange, Operation},
};

pub(super) const CHECK: Check = Check {
    question: "Is each address on the wire one machine's alone?",
    codes: &[&ADDRESS_TENTATIVE, &DUPLICATE_ADDRESS, &DUPLICATE_MAC],
    look: Look::Along(look),
};

static ADDRESS_TENTATIVE: Code = Code {
    name: "address-tentative",
    title: "An IPv6 address is not in use yet",
    symptom: "'Cannot assign requested address', or no answer, in the first seconds after the address was added; 'ip address' shows \
              it as 'tentative'.",
    cause: "The kernel asks whether somebody else has the address before it uses it (duplicate address detection, RFC 4862): about \
            a second, and for ever while the link has no carrier.",
    remedy: "Wait a second or two. In a network of your own, add addresses with 'nodad'. If it stays tentative, the link has no \
             carrier.",
    example: "ip -n red address add fd00::2/64 dev eth0; netns-tool doctor red fd00::1   # address-tentative\n\
              ip -n red address add fd00::3/64 dev eth0 nodad",
};

static DUPLICATE_ADDRESS: Code = Code {
    name: "duplicate-address",
    title: "Two machines on the wire have the same address",
    symptom: "It works now and then, or reaches the wrong machine; connections break off. IPv6: 'ip address' shows 'dadfailed'.",
    cause: "The same address was given twice on one bridge or cable. Whoever answers the ARP request first gets the packets, until \
            the neighbour entry is renewed. For IPv6, the kernel notices and does not use the second one.",
    remedy: "Take the address from one of the two, and give that a free one.",
    example: "ip -n blue address add 192.168.100.2/24 dev eth0    # red's\nnetns-tool doctor red        # duplicate-address\n\
              ip -n blue address del 192.168.100.2/24 dev eth0",
};

static DUPLICATE_MAC: Code = Code {
    name: "duplicate-mac",
    title: "Two links on the wire have the same link-layer address",
    symptom: "Packets get lost, now for one and now for the other; the bridge's 'bridge fdb' shows the address at changing ports.",
    cause: "Both links were made with the same fixed MAC address, or one is a copy of the other. A bridge sends frames to \
            the port where it saw that address last.",
    remedy: "Give one of the two another: 'ip link set LINK address MAC'.",
    example: "for n in red blue; do ip -n $n link set eth0 address 02:00:00:00:00:02; done\nnetns-tool doctor red blue   # duplicate-mac\n\
              ip -n blue link set eth0 address 02:00:00:00:00:03",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let crossings: Vec<Crossing<'_>> = crossings(scene, followed).collect();
    let twins = crossings.iter().flat_map(twins);
    // Who works may be lucky: the other one may answer next time.
    let honest = |finding: Finding| if followed.works() { finding.degrades() } else { finding };
    let mut findings: Vec<Finding> = twins.map(honest).collect();
    findings.extend(crossings.iter().flat_map(idle));
    findings
}

/// What two have.
fn twins(crossing: &Crossing<'_>) -> Vec<Finding> {
    let members = crossing.members();
    let shared = addresses(crossing).into_iter().filter_map(|address| shared(crossing, &members, address));
    shared.chain(shared_mac(crossing, &members)).collect()
}

/// What the kernel does not use, unless it is for a twin that is named.
fn idle(crossing: &Crossing<'_>) -> Vec<Finding> {
    let members = crossing.members();
    let alone =
        addresses(crossing).into_iter().filter(|address| shared(crossing, &members, *address).is_none());
    alone.flat_map(|address| members.iter().filter_map(move |it| unused(crossing, *it, address))).collect()
}

/// The addresses that a packet cannot do without on this wire.
fn addresses(crossing: &Crossing<'_>) -> [IpAddr; 2] {
    [crossing.next(), crossing.leg.sent.source]
}

/// Those who have an address and are on: one for each stack.
fn owners<'a>(members: &[Member<'a>], has: impl Fn(&Member<'a>) -> bool) -> Vec<Member<'a>> {
    let mut owners: Vec<Member<'a>> = Vec::new();
    for member in members.iter().filter(|it| it.link.up && has(it)) {
        if !owners.iter().any(|known| known.stack == member.stack) {
            owners.push(*member);
        }
    }
    owners.sort_by_key(|it| it.stack);
    owners
}

/// The one of two that this way does not need.
fn other_one<'a>(crossing: &Crossing<'a>, owners: &[Member<'a>]) -> Option<Member<'a>> {
    let found = match crossing.departure.wire.end {
        WireEnd::Found(stack, _) => Some(stack),
        _ => None,
    };
    let needed = |it: &&Member<'a>| it.stack == crossing.leg.stack || Some(it.stack) == found;
    let mut others = owners.iter().rev();
    others.clone().find(|it| !needed(it)).or_else(|| others.next()).copied()
}

fn shared(crossing: &Crossing<'_>, members: &[Member<'_>], address: IpAddr) -> Option<Finding> {
    let scene = crossing.scene;
    let owners = owners(members, |it| it.link.has_address(address));
    let [first, second, ..] = owners[..] else { return None };
    let other = other_one(crossing, &owners)?;
    let what = format!(
        "{} and {}, on the same wire, both have {address}",
        link_in(scene, first.stack, first.link),
        link_in(scene, second.stack, second.link)
    );
    let mut finding = Finding::error(&DUPLICATE_ADDRESS, other.stack, crossing.spot(), what);
    for owner in [first, second] {
        let read = format!("{} address show {}", scene.stack(owner.stack).ip(), owner.link.name);
        finding = finding.seen(read, in_words(owner, address));
    }
    let net = other.link.addresses.iter().map(|it| it.net).find(|net| net.addr() == address)?;
    Some(
        finding
            .why("packets go to whichever of the two answers first")
            .remedy(Remedy::commands(move_away(scene, other, net)).because("or the same for the other one")),
    )
}

fn in_words(owner: Member<'_>, address: IpAddr) -> String {
    let it = owner.link.addresses.iter().find(|it| it.net.addr() == address);
    let failed = if it.is_some_and(|it| it.duplicate) { " dadfailed" } else { "" };
    it.map(|it| format!("{}{failed}", it.net)).unwrap_or_default()
}

/// The commands that give a link another address.
fn move_away(scene: &Scene, from: Member<'_>, net: IpNet) -> Vec<String> {
    let (ip, link) = (scene.stack(from.stack).ip(), &from.link.name);
    let free = free_in(scene, net).map(|free| format!("{ip} address add {free} dev {link}"));
    // The new one first: with a link's last address, the kernel drops its routes.
    free.into_iter().chain([format!("{ip} address del {net} dev {link}")]).collect()
}

/// An address that the kernel does not use, now or at all.
fn unused(crossing: &Crossing<'_>, member: Member<'_>, address: IpAddr) -> Option<Finding> {
    let it: &Address = member.link.addresses.iter().find(|it| it.net.addr() == address)?;
    let stack = crossing.scene.stack(member.stack);
    let named = link_in(crossing.scene, member.stack, member.link);
    let (ip, link) = (stack.ip(), &member.link.name);
    let read = format!("{ip} address show {link}");
    if it.duplicate {
        let what = format!("{address} of {named} is in use by somebody else on the wire");
        return Some(
            Finding::error(&DUPLICATE_ADDRESS, member.stack, crossing.spot(), what)
                .seen(read, format!("{} dadfailed", it.net))
                .why("the kernel asked before it used the address, was answered, and leaves it alone")
                .remedy(Remedy::commands(move_away(crossing.scene, member, it.net))),
        );
    }
    if !it.tentative {
        return None;
    }
    let what = format!("{address} of {named} is not in use yet");
    let again = [
        format!("{ip} address del {} dev {link}", it.net),
        format!("{ip} address add {} dev {link} nodad", it.net),
    ];
    Some(
        Finding::error(&ADDRESS_TENTATIVE, member.stack, crossing.spot(), what)
            .seen(read, format!("{} tentative", it.net))
            .why("the kernel waits for a second to see whether somebody else has the address, and as long as there is no carrier")
            .remedy(Remedy::note("wait two seconds and try again"))
            .remedy(Remedy::commands(again).because("if nobody else can have it; routes by way of the link may go with the address")),
    )
}

/// Only where a bridge has to choose between them: the two ends of a cable have nobody else.
fn shared_mac(crossing: &Crossing<'_>, members: &[Member<'_>]) -> Option<Finding> {
    let scene = crossing.scene;
    if !members.iter().any(|it| it.link.bridge.is_some()) {
        return None;
    }
    let found = match crossing.departure.wire.end {
        WireEnd::Found(stack, link) => scene.stack(stack).link(link),
        _ => None,
    };
    let twins = [Some(crossing.leaving), found].into_iter().flatten().find_map(|link| {
        let mac = link.mac?;
        let twins = owners(members, |it| it.link.mac == Some(mac));
        (twins.len() > 1).then_some((mac, twins))
    });
    let (mac, twins) = twins?;
    let other = other_one(crossing, &twins)?;
    let what = format!(
        "{} and {}, on the same wire, both have the MAC address {mac}",
        link_in(scene, twins[0].stack, twins[0].link),
        link_in(scene, twins[1].stack, twins[1].link)
    );
    let mut finding = Finding::error(&DUPLICATE_MAC, other.stack, crossing.spot(), what);
    for twin in &twins {
        let read = format!("{} link show {}", scene.stack(twin.stack).ip(), twin.link.name);
        finding = finding.seen(read, format!("link/ether {mac}"));
    }
    let stack = scene.stack(other.stack);
    let new = MacAddress::derived_from(&format!("{} {} beside {mac}", stack.entrance, other.link.name));
    let mend = at(stack, &other.link.name).map(|at| Operation::SetLink(at, LinkChange::Mac(new)));
    let command = format!("{} link set {} address {new}", stack.ip(), other.link.name);
    Some(
        finding
            .why("a bridge sends frames to the port where it saw an address last, so each takes the other's")
            .remedy(Remedy::command(command))
            .mend(mend.map(Mend::Change)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        scene::PortState,
        tests::lab::{BLUE, HOST, RED, WORLD, codes, findings_on, lab, to},
        way::Way,
    };

    fn found(scene: &Scene, way: Way) -> Vec<&'static str> {
        codes(&findings_on(&CHECK, scene, way))
    }

    fn address(text: &str) -> Address {
        Address { net: text.parse().unwrap(), tentative: false, duplicate: false }
    }

    #[test]
    fn the_lab_is_well() {
        for way in [to(RED, WORLD), to(RED, "192.168.100.3"), to(HOST, "192.168.100.2")] {
            assert_eq!(found(&lab(), way), [""; 0]);
        }
    }

    #[test]
    fn an_address_that_two_have_is_said_with_both() {
        let mut scene = lab();
        scene.stacks[BLUE.0].links[1].addresses.push(address("192.168.100.2/24"));
        for way in [to(RED, WORLD), to(HOST, "192.168.100.2")] {
            let findings = findings_on(&CHECK, &scene, way);
            assert_eq!(codes(&findings)[0], "duplicate-address");
            assert_eq!(
                findings[0].what,
                "link 'eth0' in netns 'red' and link 'eth0' in netns 'blue', on the same wire, both have 192.168.100.2"
            );
            assert_eq!(findings[0].stack, BLUE);
            assert_eq!(
                findings[0].remedy[0].commands,
                [
                    "ip -n blue address add 192.168.100.4/24 dev eth0",
                    "ip -n blue address del 192.168.100.2/24 dev eth0"
                ]
            );
        }
    }

    #[test]
    fn who_took_the_gateways_address_is_to_give_it_back() {
        let mut scene = lab();
        scene.stacks[BLUE.0].links[1].addresses[0] = address("192.168.100.1/24");
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["duplicate-address"]);
        assert_eq!(findings[0].stack, BLUE);
    }

    #[test]
    fn the_same_address_on_another_wire_or_on_a_link_that_is_off_is_no_duplicate() {
        let mut scene = lab();
        scene.stacks[BLUE.0].links[1].addresses[0] = address("192.168.100.2/24");
        scene.stacks[BLUE.0].links[1].up = false;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
        scene.stacks[BLUE.0].links[1].up = true;
        scene.stacks[HOST.0].links[4].master = None;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0]);
    }

    #[test]
    fn an_address_in_the_making_is_not_in_use() {
        let mut scene = lab();
        scene.stacks[RED.0].links[1].addresses[0].tentative = true;
        assert_eq!(found(&scene, to(RED, WORLD))[0], "address-tentative");
        scene.stacks[RED.0].links[1].addresses[0].duplicate = true;
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings)[0], "duplicate-address");
        assert_eq!(findings[0].evidence[0].says, "192.168.100.2/24 dadfailed");
    }

    #[test]
    fn twins_by_mac_are_told_apart() {
        let mut scene = lab();
        let mac = "02:00:00:00:00:02".parse().ok();
        scene.stacks[RED.0].links[1].mac = mac;
        scene.stacks[HOST.0].links[3].mac = mac;
        scene.stacks[HOST.0].links[3].port.as_mut().unwrap().state = PortState::Forwarding;
        assert_eq!(found(&scene, to(RED, WORLD)), [""; 0], "a port is no member");
        scene.stacks[BLUE.0].links[1].mac = mac;
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings)[0], "duplicate-mac");
        assert_eq!(findings[0].stack, BLUE);
        assert!(findings[0].remedy[0].commands[0].starts_with("ip -n blue link set eth0 address "));
    }
}
