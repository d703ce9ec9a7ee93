//! Does every packet filter let it pass, there and back?

mod profile;
mod remedy;

use profile::Profile;

use super::{Check, Look};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Spot, Step},
        firewall::{Certainty, Chain, Culprit, Hook, Judgement, Passage, Policy, Ruleset, Verdict},
        journey::{Leg, Role, Touch},
        packet::{ConnectionState, Packet},
        scene::{Scene, Stack, StackId},
    },
    name::LinkName,
};

pub(super) const CHECK: Check = Check {
    question: "Does every packet filter let it pass, there and back?",
    codes: &profile::CODES,
    look: Look::Along(look),
};

/// A packet that a filter stops, at a point of its way.
#[derive(Clone, Debug)]
struct Stop {
    stack: StackId,
    spot: Spot,
    hook: Hook,
    packet: Packet,
    incoming: Option<LinkName>,
    outgoing: Option<LinkName>,
    /// Whether a bridge passes it from port to port.
    bridged: bool,
    /// Whether it is for this stack, and not only passes it.
    for_this_stack: bool,
    culprit: Culprit,
}

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut stops: Vec<Stop> = followed.legs().flat_map(|leg| stops_on(scene, leg)).collect();
    let mut findings = Vec::new();
    while let Some(first) = stops.first().cloned() {
        // One chain stops the question and the answer: that is one fault.
        let (same, others) = stops.into_iter().partition(|stop| stop.is_by_the_same(&first));
        stops = others;
        findings.push(finding(scene, &same));
    }
    findings
}

fn stops_on(scene: &Scene, leg: &Leg) -> Vec<Stop> {
    let stack = leg.stack_in(scene);
    let mut stops = Vec::new();
    for passage in leg.passages(scene) {
        let spot = Spot { leg: leg.number, step: step_of(passage.hook) };
        let found = culprits(&stack.firewall, |filters| filters.judge(&passage));
        stops.extend(found.into_iter().map(|culprit| stop(leg.stack, spot, &passage, culprit)));
    }
    for crossed in bridges(leg) {
        stops.extend(stops_on_bridge(scene, leg, crossed));
    }
    stops
}

/// Whoever stops it; and who would, in other chains of the same table, if those had not.
///
/// Within one chain, what stands behind the first that stops it is mostly part of the same thought: it counts only
/// if another chain led to it.
fn culprits(filters: &Ruleset, judge: impl Fn(&Ruleset) -> Judgement) -> Vec<Culprit> {
    /// More than any sensible set of rules holds of others' rules.
    const MOST: usize = 4;
    let mut found = judge(filters).culprits;
    if found.is_empty() {
        return found;
    }
    let mut without = filters.clone();
    let mut newest = found.clone();
    for _ in 0..MOST {
        for culprit in &newest {
            forgive(&mut without, culprit);
        }
        let next = judge(&without).culprits.into_iter();
        newest = next.filter(|culprit| !found.iter().any(|known| known.is_beside(culprit))).collect();
        if newest.is_empty() {
            break;
        }
        found.extend(newest.iter().cloned());
    }
    found
}

/// Lets a packet pass where it was stopped.
fn forgive(filters: &mut Ruleset, culprit: &Culprit) {
    let of_culprit = |chain: &&mut Chain| {
        let base = culprit.rule.is_none().then_some(&culprit.base_chain);
        (chain.origin, chain.family, &chain.table) == (culprit.origin, culprit.family, &culprit.table)
            && chain.name == *base.unwrap_or(&culprit.chain)
    };
    let Some(chain) = filters.chains.iter_mut().find(of_culprit) else { return };
    match (&culprit.rule, &mut chain.base) {
        (Some((number, ..)), _) => {
            let rule = chain.rules.iter_mut().find(|rule| rule.number == *number);
            if let Some(rule) = rule {
                rule.verdict = Verdict::Continue;
            }
        }
        (None, Some(base)) => base.policy = Policy::Accept,
        (None, None) => {}
    }
}

fn stop(stack: StackId, spot: Spot, passage: &Passage<'_>, culprit: Culprit) -> Stop {
    Stop {
        stack,
        spot,
        hook: passage.hook,
        packet: *passage.packet,
        incoming: passage.incoming.cloned(),
        outgoing: passage.outgoing.cloned(),
        bridged: passage.outgoing_port.is_some(),
        for_this_stack: passage.for_this_stack,
        culprit,
    }
}

fn step_of(hook: Hook) -> Step {
    match hook {
        Hook::Ingress | Hook::Prerouting => Step::Prerouting,
        Hook::Input | Hook::Forward | Hook::Output => Step::Filter,
        Hook::Postrouting | Hook::Egress => Step::Translation,
    }
}

/// A bridge that a packet passes from port to port.
#[derive(Clone, Copy)]
struct Crossed {
    in_port: Option<Touch>,
    bridge: Touch,
    out_port: Touch,
}

fn bridges(leg: &Leg) -> Vec<Crossed> {
    let touches = leg.departure.iter().flat_map(|departure| departure.wire.touches.windows(3));
    let crossed = touches.filter(|window| {
        window[0].role == Role::InPort && window[1].role == Role::Bridge && window[2].role == Role::OutPort
    });
    crossed
        .map(|window| Crossed { in_port: Some(window[0]), bridge: window[1], out_port: window[2] })
        .collect()
}

fn stops_on_bridge(scene: &Scene, leg: &Leg, crossed: Crossed) -> Vec<Stop> {
    let stack = scene.stack(crossed.bridge.stack);
    let name = |touch: Touch| stack.link(touch.link).map(|link| &link.name);
    let (bridge, out_port) = (name(crossed.bridge), name(crossed.out_port));
    let passage = Passage {
        packet: &leg.sent,
        hook: Hook::Forward,
        incoming: bridge,
        outgoing: bridge,
        incoming_port: crossed.in_port.and_then(name),
        outgoing_port: out_port,
        for_this_stack: false,
        from_this_stack: false,
    };
    let calls = calls_iptables(stack, crossed.bridge.link, &leg.sent);
    let found = culprits(&stack.firewall, |filters| {
        if calls { filters.judge(&passage) } else { filters.judge_frame(&passage) }
    });
    let spot = Spot { leg: leg.number, step: Step::Neighbour };
    found.into_iter().map(|culprit| stop(crossed.bridge.stack, spot, &passage, culprit)).collect()
}

/// With `br_netfilter`, what a bridge passes goes by the filters for routed packets as well.
fn calls_iptables(stack: &Stack, bridge: u32, packet: &Packet) -> bool {
    let (setting, own): (_, fn(&crate::diagnose::scene::Bridge) -> bool) = if packet.destination.is_ipv4() {
        (profile::BRIDGE_CALLS_IPTABLES, |bridge| bridge.calls_iptables)
    } else {
        (profile::BRIDGE_CALLS_IP6TABLES, |bridge| bridge.calls_ip6tables)
    };
    let by_itself = stack.link(bridge).and_then(|link| link.bridge.as_ref()).is_some_and(own);
    stack.setting(setting) == Some(1) || by_itself
}

impl Stop {
    fn is_by_the_same(&self, other: &Self) -> bool {
        let of = |stop: &Self| {
            let Culprit { origin, family, table, base_chain, chain, rule, .. } = stop.culprit.clone();
            (stop.stack, stop.bridged, origin, family, table, base_chain, chain, rule)
        };
        of(self) == of(other)
    }

    fn is_answer(&self) -> bool {
        self.packet.state == ConnectionState::Established
    }

    /// Whether connections are told apart at this hook yet: before that, an answer is a packet like any other.
    fn is_tracked(&self) -> bool {
        /// `NF_IP_PRI_CONNTRACK` of `linux/netfilter_ipv4.h`.
        const CONNTRACK: i32 = -200;
        !matches!(self.hook, Hook::Ingress | Hook::Egress) && self.culprit.base.priority > CONNTRACK
    }

    /// `from 'br0' to 'eth0'`, `into this stack`, …
    fn passage_in_words(&self) -> String {
        let named =
            |name: &Option<LinkName>| name.as_ref().map(|name| format!("'{name}'")).unwrap_or_default();
        match self.hook {
            _ if self.bridged => format!("from port to port of {}", named(&self.incoming)),
            Hook::Forward | Hook::Postrouting if self.incoming.is_some() => {
                format!("from {} to {}", named(&self.incoming), named(&self.outgoing))
            }
            Hook::Input | Hook::Prerouting | Hook::Ingress => {
                format!("coming in by {}", named(&self.incoming))
            }
            _ => format!("going out by {}", named(&self.outgoing)),
        }
    }
}

fn finding(scene: &Scene, stops: &[Stop]) -> Finding {
    let first = &stops[0];
    let stack = scene.stack(first.stack);
    let profile = Profile::of(stack, first);
    let whose = if first.is_answer() { "answers" } else { "packets" };
    let verb = if first.culprit.rejects { "refuses" } else { "drops" };
    let may = if first.culprit.certainty == Certainty::Possible { "may stop" } else { verb };
    let what = format!(
        "{} {may} {whose} from {} to {}, {} {}",
        profile.name(&first.culprit),
        first.packet.source,
        first.packet.destination,
        first.passage_in_words(),
        stack.location(),
    );
    let code: &'static Code = profile.code();
    let made = match first.culprit.certainty {
        Certainty::Certain => Finding::error(code, first.stack, first.spot, what),
        Certainty::Possible => Finding::warning(code, first.stack, first.spot, what),
    };
    let through = &first.culprit.through;
    let mut finding = made.seen(stack.run(&first.culprit.shown_by()), seen(&first.culprit));
    if through.len() > 1 {
        finding = finding.seen("led there by", through.join(" → "));
    }
    for (read, says) in profile.evidence(stack) {
        finding = finding.seen(read, says);
    }
    finding = finding.why(profile.why());
    for remedy in remedy::remedies(profile, stack, stops) {
        finding = finding.remedy(remedy);
    }
    finding
}

/// What the chain says, and where in it.
fn seen(culprit: &Culprit) -> String {
    match &culprit.rule {
        None => {
            format!("{} (hook {}, priority {})", culprit.text(), culprit.base.hook, culprit.base.priority)
        }
        Some((_, Some(handle), text)) => format!("{text} (handle {handle})"),
        Some((number, None, text)) => format!("{text} (rule {number})"),
    }
}
