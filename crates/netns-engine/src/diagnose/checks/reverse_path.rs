//! Would the kernel send an answer by the link that a packet comes in by? If it insists, it drops others.

use super::{Check, Look, cable::place};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{Leg, Way, route},
        mend::Mend,
        scene::{Link, Scene, Stack},
    },
    operation::Operation,
    sysctl::{NamedSetting, Sysctl},
};

pub(super) const CHECK: Check = Check {
    question: "Does the reverse path filter let it in?",
    codes: &[&REVERSE_PATH_FILTER],
    look: Look::Along(look),
};

static REVERSE_PATH_FILTER: Code = Code {
    name: "reverse-path-filter",
    title: "The reverse path filter drops it",
    symptom: "Packets arrive at a link (tcpdump shows them) and go no further; no firewall counts them. \
              'nstat -az TcpExtIPReversePathFilter' rises.",
    cause: "With rp_filter=1 the kernel drops a packet whose source it would not answer by the same link (RFC 3704). With two uplinks, \
            policy routing or marks, ways there and back differ. The larger of conf/all and conf/LINK counts.",
    remedy: "Set rp_filter=2 (loose) for the link: then any route to the source will do.",
    example: "ip link add veth-red2 type veth peer name eth1 netns red\n\
              ip address add 192.168.102.1/24 dev veth-red2; ip link set veth-red2 up\n\
              ip -n red address add 192.168.102.2/24 dev eth1; ip -n red link set eth1 up\n\
              ip -n red route replace default via 192.168.102.1 dev eth1 src 192.168.100.2\n\
              sysctl -w net.ipv4.conf.veth-red2.rp_filter=1\nnetns-tool doctor red        # reverse-path-filter\n\
              sysctl -w net.ipv4.conf.veth-red2.rp_filter=2",
};

/// `rp_filter`: 1 is strict, 2 loose (`Documentation/networking/ip-sysctl.rst`).
const STRICT: i64 = 1;
const LOOSE: i64 = 2;

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    followed.legs().filter_map(|leg| filtered(scene, leg)).collect()
}

fn filtered(scene: &Scene, leg: &Leg) -> Option<Finding> {
    let stack = leg.stack_in(scene);
    let link = leg.arrival_in(scene)?;
    let source = leg.packet.source;
    // IPv6 has no such setting; the unspecified source was only a stand-in.
    if leg.packet.family() == Family::Ipv6 || source.is_unspecified() || source.is_loopback() {
        return None;
    }
    let own = format!("net/ipv4/conf/{}/rp_filter", link.name);
    let all = "net/ipv4/conf/all/rp_filter";
    let mode = stack.setting(&own).unwrap_or(0).max(stack.setting(all).unwrap_or(0));
    // As the kernel asks: the way of an answer, which comes in by the link that it is about.
    let back = route(stack, &leg.packet.answer(), Some(&link.name));
    let allowed = match (mode, back.way) {
        (STRICT, Way::Out { link: out, .. }) => out == link.index,
        (LOOSE, Way::Out { .. }) | (_, Way::Here) => true,
        (STRICT | LOOSE, _) => false,
        _ => true,
    };
    (!allowed).then(|| found(stack, leg, link, (&own, mode)))
}

fn found(stack: &Stack, leg: &Leg, link: &Link, (own, mode): (&str, i64)) -> Finding {
    let source = leg.packet.source;
    let spot = Spot { leg: leg.number, step: Step::Arrival };
    let what = format!(
        "packets from {source} are dropped as they come in by link '{}' {}",
        link.name,
        stack.location()
    );
    let mut finding = Finding::error(&REVERSE_PATH_FILTER, leg.stack, spot, what).seen(
        stack.file_of(own),
        stack.setting(own).map_or_else(|| "not there".to_owned(), |value| value.to_string()),
    );
    if let Some(all) = stack.setting("net/ipv4/conf/all/rp_filter").filter(|all| *all > 0) {
        finding = finding.seen(stack.file_of("net/ipv4/conf/all/rp_filter"), all.to_string());
    }
    finding = finding.seen(format!("{} route get {source}", stack.ip()), way_back(stack, leg, link));
    if let Some(count) = stack.counters.get("IPReversePathFilter").filter(|count| **count > 0) {
        finding = finding.seen(stack.run("nstat -az TcpExtIPReversePathFilter"), count.to_string());
    }
    finding = finding.why(
        "the kernel would answer by another link, takes the source for a forged one, and drops the packet without a trace",
    );
    if mode == LOOSE {
        return finding.remedy(Remedy::note(format!("add a route to {source}: there is none at all")));
    }
    let mend = place(stack).zip(NamedSetting::new(own.replace('/', ".")).ok());
    let mend =
        mend.map(|(place, setting)| Mend::Change(Operation::SetSysctl(place, Sysctl::Named(setting), 2)));
    finding.remedy(Remedy::command(stack.set(own, LOOSE))).mend(mend)
}

fn way_back(stack: &Stack, leg: &Leg, link: &Link) -> String {
    match route(stack, &leg.packet.answer(), Some(&link.name)).way {
        Way::Out { link, .. } => {
            stack.link(link).map_or_else(|| "another link".to_owned(), |link| format!("dev {}", link.name))
        }
        _ => "no route".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::tests::lab::{HOST, RED, WORLD, codes, connected, findings_on, lab, to};

    #[test]
    fn strict_is_fine_where_ways_are_the_same_and_loose_where_they_are_not() {
        let mut scene = lab();
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/rp_filter".to_owned(), 1);
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/eth0/rp_filter".to_owned(), 1);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
        scene.stacks[HOST.0].routes.push(connected("192.168.100.0/25", 2));
        let findings = findings_on(&CHECK, &scene, to(RED, WORLD));
        assert_eq!(codes(&findings), ["reverse-path-filter"]);
        assert_eq!(findings[0].remedy[0].commands, ["sysctl -w net.ipv4.conf.br0.rp_filter=2"]);
        scene.stacks[HOST.0].settings.insert("net/ipv4/conf/br0/rp_filter".to_owned(), 2);
        assert_eq!(codes(&findings_on(&CHECK, &scene, to(RED, WORLD))), [""; 0]);
    }
}
