//! Can a forwarded port of 127.0.0.1 be used by the host itself?

use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::{Check, Look, cable, redirected::Redirected};
use crate::{
    address::Family,
    diagnose::{
        case::Followed,
        finding::{Code, Finding, Remedy, Step},
        firewall::{Certainty, Hook, Passage},
        mend::Mend,
        packet::{Packet, Protocol},
        scene::{Link, Scene, StackId},
    },
    firewall::{IptablesRule, IptablesTable, RuleChange},
    name::LinkName,
    operation::Operation,
    sysctl::Sysctl,
};

pub(super) const CHECK: Check = Check {
    question: "Can the host itself use a forwarded port of 127.0.0.1?",
    codes: &[&ROUTE_LOCALNET],
    look: Look::Along(look),
};

static ROUTE_LOCALNET: Code = Code {
    name: "route-localnet-off",
    title: "A port of 127.0.0.1 is forwarded, and the packet cannot leave",
    symptom: "The published port answers on the host's other addresses, and not on localhost.",
    cause: "Packets from or to 127.0.0.0/8 do not cross a link, unless its setting route_localnet is 1. And whoever gets one \
            with the source 127.0.0.1 answers itself: the source must be translated. For ::1 there is no such setting.",
    remedy: "'netns-tool publish' sees to both, and keeps others from the host's localhost. By hand, such a guard comes \
             first: with route_localnet alone, the netns reaches every service that listens on 127.0.0.1.",
    example: "iptables -t nat -A OUTPUT -p tcp -d 127.0.0.1 --dport 8080 -j DNAT --to 192.168.100.2:80\nnetns-tool doctor \
              127.0.0.1:8080   # route-localnet-off\nnetns-tool publish 8080:red:80",
};

fn look(scene: &Scene, followed: &Followed) -> Vec<Finding> {
    Redirected::on(scene, &followed.journey).filter_map(|leg| leg.kept_on_loopback()).collect()
}

impl Redirected<'_> {
    /// 127.0.0.1 does not leave a host without being told so.
    fn kept_on_loopback(&self) -> Option<Finding> {
        let leg = self.leg;
        let link = leg.departure_in(self.scene).filter(|link| !link.is_loopback())?;
        if leg.arrival.is_some() || !leg.packet.source.is_loopback() {
            return None;
        }
        let what = format!("{} is forwarded to {}, and cannot leave", self.asked(), self.target());
        let finding = |what| self.finding(&ROUTE_LOCALNET, Step::Forwarding, what);
        if leg.packet.source.is_ipv6() {
            let finding = finding(what)
                .why("the kernel lets no packet from ::1 cross a link, and no setting changes that");
            return Some(finding.remedy(Remedy::note("use 127.0.0.1, or another address of the host")));
        }
        let setting = Sysctl::RouteLocalnet(link.name.clone());
        let of_all = self.stack().setting("net/ipv4/conf/all/route_localnet").unwrap_or(0);
        if self.stack().setting(&setting.path())? == 0 && of_all == 0 {
            let found = finding(what)
                .seen(self.stack().file_of(&setting.path()), "0")
                .why("packets from 127.0.0.1 do not cross a link whose route_localnet is 0");
            return Some(self.let_out(found, link, &setting));
        }
        if leg.sent.source.is_loopback() && self.stack().firewall.unread.is_empty() {
            let what =
                format!("{} is forwarded to {} with the source 127.0.0.1", self.asked(), self.target());
            let found = finding(what)
                .seen(
                    self.stack().run("nft list ruleset"),
                    format!("no rule at postrouting translates it on '{}'", link.name),
                )
                .why("whoever gets a packet from 127.0.0.1 takes itself for the sender");
            return Some(self.let_out(found, link, &setting));
        }
        None
    }

    /// With the setting alone, others on the link would reach what listens on the host's localhost: a guard first.
    fn let_out(&self, found: Finding, link: &Link, setting: &Sysctl) -> Finding {
        let stack = self.stack();
        let is_off = stack.setting(&setting.path()) == Some(0);
        let guard = (!self.is_guarded(link)).then(|| guard(&link.name));
        let again = self.publish_again();
        let mut commands: Vec<String> =
            guard.iter().map(|rule| format!("iptables -I {} {}", rule.chain, rule.arguments)).collect();
        commands.extend(is_off.then(|| format!("sysctl -w {}=1", setting.path())));
        if self.leg.sent.source.is_loopback() {
            commands.push(format!(
                "iptables -t nat -A POSTROUTING -s 127.0.0.0/8 -o {} -j MASQUERADE",
                link.name
            ));
        }
        let commands = commands.iter().map(|command| stack.run(command));
        let by_hand = match guard {
            Some(_) => Remedy::commands(commands)
                .because("the first keeps others from what listens on the host's localhost"),
            None => Remedy::commands(commands),
        };
        let found = if let Some(again) = again { found.remedy(again) } else { found };
        let found = found.remedy(by_hand);
        let speaks_iptables = self.redirection.text.starts_with("-A ");
        let Some(place) = cable::place(stack).filter(|_| is_off) else { return found };
        let guards = match guard {
            Some(rule) if speaks_iptables && self.leg.stack == StackId::HOST => {
                vec![Mend::Change(Operation::Iptables(vec![RuleChange::Insert(rule)]))]
            }
            Some(_) => return found,
            None => Vec::new(),
        };
        found.mend(guards).mend([Mend::Change(Operation::SetSysctl(place, setting.clone(), 1))])
    }

    /// Whether something keeps the link's neighbours from 127.0.0.1 already.
    fn is_guarded(&self, link: &Link) -> bool {
        let neighbour = link.addresses.iter().find_map(|address| match address.net {
            IpNet::V4(net) => net.hosts().last(),
            IpNet::V6(_) => None,
        });
        let source = neighbour.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let intruder = Packet::new(source.into(), Ipv4Addr::LOCALHOST.into(), Protocol::Tcp, None);
        [Hook::Prerouting, Hook::Input].into_iter().any(|hook| {
            let passage = Passage {
                packet: &intruder,
                hook,
                incoming: Some(&link.name),
                outgoing: None,
                incoming_port: None,
                outgoing_port: None,
                for_this_stack: true,
                from_this_stack: false,
            };
            let culprits = self.stack().firewall.judge(&passage).culprits;
            culprits.iter().any(|culprit| culprit.certainty == Certainty::Certain)
        })
    }
}

/// Lets answers in, which come back for 127.0.0.1 too, and nothing new.
fn guard(link: &LinkName) -> IptablesRule {
    IptablesRule {
        family: Family::Ipv4,
        table: IptablesTable::Filter,
        chain: "INPUT".to_owned(),
        arguments: format!("-d 127.0.0.0/8 -i {link} -m conntrack --ctstate NEW -j DROP"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{
        tests::lab::{HOST, codes, findings_on, forwarding, lab, masquerade, to},
        way::Way,
    };

    const LOCALNET: &str = "net/ipv4/conf/br0/route_localnet";

    #[test]
    fn localhost_does_not_leave_a_link_without_route_localnet() {
        let mut scene = published();
        scene.stacks[HOST.0].settings.insert(LOCALNET.to_owned(), 0);
        let found = findings_on(&CHECK, &scene, asking("127.0.0.1"));
        assert_eq!(codes(&found), ["route-localnet-off"]);
        assert_eq!(found[0].remedy[0].commands.len(), 3);
        assert_eq!(found[0].mend.len(), 2, "alone, the setting would open the host's localhost");
        assert_eq!(codes(&findings_on(&CHECK, &scene, asking("198.51.100.2"))), [""; 0]);
    }

    #[test]
    fn localhost_needs_its_source_translated() {
        let mut scene = published();
        scene.stacks[HOST.0].settings.insert(LOCALNET.to_owned(), 1);
        assert_eq!(codes(&findings_on(&CHECK, &scene, asking("127.0.0.1"))), ["route-localnet-off"]);
        scene.stacks[HOST.0].firewall.chains.push(masquerade("127.0.0.0/8", "br0"));
        assert_eq!(codes(&findings_on(&CHECK, &scene, asking("127.0.0.1"))), [""; 0]);
    }

    fn published() -> Scene {
        let mut scene = lab();
        scene.stacks[HOST.0].firewall.chains.extend(forwarding(&["-p tcp --dport 8080"], "192.168.100.2:80"));
        scene
    }

    fn asking(address: &str) -> Way {
        Way { port: Some(8080), ..to(HOST, address) }
    }
}
