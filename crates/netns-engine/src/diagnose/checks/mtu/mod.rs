//! Does a packet as large as its first link takes fit through all that follow?

mod answer;

use self::answer::{clamps, swallowed};
use super::{Check, Look, cable};
use crate::{
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        journey::{Direction, Leg, Role},
        mend::Mend,
        scene::{Link, Scene, Stack, StackId},
        words::link_in,
    },
    operation::{LinkChange, Operation},
};

pub(super) const CHECK: Check = Check {
    question: "Does the largest packet fit through every link on the way?",
    codes: &[&MTU_BLACK_HOLE],
    look: Look::Along(look),
};

static MTU_BLACK_HOLE: Code = Code {
    name: "mtu-black-hole",
    title: "Large packets do not fit through a link on the way",
    symptom: "ping works, small answers come, a connection is made; then downloads, uploads or TLS hang. 'ping -M do -s \
              1472' gets no answer.",
    cause: "A link on the way takes only smaller packets than the first one (a tunnel or VPN as uplink, a cable whose \
            ends differ). A router answers what is too large with 'fragmentation needed', and the sender cuts \
            smaller pieces, unless a filter swallows that answer. A bridge, or the other end of a cable, drops it \
            without a word.",
    remedy: "Give the first link the MTU of the smallest one. For TCP through a router, a rule that clamps the segment \
             size does as well ('iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS \
             --clamp-mss-to-pmtu').",
    example: "ip link set veth-red mtu 1400    # the host's end only\nnetns-tool doctor red            # \
              mtu-black-hole\nip -n red link set eth0 mtu 1400",
};

/// A frame may be this much larger than the MTU, so that a VLAN tag fits (`VLAN_HLEN` in
/// `__is_skb_forwardable` of `linux/netdevice.h`).
const SLACK: u32 = 4;

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let legs = &followed.journey.legs;
    let there: Vec<&Leg> = followed.journey.there().collect();
    let back: Vec<&Leg> = followed.journey.back().collect();
    let begins: Vec<Start<'_>> =
        [&there, &back].into_iter().filter_map(|legs| Start::of(scene, legs.first()?)).collect();
    // Each end of a TCP connection asks for segments that fit its own first link.
    let segments = begins.iter().filter(|start| start.is_seen).map(|start| start.mtu).min();
    let mut narrows: Vec<Narrow<'_>> = Vec::new();
    for legs in [&there, &back] {
        let Some(start) = legs.first().and_then(|leg| Start::of(scene, leg)) else { continue };
        let sizes = Sizes { segment: segments.map_or(start.mtu, |size| size.min(start.mtu)), any: start.mtu };
        for narrow in narrows_on(scene, legs, sizes) {
            if !narrows.iter().any(|known| known.is_at(&narrow)) {
                narrows.push(narrow);
            }
        }
    }
    narrows.iter().filter_map(|narrow| finding(scene, legs, &begins, narrow)).collect()
}

/// Where packets begin, as far as can be seen.
#[derive(Clone, Copy)]
struct Start<'a> {
    direction: Direction,
    stack: StackId,
    link: &'a Link,
    mtu: u32,
    /// Whether whoever sends them is there, and not beyond the link.
    is_seen: bool,
}

impl<'a> Start<'a> {
    fn of(scene: &'a Scene, leg: &Leg) -> Option<Self> {
        let (link, mtu) = match leg.arrival_in(scene) {
            Some(link) => (link, link.mtu_bytes),
            None => (leg.departure_in(scene)?, limit(scene, leg)?.0),
        };
        Some(Self { direction: leg.direction, stack: leg.stack, link, mtu, is_seen: leg.arrival.is_none() })
    }
}

/// The largest packets that come along.
#[derive(Clone, Copy)]
struct Sizes {
    /// With a segment of TCP in it.
    segment: u32,
    /// With anything in it.
    any: u32,
}

/// A link that is too small.
struct Narrow<'a> {
    leg: &'a Leg,
    stack: StackId,
    link: &'a Link,
    limit: u32,
    /// What does not fit.
    size: u32,
    fate: Fate,
}

/// What becomes of packets that do not fit.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Fate {
    /// They vanish.
    Dropped,
    /// The same, but TCP does not send such.
    DatagramsDropped,
    /// A router answers, and says what would fit; the route itself may be what limits it.
    Answered { by_route: bool },
}

impl Narrow<'_> {
    fn is_there(&self) -> bool {
        self.leg.direction == Direction::There
    }

    fn is_at(&self, other: &Self) -> bool {
        (self.stack, self.link.index) == (other.stack, other.link.index)
    }
}

/// The largest packet that leaves on a leg, and whether the route says so rather than the link.
fn limit(scene: &Scene, leg: &Leg) -> Option<(u32, bool)> {
    let link = leg.departure_in(scene)?.mtu_bytes;
    let route = leg.routing.route.and_then(|route| leg.stack_in(scene).routes.get(route)?.mtu_bytes);
    Some(route.filter(|mtu| *mtu < link).map_or((link, false), |mtu| (mtu, true)))
}

fn narrows_on<'a>(scene: &'a Scene, legs: &[&'a Leg], mut sizes: Sizes) -> Vec<Narrow<'a>> {
    let mut narrows = Vec::new();
    for leg in legs {
        let (Some(departure), Some(link)) = (&leg.departure, leg.departure_in(scene)) else { continue };
        let Some((limit, by_route)) = limit(scene, leg) else { continue };
        if leg.arrival.is_some() && limit < sizes.segment {
            let (size, fate) = (sizes.segment, Fate::Answered { by_route });
            narrows.push(Narrow { leg, stack: leg.stack, link, limit, size, fate });
        }
        sizes = Sizes { segment: sizes.segment.min(limit), any: sizes.any.min(limit) };
        for touch in &departure.wire.touches {
            let Some(link) = scene.stack(touch.stack).link(touch.link) else { continue };
            if !drops_silently(link, touch.role) || link.mtu_bytes + SLACK >= sizes.any {
                continue;
            }
            let (size, fate) = if link.mtu_bytes + SLACK < sizes.segment {
                (sizes.segment, Fate::Dropped)
            } else {
                (sizes.any, Fate::DatagramsDropped)
            };
            narrows.push(Narrow { leg, stack: touch.stack, link, limit: link.mtu_bytes, size, fate });
            // Once the sender keeps to this, no larger ones come any more.
            sizes = Sizes { segment: sizes.segment.min(link.mtu_bytes), any: sizes.any.min(link.mtu_bytes) };
        }
    }
    narrows
}

/// An end of a veth pair takes no larger frame than its own MTU, and a bridge sends none out of a port
/// (`is_skb_forwardable`). The bridge itself does not look at its MTU for what it only passes.
fn drops_silently(link: &Link, role: Role) -> bool {
    match role {
        Role::OutPort => true,
        Role::InPort | Role::Arrives => link.kind == "veth",
        Role::Leaves | Role::Bridge => false,
    }
}

fn finding(scene: &Scene, legs: &[Leg], begins: &[Start<'_>], narrow: &Narrow<'_>) -> Option<Finding> {
    let named = link_in(scene, narrow.stack, narrow.link);
    let (limit, size) = (narrow.limit, narrow.size);
    let step = if narrow.fate.is_silent() { Step::Neighbour } else { Step::Forwarding };
    let spot = Spot { leg: narrow.leg.number, step };
    let error = |what: String| Finding::error(&MTU_BLACK_HOLE, narrow.stack, spot, what);
    let warning = |what: String| Finding::warning(&MTU_BLACK_HOLE, narrow.stack, spot, what);
    let found = match narrow.fate {
        Fate::Answered { .. } if clamps(narrow.leg.stack_in(scene)) => return None,
        Fate::Answered { .. } => match swallowed(scene, legs, narrow.leg) {
            Some(by) => error(format!("{named} takes {limit} bytes, packets have up to {size}, and the answer that says so is dropped"))
                .seen(by, "drops ICMP")
                .why("the sender is never told to cut smaller pieces, and sends the same large ones again and again"),
            None => warning(format!("{named} takes {limit} bytes, packets have up to {size}"))
                .why("each sender must be told by ICMP to cut smaller pieces; where a filter drops that, large transfers hang"),
        },
        Fate::Dropped => error(format!("{named} takes {limit} bytes, packets have up to {size}"))
            .why("what is larger vanishes here without an answer: small packets pass, large transfers hang"),
        Fate::DatagramsDropped => {
            let what = format!("{named} takes {limit} bytes, datagrams may have up to {size}");
            // What others send is theirs to know.
            let found = if narrow.is_there() { error(what) } else { warning(what) };
            found.why("TCP keeps to the smaller of both ends; larger datagrams and pings vanish here without an answer")
        }
    };
    Some(with_remedy(scene, found.degrades(), begins, narrow))
}

impl Fate {
    fn is_silent(self) -> bool {
        !matches!(self, Self::Answered { .. })
    }
}

fn with_remedy(scene: &Scene, found: Finding, begins: &[Start<'_>], narrow: &Narrow<'_>) -> Finding {
    let (stack, limit) = (scene.stack(narrow.stack), narrow.limit);
    let read = match narrow.fate {
        Fate::Answered { by_route: true } => format!("{} route show", stack.ip()),
        _ => format!("{} link show {}", stack.ip(), narrow.link.name),
    };
    let mut found = found.seen(read, format!("mtu {limit}"));
    // From beyond what can be seen, it is the other end that asks for smaller pieces.
    let own = begins.iter().find(|start| start.is_seen && start.direction == narrow.leg.direction);
    let Some(start) = own.or_else(|| begins.iter().find(|start| start.is_seen)) else { return found };
    let from = scene.stack(start.stack);
    let set = |stack: &Stack, link: &Link, mtu: u32| {
        Remedy::command(format!("{} link set {} mtu {mtu}", stack.ip(), link.name))
    };
    found = found.seen(
        format!("{} link show {}", from.ip(), start.link.name),
        format!("mtu {}", start.link.mtu_bytes),
    );
    match narrow.fate {
        Fate::DatagramsDropped if !narrow.is_there() => found.remedy(
            set(stack, narrow.link, narrow.size).because("unless the small one is there for a reason"),
        ),
        Fate::Dropped | Fate::DatagramsDropped => found
            .remedy(set(from, start.link, limit))
            .remedy(
                set(stack, narrow.link, narrow.size)
                    .because("or raise the small one, if all behind it takes as much"),
            )
            .mend(lower(from, start.link, limit)),
        Fate::Answered { .. } => {
            found.remedy(set(from, start.link, limit)).mend(lower(from, start.link, limit))
        }
    }
}

fn lower(stack: &Stack, link: &Link, mtu: u32) -> Option<Mend> {
    Some(Mend::Change(Operation::SetLink(cable::at(stack, &link.name)?, LinkChange::Mtu(mtu))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        finding::Severity,
        firewall::{ChainKind, Field, Hook, Match, Values, Verdict},
        tests::lab::{BLUE, HOST, RED, WORLD, chain, codes, findings_on, lab, to},
    };

    #[test]
    fn where_all_links_are_alike_everything_fits() {
        for address in [WORLD, "192.168.100.3", "192.168.100.1"] {
            assert_eq!(codes(&findings_on(&CHECK, &lab(), to(RED, address))), [""; 0]);
        }
    }

    #[test]
    fn a_cable_whose_ends_differ_swallows_large_packets() {
        let found = findings_on(&CHECK, &with_mtu(&[(HOST, 4, 1400)]), to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["mtu-black-hole"], Severity::Error));
        assert_eq!(found[0].remedy[0].commands, ["ip -n red link set eth0 mtu 1400"]);
        assert_eq!(found[0].mend.len(), 1);
    }

    #[test]
    fn a_port_on_the_way_to_a_neighbour_swallows_large_packets() {
        let found = findings_on(&CHECK, &with_mtu(&[(HOST, 5, 1300)]), to(RED, "192.168.100.3"));
        assert_eq!((codes(&found), found[0].severity), (vec!["mtu-black-hole"], Severity::Error));
        assert!(found[0].what.contains("v-blue"), "{}", found[0].what);
    }

    #[test]
    fn a_router_answers_what_does_not_fit_the_uplink() {
        let found = findings_on(&CHECK, &with_mtu(&[(HOST, 2, 1400)]), to(RED, WORLD));
        assert_eq!((codes(&found), found[0].severity), (vec!["mtu-black-hole"], Severity::Warning));
        assert_eq!(found[0].remedy[0].commands, ["ip -n red link set eth0 mtu 1400"]);
        let mut scene = lab();
        scene.stacks[HOST.0].routes[1].mtu_bytes = Some(1400);
        assert_eq!(findings_on(&CHECK, &scene, to(RED, WORLD))[0].evidence[0].read, "ip route show");
    }

    #[test]
    fn where_a_filter_swallows_that_answer_it_is_an_error() {
        let icmp = Match::Is(Field::Protocol, Values::Numbers(vec![(1, 1)]));
        for (stack, name, hook) in [(HOST, "out", Hook::Output), (RED, "in", Hook::Input)] {
            let mut scene = with_mtu(&[(HOST, 2, 1400)]);
            let drop = chain(name, ChainKind::Filter, hook, vec![(vec![icmp.clone()], Verdict::Drop)]);
            scene.stacks[stack.0].firewall.chains.push(drop);
            let found = findings_on(&CHECK, &scene, to(RED, WORLD));
            assert_eq!(
                (codes(&found), found[0].severity),
                (vec!["mtu-black-hole"], Severity::Error),
                "{name}"
            );
        }
    }

    #[test]
    fn a_rule_about_that_answer_alone_counts_as_well() {
        let mut scene = with_mtu(&[(HOST, 2, 1400)]);
        let icmp = Match::Unknown("icmp-type".to_owned());
        let mut drop = chain("out", ChainKind::Filter, Hook::Output, vec![(vec![icmp], Verdict::Drop)]);
        for (text, severity) in [
            ("-p icmp --icmp-type 3/4 -j DROP", Severity::Error),
            ("-p icmp --icmp-type 8 -j DROP", Severity::Warning),
        ] {
            drop.rules[0].text = text.to_owned();
            scene.stacks[HOST.0].firewall.chains = vec![drop.clone()];
            assert_eq!(findings_on(&CHECK, &scene, to(RED, WORLD))[0].severity, severity, "{text}");
        }
    }

    #[test]
    fn a_small_uplink_is_well_with_small_links_inside_or_a_clamp() {
        let all = [(HOST, 2, 1400), (HOST, 3, 1400), (HOST, 4, 1400), (HOST, 5, 1400), (RED, 2, 1400)];
        assert_eq!(codes(&findings_on(&CHECK, &with_mtu(&all), to(RED, WORLD))), [""; 0]);
        let mut clamped = with_mtu(&[(HOST, 2, 1400)]);
        let mut mangle =
            chain("FORWARD", ChainKind::Filter, Hook::Forward, vec![(Vec::new(), Verdict::Continue)]);
        mangle.rules[0].text =
            "-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu".to_owned();
        clamped.stacks[HOST.0].firewall.chains.push(mangle);
        assert_eq!(codes(&findings_on(&CHECK, &clamped, to(RED, WORLD))), [""; 0]);
    }

    #[test]
    fn a_large_uplink_is_well_since_segments_fit_the_smaller_end() {
        assert_eq!(codes(&findings_on(&CHECK, &with_mtu(&[(HOST, 2, 9000)]), to(RED, WORLD))), [""; 0]);
        let jumbo = [(HOST, 3, 9000), (HOST, 4, 9000), (HOST, 5, 9000), (RED, 2, 9000), (BLUE, 2, 9000)];
        assert_eq!(codes(&findings_on(&CHECK, &with_mtu(&jumbo), to(RED, "192.168.100.3"))), [""; 0]);
    }

    #[test]
    fn a_small_inner_end_only_loses_datagrams() {
        let found = findings_on(&CHECK, &with_mtu(&[(RED, 2, 1400)]), to(RED, "192.168.100.3"));
        assert_eq!((codes(&found), found[0].severity), (vec!["mtu-black-hole"], Severity::Warning));
        assert_eq!(found[0].remedy[0].commands, ["ip -n red link set eth0 mtu 1500"]);
    }

    #[test]
    fn jumbo_packets_of_one_alone_are_lost_in_its_own_cable() {
        let found = findings_on(&CHECK, &with_mtu(&[(RED, 2, 9000)]), to(RED, "192.168.100.3"));
        assert_eq!((codes(&found), found[0].severity), (vec!["mtu-black-hole"], Severity::Error));
        assert_eq!(found[0].remedy[0].commands, ["ip -n red link set eth0 mtu 1500"]);
    }

    #[test]
    fn a_tag_of_a_vlan_has_room() {
        assert_eq!(codes(&findings_on(&CHECK, &with_mtu(&[(HOST, 4, 1496)]), to(RED, WORLD))), [""; 0]);
    }

    fn with_mtu(links: &[(StackId, u32, u32)]) -> Scene {
        let mut scene = lab();
        for (stack, index, mtu) in links {
            let link = scene.stacks[stack.0].links.iter_mut().find(|link| link.index == *index);
            link.unwrap().mtu_bytes = *mtu;
        }
        scene
    }
}
