//! Does what a port forward redirects get to its target, and the answer back?

use std::net::SocketAddr;

use ipnet::IpNet;

use super::{Check, Look, cable, own_rules::publish, ports::published};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Spot, Step},
        firewall::{Certainty, Translation},
        journey::{End, Journey, Leg, Role},
        mend::Mend,
        scene::{Scene, Stack, StackId},
        words::link_in,
    },
    name::LinkName,
    operation::{LinkChange, Operation},
};

pub(super) const CHECK: Check = Check {
    question: "Does what a port forward redirects get to its target, and the answer back?",
    codes: &[&NOWHERE, &HAIRPIN],
    look: Look::Along(look),
};

static NOWHERE: Code = Code {
    name: "forward-to-nowhere",
    title: "A port is forwarded to an address that nobody has",
    symptom: "'No route to host' after three seconds, or silence, on a published port that worked once.",
    cause: "The rule names an address. The netns that had it is gone, or was made anew and has another one by now.",
    remedy: "Publish the port again for the address of today, and take the old rule away.",
    example: "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to 192.168.100.77:80\nnetns-tool doctor \
              8080       # forward-to-nowhere\niptables -t nat -D PREROUTING -p tcp --dport 8080 -j DNAT --to \
              192.168.100.77:80",
};

static HAIRPIN: Code = Code {
    name: "hairpin-missing",
    title: "A neighbour cannot use the published port",
    symptom: "The published port answers from outside, and not from a netns on the same bridge, or from the very netns that \
              serves it.",
    cause: "The target sees the address of its neighbour, or its own, and answers directly: not by the host, which alone could \
            put the port's address back. Who asked gets an answer from somebody it did not ask. Where bridges call \
            iptables (br_netfilter), a frame to the very netns that sent it must also be let back through the port it came by (hairpin mode).",
    remedy: "Translate the source as well, for what was redirected within the subnet: 'netns-tool publish' does. Or use the \
             netns' own address.",
    example: "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to 192.168.100.2:80\nnetns-tool doctor blue \
              192.168.100.1:8080   # hairpin-missing\niptables -t nat -A POSTROUTING -s 192.168.100.0/24 -d 192.168.100.2 \
              -p tcp --dport 80 -m conntrack --ctstate DNAT -j MASQUERADE",
};

/// Whether bridges call iptables for what they only pass.
const BRIDGES_CALL: [&str; 2] = ["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"];

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    let mut findings = Vec::new();
    for leg in Redirected::on(scene, &followed.journey) {
        findings.extend(leg.to_nowhere());
        findings.extend(leg.answered_directly());
        findings.extend(leg.stopped_at_its_port());
    }
    findings
}

/// A leg on which the destination is translated.
pub(super) struct Redirected<'a> {
    pub(super) scene: &'a Scene,
    journey: &'a Journey,
    pub(super) leg: &'a Leg,
    pub(super) redirection: &'a Translation,
}

impl<'a> Redirected<'a> {
    /// Finds those of a way there.
    pub(super) fn on(scene: &'a Scene, journey: &'a Journey) -> impl Iterator<Item = Self> {
        journey.there().filter_map(move |leg| {
            let redirection = leg.redirection.as_ref()?;
            Some(Self { scene, journey, leg, redirection })
        })
    }

    pub(super) fn stack(&self) -> &'a Stack {
        self.leg.stack_in(self.scene)
    }

    pub(super) fn target(&self) -> String {
        let address = self.leg.routed.destination;
        self.leg
            .routed
            .destination_port
            .map_or_else(|| address.to_string(), |port| SocketAddr::new(address, port).to_string())
    }

    pub(super) fn asked(&self) -> String {
        let packet = &self.leg.packet;
        let address = packet.destination;
        let port = packet.destination_port.map(|port| SocketAddr::new(address, port).to_string());
        format!("{}/{}", port.unwrap_or_else(|| address.to_string()), packet.protocol)
    }

    pub(super) fn finding(&self, code: &'static Code, step: Step, what: String) -> Finding {
        let spot = Spot { leg: self.leg.number, step };
        let finding = match self.redirection.certainty {
            Certainty::Certain => Finding::error(code, self.leg.stack, spot, what),
            Certainty::Possible => Finding::warning(code, self.leg.stack, spot, what),
        };
        finding.seen(&self.redirection.by, &self.redirection.text)
    }

    /// What published the port, if that was this tool.
    pub(super) fn publish_again(&self) -> Option<Remedy> {
        let (port, transport) = (self.leg.packet.destination_port?, self.leg.packet.protocol.transport()?);
        let record = published(self.scene, port, transport).filter(|record| {
            record.forward.target.ip() == self.leg.routed.destination && self.leg.stack == StackId::HOST
        })?;
        Some(Remedy::command(publish(record)).because("again: it adds what is missing"))
    }

    fn to_nowhere(&self) -> Option<Finding> {
        let target = self.leg.routed.destination;
        let nobody = matches!(self.journey.end, End::Nobody(_) | End::Stuck(_));
        if !nobody || self.leg.ends() || self.scene.owners(target).next().is_some() {
            return None;
        }
        let what = format!("{} is forwarded to {}, an address that nobody has", self.asked(), self.target());
        let finding = self
            .finding(&NOWHERE, Step::Prerouting, what)
            .why("packets leave for an address at which nobody answers")
            .seen("the addresses of all netns that can be seen", format!("none is {target}"));
        let (port, transport) = (self.leg.packet.destination_port, self.leg.packet.protocol.transport());
        let record = port.zip(transport).and_then(|(port, transport)| published(self.scene, port, transport));
        Some(match record {
            Some(record) => {
                let address = SocketAddr::new(record.forward.published.address, record.forward.published.port);
                let suffix = super::own_rules::suffix(record.forward.published.transport);
                let commands = [format!("netns-tool unpublish {address}{suffix}"), publish(record)];
                finding.remedy(Remedy::commands(commands).because("again, for the address it has today"))
            }
            None => finding.remedy(Remedy::note(
                "take this rule away, and publish the port for a netns that is there: 'netns-tool publish PORT:NETNS:PORT'",
            )),
        })
    }

    /// Back where it came from, with the source as it was: the target answers without the host.
    fn answered_directly(&self) -> Option<Finding> {
        let leg = self.leg;
        let link = leg.departure_in(self.scene).filter(|link| leg.arrival == Some(link.index))?;
        let source = leg.routed.source;
        let subnet = link.addresses.iter().map(|address| address.net).find(|net| net.contains(&source))?;
        if self.journey.returns || leg.translation.is_some() {
            return None;
        }
        let who = if source == leg.routed.destination {
            format!("{source} is the target itself")
        } else {
            format!("{source} is its neighbour")
        };
        let what = format!("{} leads back into the network it is asked from: {who}", self.asked());
        let mut found = self
            .finding(&HAIRPIN, Step::Translation, what)
            .seen(
                self.stack().run("nft list ruleset"),
                format!("no rule at postrouting translates {source} on '{}'", link.name),
            )
            .why("the target answers directly, and who asked does not know that address");
        found = match self.publish_again() {
            Some(again) => found.remedy(again),
            None => found.remedy(Remedy::command(self.stack().run(&self.masquerade(&link.name, subnet)))),
        };
        Some(found.remedy(Remedy::note(format!("or ask {} itself", self.target()))))
    }

    fn masquerade(&self, link: &LinkName, subnet: IpNet) -> String {
        let leg = self.leg;
        let program = if leg.routed.family() == Family::Ipv4 { "iptables" } else { "ip6tables" };
        let port = leg.routed.destination_port.map(|port| format!(" --dport {port}")).unwrap_or_default();
        format!(
            "{program} -t nat -A POSTROUTING -s {} -d {} -o {link} -p {}{port} -m conntrack --ctstate DNAT -j MASQUERADE",
            subnet.trunc(),
            leg.routed.destination,
            leg.routed.protocol,
        )
    }

    /// With `br_netfilter` it is the bridge that turns the frame round, and it sends none back out of a port.
    fn stopped_at_its_port(&self) -> Option<Finding> {
        let leg = self.leg;
        let stack = self.stack();
        let bridge = leg.departure_in(self.scene).filter(|link| leg.arrival == Some(link.index))?;
        let touches = &leg.departure.as_ref()?.wire.touches;
        let out = touches
            .iter()
            .find(|touch| touch.role == Role::OutPort && Some(touch.link) == leg.arrival_port)?;
        let port = stack.link(out.link)?;
        let setting = BRIDGES_CALL[usize::from(leg.routed.family() == Family::Ipv6)];
        let calls = match leg.routed.family() {
            Family::Ipv4 => bridge.bridge.is_some_and(|it| it.calls_iptables),
            Family::Ipv6 => bridge.bridge.is_some_and(|it| it.calls_ip6tables),
        };
        let hairpin = port.port.as_ref().is_none_or(|it| it.hairpin);
        if hairpin || !(calls || stack.setting(setting) == Some(1)) {
            return None;
        }
        let what = format!(
            "{} does not send frames back where they came from",
            link_in(self.scene, leg.stack, port)
        );
        let mend = cable::at(stack, &port.name)
            .map(|at| Mend::Change(Operation::SetLink(at, LinkChange::HairpinOn)));
        Some(
            self.finding(&HAIRPIN, Step::Neighbour, what)
                .seen(format!("bridge -d link show dev {}", port.name), "hairpin off")
                .seen(stack.file_of(setting), "1")
                .why("where bridges call iptables, the redirected frame is turned round within the bridge, at its port")
                .remedy(Remedy::command(stack.run(&format!("bridge link set dev {} hairpin on", port.name))))
                .mend(mend),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        tests::lab::{BLUE, HOST, RED, codes, findings_on, forwarding, lab, masquerade, to},
        way::{Purpose, Way},
    };

    #[test]
    fn a_forward_to_a_netns_is_well() {
        assert_eq!(codes(&findings_on(&CHECK, &published_at("192.168.100.2:80"), outside())), [""; 0]);
        assert_eq!(codes(&findings_on(&CHECK, &lab(), outside())), [""; 0]);
    }

    #[test]
    fn a_forward_to_an_address_that_nobody_has_leads_nowhere() {
        let found = findings_on(&CHECK, &published_at("192.168.100.77:80"), outside());
        assert_eq!(codes(&found), ["forward-to-nowhere"]);
        assert!(found[0].what.contains("192.168.100.77:80"));
        assert_eq!(
            codes(&findings_on(&CHECK, &published_at("203.0.113.9:80"), outside())),
            [""; 0],
            "elsewhere"
        );
    }

    #[test]
    fn a_neighbour_and_the_netns_itself_need_their_source_translated() {
        let mut scene = published_at("192.168.100.2:80");
        for from in [BLUE, RED] {
            let found = findings_on(&CHECK, &scene, asking(from, "192.168.100.1"));
            assert_eq!(codes(&found), ["hairpin-missing"]);
            assert_eq!(
                found[0].remedy[0].commands,
                [
                    "iptables -t nat -A POSTROUTING -s 192.168.100.0/24 -d 192.168.100.2 -o br0 -p tcp --dport 80 -m \
                  conntrack --ctstate DNAT -j MASQUERADE"
                ]
            );
        }
        scene.stacks[HOST.0].firewall.chains.push(masquerade("192.168.100.0/24", "br0"));
        for from in [BLUE, RED] {
            assert_eq!(codes(&findings_on(&CHECK, &scene, asking(from, "192.168.100.1"))), [""; 0]);
        }
    }

    #[test]
    fn a_bridge_that_calls_iptables_needs_hairpin_mode_for_the_netns_itself() {
        let mut scene = published_at("192.168.100.2:80");
        let host = &mut scene.stacks[HOST.0];
        host.firewall.chains.push(masquerade("192.168.100.0/24", "br0"));
        host.settings.insert(BRIDGES_CALL[0].to_owned(), 1);
        let found = findings_on(&CHECK, &scene, asking(RED, "192.168.100.1"));
        assert_eq!((codes(&found), found[0].mend.len()), (vec!["hairpin-missing"], 1));
        assert_eq!(found[0].remedy[0].commands, ["bridge link set dev v-red hairpin on"]);
        assert_eq!(codes(&findings_on(&CHECK, &scene, asking(BLUE, "192.168.100.1"))), [""; 0]);
        scene.stacks[HOST.0].links[3].port.as_mut().unwrap().hairpin = true;
        assert_eq!(codes(&findings_on(&CHECK, &scene, asking(RED, "192.168.100.1"))), [""; 0]);
    }

    fn published_at(target: &str) -> Scene {
        let mut scene = lab();
        scene.stacks[HOST.0].firewall.chains.extend(forwarding(&["-p tcp --dport 8080"], target));
        scene
    }

    fn asking(from: StackId, address: &str) -> Way {
        Way { port: Some(8080), ..to(from, address) }
    }

    fn outside() -> Way {
        Way { purpose: Purpose::FromOutside, enters_by: Some(2), ..asking(HOST, "198.51.100.2") }
    }
}
