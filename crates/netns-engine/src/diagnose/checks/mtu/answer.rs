//! The answer of a router to what is too large: who needs none, and who swallows it.

use crate::diagnose::{
    firewall::{Certainty, Hook, Passage, Verdict},
    journey::Leg,
    packet::{ConnectionState, Packet, Protocol},
    scene::{Scene, Stack},
};

/// Whether some rule makes TCP ask for segments that fit (`TCPMSS`, or `tcp option maxseg size set`).
pub(super) fn clamps(stack: &Stack) -> bool {
    let mut rules = stack.firewall.chains.iter().flat_map(|chain| &chain.rules);
    rules.any(|rule| rule.text.contains("TCPMSS") || rule.text.contains("maxseg size set"))
}

/// Who drops what the router of this leg answers to the sender: each stack on the way back to that is asked.
pub(super) fn swallowed(scene: &Scene, legs: &[Leg], router: &Leg) -> Option<String> {
    let sender = router.packet.source;
    let own = router.arrival_in(scene)?.addresses.iter().map(|address| address.net.addr());
    let source = own.into_iter().find(|address| address.is_ipv4() == sender.is_ipv4())?;
    let answer =
        Packet { state: ConnectionState::Established, ..Packet::new(source, sender, Protocol::Icmp, None) };
    let before = legs.iter().filter(|leg| leg.direction == router.direction && leg.number <= router.number);
    before.rev().find_map(|leg| {
        let (came_by, leaves_by) = (leg.departure_in(scene), leg.arrival_in(scene));
        let hook = match (leg.number == router.number, leg.arrival.is_some()) {
            (true, _) => Hook::Output,
            (false, true) => Hook::Forward,
            (false, false) => Hook::Input,
        };
        let passage = Passage {
            packet: &answer,
            hook,
            incoming: came_by.map(|link| &link.name).filter(|_| hook != Hook::Output),
            outgoing: leaves_by.map(|link| &link.name).filter(|_| hook != Hook::Input),
            incoming_port: None,
            outgoing_port: None,
            for_this_stack: hook == Hook::Input,
            from_this_stack: hook == Hook::Output,
        };
        let stack = leg.stack_in(scene);
        let mut culprits = stack.firewall.judge(&passage).culprits.into_iter();
        let culprit = culprits.find(|culprit| culprit.certainty == Certainty::Certain);
        let place = culprit.map(|culprit| culprit.place()).or_else(|| drops_such(stack, hook))?;
        Some(format!("{place} {}", stack.location()))
    })
}

/// Rules about just these answers: of types of ICMP, a packet says no more than that it is one.
fn drops_such(stack: &Stack, hook: Hook) -> Option<String> {
    let chains =
        stack.firewall.chains.iter().filter(|chain| chain.base.as_ref().is_some_and(|it| it.hook == hook));
    let mut rules = chains.flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
    let (chain, rule) = rules.find(|(_, rule)| {
        matches!(rule.verdict, Verdict::Drop | Verdict::Reject) && is_about_size(&rule.text)
    })?;
    Some(format!("rule {} of chain {} ('{}')", rule.number, chain.name, rule.text))
}

/// ICMP type 3 (code 4), and `ICMPv6` type 2, in the words of iptables and nft.
fn is_about_size(rule: &str) -> bool {
    let types = [
        "fragmentation-needed",
        "frag-needed",
        "destination-unreachable",
        "packet-too-big",
        "--icmp-type 3",
        "--icmpv6-type 2",
    ];
    types.iter().any(|word| rule.contains(word))
}
