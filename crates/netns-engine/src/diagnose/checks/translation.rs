//! Does what leaves for the world carry an address that the world can answer?

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Check, Look};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        firewall::{Field, Hook, NearMiss, Passage, Unmet, Values},
        journey::{Leg, Way, WireEnd, route},
        scene::{Link, Scene, Stack, StackId},
        way,
    },
};

pub(super) const CHECK: Check = Check {
    question: "Does what leaves for the world carry an address that the world can answer?",
    codes: &[&MISSING, &WRONG_UPLINK, &WRONG_SUBNET],
    look: Look::Along(look),
};

static MISSING: Code = Code {
    name: "masquerade-missing",
    title: "Nothing translates the private source address",
    symptom: "Packets leave by the uplink with a private source (tcpdump shows 192.168.…), and no answer comes.",
    cause: "Routers on the way do not know private networks (RFC 1918) and cannot send answers back. No rule at postrouting puts the host's own \
            address in place; it was never added (\
            'iptables: command not found'), or a firewall's restart or 'iptables -t nat -F' took it away.",
    remedy: "'netns-tool nat BRIDGE', which needs no iptables program, or 'iptables -t nat -A POSTROUTING -s SUBNET -o UPLINK -j MASQUERADE'.",
    example: "iptables -t nat -F POSTROUTING\nnetns-tool doctor red        # masquerade-missing\nnetns-tool nat br0",
};

static WRONG_UPLINK: Code = Code {
    name: "masquerade-wrong-uplink",
    title: "The translation names another uplink",
    symptom: "As with a missing rule, though 'iptables -t nat -S' shows one.",
    cause: "The rule is for one link (-o wlan0), and packets leave through another: the host changed from cable to wireless, a VPN came up, or the \
            name was a guess. 'ip route get 9.9.9.9' shows the link that counts.",
    remedy: "Add the rule for the link of the default route, and delete the old one.",
    example: "iptables -t nat -F POSTROUTING; iptables -t nat -A POSTROUTING -s 192.168.100.0/24 -o wlan0 -j MASQUERADE\n\
              netns-tool doctor red        # masquerade-wrong-uplink\n\
              iptables -t nat -R POSTROUTING 1 -s 192.168.100.0/24 -o eth0 -j MASQUERADE",
};

static WRONG_SUBNET: Code = Code {
    name: "masquerade-wrong-subnet",
    title: "The translation is for another subnet",
    symptom: "As with a missing rule, though 'iptables -t nat -S' shows one.",
    cause: "The network in the rule (-s) does not hold the address of the netns: a typing error, another prefix length, or the bridge has another address by now.",
    remedy: "Add the rule for the bridge's subnet, and delete the old one.",
    example: "iptables -t nat -F POSTROUTING; iptables -t nat -A POSTROUTING -s 192.168.10.0/24 -o eth0 -j MASQUERADE\n\
              netns-tool doctor red        # masquerade-wrong-subnet\n\
              iptables -t nat -R POSTROUTING 1 -s 192.168.100.0/24 -o eth0 -j MASQUERADE",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let there = followed.journey.there().filter(|leg| leg.forwards() && leg.translation.is_none());
    there.filter_map(|leg| untranslated(scene, leg)).collect()
}

fn untranslated(scene: &Scene, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let uplink = leg.departure_in(scene)?;
    let source = leg.routed.source;
    let for_world = leaves_for_world(stack, leg, uplink);
    if !for_world || source.is_unspecified() || !is_private(source) || somebody_answers(scene, leg, source) {
        return None;
    }
    let spot = Spot { leg: leg.number, step: Step::Translation };
    let near = near_misses(scene, leg);
    let subnet = subnet_of(stack, leg, source);
    let (code, miss) = kind(&near);
    let shadowed = miss.is_some_and(|miss| miss.unmet.is_empty());
    let what = format!(
        "packets from {source} leave by link '{}' {} with their private source address",
        uplink.name,
        stack.location()
    );
    let mut finding = Finding::error(code, leg.stack, spot, what);
    finding = match miss {
        Some(miss) => finding.seen(miss.by.clone(), format!("{} ({})", miss.text, unmet_in_words(miss))),
        None => finding.seen(
            stack.run("nft list ruleset"),
            format!("no rule at postrouting translates {source} on '{}'", uplink.name),
        ),
    };
    finding = finding
        .seen(format!("{} route get {}", stack.ip(), leg.routed.destination), format!("dev {}", uplink.name))
        .why("the world has no route back to a private network: it can only answer the host's own address");
    Some(if shadowed {
        finding.remedy(by_hand(stack, leg, (uplink, subnet)).because("before the rule that decides now"))
    } else {
        with_remedy(finding, leg, stack, (uplink, subnet))
    })
}

fn with_remedy(finding: Finding, leg: &Leg, stack: &Stack, (uplink, subnet): (&Link, IpNet)) -> Finding {
    let bridge = leg.arrival.and_then(|link| stack.link(link)).filter(|link| link.bridge.is_some());
    let by_hand = by_hand(stack, leg, (uplink, subnet));
    match bridge.filter(|_| leg.stack == StackId::HOST) {
        Some(bridge) => finding
            .remedy(Remedy::command(format!("netns-tool nat {} {}", bridge.name, uplink.name)))
            .remedy(by_hand.because("by hand"))
            .mend([crate::diagnose::mend::Mend::Nat {
                bridge: bridge.name.clone(),
                uplink: uplink.name.clone(),
            }]),
        None => finding.remedy(by_hand),
    }
}

/// First in the chain, so that no earlier rule decides otherwise.
fn by_hand(stack: &Stack, leg: &Leg, (uplink, subnet): (&Link, IpNet)) -> Remedy {
    let program = if leg.routed.family() == Family::Ipv4 { "iptables" } else { "ip6tables" };
    let rule = format!("{program} -t nat -I POSTROUTING -s {subnet} -o {} -j MASQUERADE", uplink.name);
    Remedy::command(stack.run(&rule))
}

/// Through the link of the default route, and not to a network of its own.
fn leaves_for_world(stack: &Stack, leg: &Leg, uplink: &Link) -> bool {
    let by_default = way::uplink(stack, leg.routed.family()).is_some_and(|link| link.index == uplink.index);
    let unseen = leg.departure.as_ref().is_some_and(|departure| departure.wire.end == WireEnd::World);
    by_default || unseen
}

/// Networks that the internet does not route: RFC 1918, RFC 6598, RFC 3927, RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private() || address.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_unicast_link_local() || is_documentation(address)
        }
    }
}

/// `2001:db8::/32` (RFC 3849) is for examples: no network routes it.
fn is_documentation(address: std::net::Ipv6Addr) -> bool {
    address.segments()[..2] == [0x2001, 0x0db8]
}

/// The next stack is in sight, and knows the way back.
fn somebody_answers(scene: &Scene, leg: &Leg, source: IpAddr) -> bool {
    let Some(WireEnd::Found(next, link)) = leg.departure.as_ref().map(|departure| departure.wire.end) else {
        return false;
    };
    let stack = scene.stack(next);
    let answer = leg.sent.answer();
    debug_assert_eq!(answer.destination, source, "the answer goes to whoever asked");
    matches!(route(stack, &answer, None).way, Way::Out { link: out, .. } if out == link)
        && way::uplink(stack, answer.family()).is_none_or(|uplink| uplink.index == link)
}

fn near_misses(scene: &Scene, leg: &Leg) -> Vec<NearMiss> {
    let stack = leg.stack_in(scene);
    let passages = leg.passages(scene);
    let Some(leaving) = passages.iter().find(|passage| passage.hook == Hook::Postrouting) else {
        return Vec::new();
    };
    stack.firewall.near_translations(&Passage { ..*leaving })
}

/// The miss that is the likeliest to have been meant: everything fits but one thing.
fn kind(near: &[NearMiss]) -> (&'static Code, Option<&NearMiss>) {
    if let Some(miss) = near.iter().find(|miss| miss.unmet.is_empty()) {
        return (&MISSING, Some(miss));
    }
    let only =
        |field: Field| near.iter().find(move |miss| miss.unmet.iter().all(|unmet| unmet.field() == field));
    if let Some(miss) = only(Field::OutgoingLink) {
        return (&WRONG_UPLINK, Some(miss));
    }
    match only(Field::Source) {
        Some(miss) => (&WRONG_SUBNET, Some(miss)),
        None => (&MISSING, None),
    }
}

fn unmet_in_words(miss: &NearMiss) -> String {
    if miss.unmet.is_empty() {
        return "never reached: an earlier rule decides".to_owned();
    }
    let words = miss.unmet.iter().map(|unmet| match unmet {
        Unmet::Is(Field::OutgoingLink, Values::Words(names)) => format!("only for link {}", names.join(", ")),
        Unmet::Is(Field::Source, Values::Addresses(ranges)) => {
            let ranges: Vec<String> =
                ranges.iter().map(|(first, last)| format!("{first} to {last}")).collect();
            format!("only from {}", ranges.join(", "))
        }
        Unmet::Is(..) => "only for others".to_owned(),
        Unmet::IsNot(..) => "not for this".to_owned(),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// The network of the source, as the link that it came in by tells it.
fn subnet_of(stack: &Stack, leg: &Leg, source: IpAddr) -> IpNet {
    let link = leg.arrival.and_then(|link| stack.link(link));
    let mut nets = link.into_iter().flat_map(|link| &link.addresses).map(|address| address.net);
    nets.find(|net| net.contains(&source)).map_or_else(|| source.into(), |net| net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::tests::lab::{HOST, RED, WORLD, codes, findings_on, lab, masquerade, to};

    #[test]
    fn the_missing_rule_is_told_from_one_for_another_link_or_subnet() {
        let mut scene = lab();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        scene.stacks[HOST.0].firewall.chains.clear();
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["masquerade-missing"]);
        assert_eq!(findings[0].remedy[0].commands, ["netns-tool nat br0 eth0"]);
        scene.stacks[HOST.0].firewall.chains = vec![masquerade("192.168.100.0/24", "wlan0")];
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["masquerade-wrong-uplink"]);
        scene.stacks[HOST.0].firewall.chains = vec![masquerade("192.168.10.0/24", "eth0")];
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), ["masquerade-wrong-subnet"]);
    }

    #[test]
    fn neighbours_and_public_addresses_need_no_translation() {
        let mut scene = lab();
        scene.stacks[HOST.0].firewall.chains.clear();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, "192.168.100.3"))), [""; 0]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(HOST, WORLD))), [""; 0]);
        scene.stacks[RED.0].links[1].addresses[0].net = "198.51.100.9/24".parse().unwrap();
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }
}
