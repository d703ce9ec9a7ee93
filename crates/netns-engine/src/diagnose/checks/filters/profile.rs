//! Whose filter it is: each program that manages one has its own way of being told.

use super::Stop;
use crate::diagnose::{
    finding::Code,
    firewall::{Culprit, Origin},
    scene::{Stack, StackId},
};

/// Settings of `br_netfilter` (`Documentation/networking/ip-sysctl.rst`).
pub(super) const BRIDGE_CALLS_IPTABLES: &str = "net/bridge/bridge-nf-call-iptables";
pub(super) const BRIDGE_CALLS_IP6TABLES: &str = "net/bridge/bridge-nf-call-ip6tables";

pub(super) static CODES: [&Code; 10] = [
    &DOCKER,
    &UFW,
    &FIREWALLD,
    &LIBVIRT,
    &IPTABLES,
    &IPTABLES_LEGACY,
    &NFTABLES,
    &OF_NETNS,
    &BRIDGE_NETFILTER,
    &GUARDED,
];

/// Who manages a filter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Profile {
    Docker,
    Ufw,
    Firewalld,
    Libvirt,
    Iptables,
    IptablesLegacy,
    Nftables,
    /// The filter of a netns itself.
    OfNetns,
    /// What a bridge passes is seen by filters meant for routed packets.
    BridgeNetfilter,
    /// Our own table, which does what it was told.
    Own,
}

impl Profile {
    pub(super) fn of(stack: &Stack, stop: &Stop) -> Self {
        let culprit = &stop.culprit;
        let chains = |prefix: &str| {
            let mut chains = stack.firewall.chains.iter();
            chains.any(|it| {
                it.origin == culprit.origin && it.table == culprit.table && it.name.starts_with(prefix)
            })
        };
        let by_policy = culprit.rule.is_none();
        let within = |prefix: &str| culprit.chain.starts_with(prefix) || (by_policy && chains(prefix));
        match (culprit.origin, culprit.table.as_str()) {
            (Origin::Nftables, "netns_tool") => Self::Own,
            (Origin::Nftables, "firewalld") => Self::Firewalld,
            (Origin::Nftables, table) if table.starts_with("libvirt") => Self::Libvirt,
            _ if stop.stack != StackId::HOST => Self::OfNetns,
            _ if stop.bridged && culprit.origin != Origin::Nftables => Self::BridgeNetfilter,
            (Origin::Nftables, _) => Self::Nftables,
            _ if within("DOCKER") => Self::Docker,
            _ if within("ufw") => Self::Ufw,
            _ if culprit.chain.starts_with("LIBVIRT") => Self::Libvirt,
            (Origin::IptablesLegacy, _) => Self::IptablesLegacy,
            (Origin::Iptables, _) => Self::Iptables,
        }
    }

    pub(super) fn code(self) -> &'static Code {
        match self {
            Self::Docker => &DOCKER,
            Self::Ufw => &UFW,
            Self::Firewalld => &FIREWALLD,
            Self::Libvirt => &LIBVIRT,
            Self::Iptables => &IPTABLES,
            Self::IptablesLegacy => &IPTABLES_LEGACY,
            Self::Nftables => &NFTABLES,
            Self::OfNetns => &OF_NETNS,
            Self::BridgeNetfilter => &BRIDGE_NETFILTER,
            Self::Own => &GUARDED,
        }
    }

    /// Names the filter at the head of a sentence.
    pub(super) fn name(self, culprit: &Culprit) -> String {
        match self {
            Self::Docker => format!("Docker's filter ({})", culprit.place()),
            Self::Ufw => format!("ufw ({})", culprit.place()),
            Self::Firewalld => format!("firewalld ({})", culprit.place()),
            Self::Libvirt => format!("libvirt's filter ({})", culprit.place()),
            Self::Own => format!("netns-tool's own table ({})", culprit.place()),
            Self::BridgeNetfilter => {
                format!("br_netfilter shows bridged packets to iptables, and {}", culprit.place())
            }
            Self::Iptables | Self::IptablesLegacy | Self::Nftables | Self::OfNetns => culprit.place(),
        }
    }

    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Docker => {
                "Docker sets the policy of FORWARD to drop, and lets through what its own containers and the chain DOCKER-USER name"
            }
            Self::Ufw => {
                "ufw drops whatever would be routed through the host, unless a 'route' rule of its own lets it"
            }
            Self::Firewalld => {
                "firewalld lets pass what its zones allow, and a bridge that is in no zone belongs to the default one"
            }
            Self::Libvirt => "libvirt keeps its networks apart from whatever it does not know",
            Self::BridgeNetfilter => {
                "neighbours on one bridge are cut off by rules that were meant for packets the host routes"
            }
            Self::Own => {
                "a network that has NAT is kept to itself: nothing new reaches it, or leaves it, but what was asked for"
            }
            Self::OfNetns => {
                "each netns has a packet filter of its own, which is empty until somebody fills it"
            }
            Self::Iptables | Self::IptablesLegacy | Self::Nftables => {
                "a packet must pass every base chain at a hook: an accept in one does not help against a drop in another"
            }
        }
    }

    /// What tells that it is this profile.
    pub(super) fn evidence(self, stack: &Stack) -> Vec<(String, String)> {
        match self {
            Self::BridgeNetfilter => stack
                .setting(BRIDGE_CALLS_IPTABLES)
                .map(|value| (format!("/proc/sys/{BRIDGE_CALLS_IPTABLES}"), value.to_string()))
                .into_iter()
                .collect(),
            Self::IptablesLegacy => {
                vec![(
                    "/proc/net/ip_tables_names".to_owned(),
                    "lists the table; nft does not show it".to_owned(),
                )]
            }
            _ => Vec::new(),
        }
    }
}

static DOCKER: Code = Code {
    name: "docker-drops",
    title: "Docker's filter drops forwarded packets",
    symptom: "No netns gets out, though forwarding is on and NAT is there; it worked before Docker was started.",
    cause: "dockerd sets 'iptables -P FORWARD DROP' as it starts, and accepts only what belongs to its own networks.",
    remedy: "Docker leaves the chain DOCKER-USER to the administrator and looks at it first: insert accepts for the bridge there. They \
             are gone after a reboot; put them into a unit that runs after docker.service.",
    example: "iptables -P FORWARD DROP; iptables -N DOCKER-USER; iptables -I FORWARD -j DOCKER-USER\nnetns-tool doctor red        # docker-drops\n\
              iptables -I DOCKER-USER -i br0 -j ACCEPT\niptables -I DOCKER-USER -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
};

static UFW: Code = Code {
    name: "ufw-drops",
    title: "ufw drops the packet",
    symptom: "Ping may work and TCP does not, or nothing gets out; 'dmesg' shows [UFW BLOCK].",
    cause: "ufw's default for routed packets is deny ('DEFAULT_FORWARD_POLICY' in /etc/default/ufw), and for packets to the host itself as \
            well, which takes the name server on the bridge away.",
    remedy: "'ufw route allow in on BRIDGE out on UPLINK' for what is routed, 'ufw allow in on BRIDGE' for what is for the host.",
    example: "ufw enable\nnetns-tool doctor red        # ufw-drops\nufw route allow in on br0 out on eth0",
};

static FIREWALLD: Code = Code {
    name: "firewalld-drops",
    title: "firewalld drops the packet",
    symptom: "No internet inside ('No route to host', 'administratively prohibited'), while published ports work.",
    cause: "The bridge is in no zone of firewalld, so the default zone applies, which forwards nothing to other zones.",
    remedy: "Put the subnet into the zone 'trusted': 'firewall-cmd --zone=trusted --add-source=SUBNET', and once more with --permanent.",
    example: "systemctl start firewalld\nnetns-tool doctor red        # firewalld-drops\nfirewall-cmd --zone=trusted --add-source=192.168.100.0/24",
};

static LIBVIRT: Code = Code {
    name: "libvirt-drops",
    title: "libvirt's filter drops the packet",
    symptom: "A netns does not reach virtual machines on virbr0, or the other way round.",
    cause: "libvirt lets new connections into its networks from nowhere else, and rejects the rest in LIBVIRT_FWI and LIBVIRT_FWO.",
    remedy: "Insert an accept in front of libvirt's chains, or use a libvirt network with 'forward mode=open'.",
    example: "iptables -N LIBVIRT_FWI; iptables -I FORWARD -j LIBVIRT_FWI; iptables -A LIBVIRT_FWI -o virbr0 -j REJECT\n\
              netns-tool doctor red 192.168.122.10   # libvirt-drops, with a machine of that address on virbr0\n\
              iptables -I FORWARD -i br0 -o virbr0 -j ACCEPT",
};

static IPTABLES: Code = Code {
    name: "iptables-drops",
    title: "An iptables rule or policy drops the packet",
    symptom: "Silence, or a refusal; the counters of the rule or policy rise ('iptables -L FORWARD -v -n').",
    cause: "The policy of the chain is DROP, or a rule that drops or rejects fits the packet before one that accepts it.",
    remedy: "Insert an accept before it, 'iptables -I FORWARD -i BRIDGE -o UPLINK -j ACCEPT', and one for the answers, '-o BRIDGE -m conntrack --ctstate RELATED,ESTABLISHED'.",
    example: "iptables -P FORWARD DROP\nnetns-tool doctor red        # iptables-drops\niptables -P FORWARD ACCEPT",
};

static IPTABLES_LEGACY: Code = Code {
    name: "iptables-legacy-drops",
    title: "A rule of the old iptables drops the packet",
    symptom: "Silence, and neither 'nft list ruleset' nor 'iptables -S' shows a rule that would do it.",
    cause: "The old iptables (iptables-legacy, x_tables) and nftables are both in the kernel and both enforced, and neither shows the other's rules. \
            Older programs and containers still load the old one.",
    remedy: "Look with 'iptables-legacy -S', change with 'iptables-legacy -I', or flush it and move to nftables.",
    example: "iptables-legacy -P FORWARD DROP\nnetns-tool doctor red        # iptables-legacy-drops\niptables-legacy -P FORWARD ACCEPT",
};

static NFTABLES: Code = Code {
    name: "nftables-drops",
    title: "An nftables rule or policy drops the packet",
    symptom: "Silence, or a refusal; 'netns-tool doctor --trace' shows the packet end in the chain.",
    cause: "Some base chain at the hook ends with drop. Every base chain is asked: an accept in another table does not help.",
    remedy: "Insert an accept into that very chain ('nft insert rule …'), and into the file it was loaded from, mostly /etc/nftables.conf.",
    example: "nft 'table inet strict { chain fw { type filter hook forward priority 0; policy drop; }; }'\nnetns-tool doctor red        # nftables-drops\n\
              nft delete table inet strict",
};

static OF_NETNS: Code = Code {
    name: "netns-firewall-drops",
    title: "The netns' own filter drops the packet",
    symptom: "Nothing is wrong on the host, and the netns does not send, or does not answer.",
    cause: "A netns has its own tables. A program inside, or a container's set-up, put a rule there.",
    remedy: "Look and change inside: 'ip netns exec NETNS nft list ruleset', 'ip netns exec NETNS iptables -S'.",
    example: "ip netns exec red nft 'table inet t { chain out { type filter hook output priority 0; policy drop; }; }'\n\
              netns-tool doctor red        # netns-firewall-drops\nip netns exec red nft delete table inet t",
};

static BRIDGE_NETFILTER: Code = Code {
    name: "bridge-netfilter-drops",
    title: "Neighbours on one bridge are cut off by iptables",
    symptom: "Each netns reaches the host and the internet, but not its neighbour on the same bridge.",
    cause: "The module br_netfilter, which Docker and Kubernetes load, shows bridged packets to iptables' FORWARD chain \
            (net.bridge.bridge-nf-call-iptables=1), and that drops them.",
    remedy: "Accept what stays on the bridge: 'iptables -I FORWARD -i BRIDGE -o BRIDGE -j ACCEPT'. Switching the setting off for all bridges breaks \
             what relies on it.",
    example: "modprobe br_netfilter; iptables -P FORWARD DROP\nnetns-tool doctor red blue   # bridge-netfilter-drops\niptables -I FORWARD -i br0 -o br0 -j ACCEPT",
};

static GUARDED: Code = Code {
    name: "guarded",
    title: "netns-tool itself keeps the network apart",
    symptom: "A netns of one network does not reach one of another, though both reach the internet.",
    cause: "With the nftables driver, a bridge that has NAT is guarded and confined: new connections leave it only through its uplink, and come in only \
            to published ports.",
    remedy: "Publish the port, put both into one network, or lay a cable between them ('netns-tool link').",
    example: "netns-tool nat br0 --firewall nftables; netns-tool nat br1 --firewall nftables\nnetns-tool doctor red blue   # guarded, with blue on br1\n\
              netns-tool link red:lan0 blue:lan0 --addresses 10.9.0.1/30 10.9.0.2/30",
};
