//! The setups that get broken: two netns behind a bridge, with a way out and a published port.
//!
//! ```text
//!   red  eth0 192.168.100.2 ── v-red  ┐
//!                                     ├ br0 192.168.100.1   eth0 198.51.100.2 ── the internet
//!   blue eth0 192.168.100.3 ── v-blue ┘     port 8080 leads to port 80 of blue
//! ```

use std::fs;

use netns_testkit::{Sandbox, eventually, sh};

use crate::servers::{Served, Servers};

/// Who made the setup, and how.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lab {
    /// Somebody, by `ip` and `iptables`.
    ByIptables,
    /// Somebody, by `ip` and `nft`.
    ByNft,
    /// Somebody, by `ip`, `iptables` and `ip6tables`, with IPv6 as well.
    DualStack,
    /// Somebody, by `ip` and `iptables`, with `blue` on a bridge `br1` of its own, 192.168.101.0/24.
    Routed,
    /// This tool, its NAT by iptables.
    ByTool,
    /// This tool, its NAT by nftables.
    ByToolWithNft,
    /// This tool, from a topology file.
    ByTopology,
}

impl Lab {
    /// Builds it, and starts those who answer in it.
    pub(crate) fn build(self, host: &Sandbox) -> Servers {
        forget_boot_settings();
        match self {
            Self::ByIptables => by_hand(NAT_BY_IPTABLES),
            Self::ByNft => by_hand(NAT_BY_NFT),
            Self::DualStack => by_hand(&format!("{NAT_BY_IPTABLES}\n{IPV6}")),
            Self::Routed => by_hand(&format!("{NAT_BY_IPTABLES}\n{BLUE_ON_ITS_OWN}")),
            Self::ByTool => by_tool(host, "iptables"),
            Self::ByToolWithNft => by_tool(host, "nftables"),
            Self::ByTopology => by_topology(host),
        }
        Servers::start(host, Served::Everywhere)
    }
}

/// The real host may be configured to forward, or not to; the tool would see and say so.
fn forget_boot_settings() {
    sh("for folder in /etc/sysctl.d /run/sysctl.d /usr/local/lib/sysctl.d /usr/lib/sysctl.d /lib/sysctl.d; do
            [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
        done
        [ ! -f /etc/sysctl.conf ] || mount --bind /dev/null /etc/sysctl.conf");
}

fn by_hand(nat: &str) {
    sh(&format!("{NETWORK}\n{nat}"));
}

const NETWORK: &str = "
    ip link add br0 type bridge
    ip address add 192.168.100.1/24 dev br0
    ip link set br0 up
    for node in red:2 blue:3; do
        name=${node%:*}
        ip netns add $name
        ip -n $name link set lo up
        ip link add v-$name type veth peer name eth0 netns $name
        ip link set v-$name master br0 up
        ip -n $name address add 192.168.100.${node#*:}/24 dev eth0
        ip -n $name link set eth0 up
        ip -n $name route add default via 192.168.100.1
        mkdir -p /etc/netns/$name
        printf '%s\\n' 'nameserver 203.0.113.8' 'options timeout:1 attempts:1' > /etc/netns/$name/resolv.conf
    done
    bridge link set dev v-blue hairpin on
    echo 1 > /proc/sys/net/ipv4/ip_forward
    echo 1 > /proc/sys/net/ipv4/conf/br0/route_localnet";

/// Masquerading towards the uplink, and port 8080 for neighbours, siblings and the host itself.
const NAT_BY_IPTABLES: &str = "
    iptables-restore <<'END'
*nat
-A POSTROUTING -s 192.168.100.0/24 -o eth0 -j MASQUERADE
-A POSTROUTING -s 192.168.100.0/24 -d 192.168.100.0/24 -m conntrack --ctstate DNAT -j MASQUERADE
-A POSTROUTING -s 127.0.0.0/8 -o br0 -j MASQUERADE
-A PREROUTING -d 198.51.100.2 -p tcp --dport 8080 -j DNAT --to-destination 192.168.100.3:80
-A PREROUTING -d 198.51.100.2 -p udp --dport 8080 -j DNAT --to-destination 192.168.100.3:80
-A OUTPUT -d 198.51.100.2 -p tcp --dport 8080 -j DNAT --to-destination 192.168.100.3:80
-A OUTPUT -d 198.51.100.2 -p udp --dport 8080 -j DNAT --to-destination 192.168.100.3:80
-A OUTPUT -d 127.0.0.1 -p tcp --dport 8080 -j DNAT --to-destination 192.168.100.3:80
COMMIT
END";

const NAT_BY_NFT: &str = "
    nft -f - <<'END'
table ip lab {
    chain in {
        type nat hook prerouting priority dstnat;
        ip daddr 198.51.100.2 meta l4proto { tcp, udp } th dport 8080 dnat to 192.168.100.3:80
    }
    chain local {
        type nat hook output priority -100;
        ip daddr 127.0.0.1 tcp dport 8080 dnat to 192.168.100.3:80
        ip daddr 198.51.100.2 meta l4proto { tcp, udp } th dport 8080 dnat to 192.168.100.3:80
    }
    chain out {
        type nat hook postrouting priority srcnat;
        ip saddr 192.168.100.0/24 oifname eth0 masquerade
        ip saddr 192.168.100.0/24 ip daddr 192.168.100.0/24 ct status dnat masquerade
        ip saddr 127.0.0.0/8 oifname br0 masquerade
    }
}
END";

const IPV6: &str = "
    ip address add fd00:100::1/64 dev br0 nodad
    ip -n red address add fd00:100::2/64 dev eth0 nodad
    ip -n blue address add fd00:100::3/64 dev eth0 nodad
    for name in red blue; do ip -n $name route add default via fd00:100::1; done
    echo 1 > /proc/sys/net/ipv6/conf/all/forwarding
    ip6tables-restore <<'END'
*nat
-A POSTROUTING -s fd00:100::/64 -o eth0 -j MASQUERADE
-A PREROUTING -d 2001:db8:100::2 -p tcp --dport 8080 -j DNAT --to-destination [fd00:100::3]:80
COMMIT
END";

const BLUE_ON_ITS_OWN: &str = "
    ip link add br1 type bridge
    ip address add 192.168.101.1/24 dev br1
    ip link set br1 up
    ip link set v-blue master br1
    ip -n blue address delete 192.168.100.3/24 dev eth0
    ip -n blue address add 192.168.101.3/24 dev eth0
    ip -n blue route add default via 192.168.101.1";

fn by_tool(host: &Sandbox, firewall: &str) {
    host.netns_tool("bridge br0 --address 192.168.100.1/24").succeeds();
    for (netns, address) in [("red", "192.168.100.2"), ("blue", "192.168.100.3")] {
        host.netns_tool(&format!("create {netns}")).succeeds();
        host.netns_tool(&format!("connect {netns} br0 --address {address}")).succeeds();
    }
    host.netns_tool(&format!("nat br0 --firewall {firewall}")).succeeds();
    host.netns_tool("publish 0.0.0.0:8080:blue:80").succeeds();
    give_name_servers();
}

fn by_topology(host: &Sandbox) {
    fs::write("/run/lab.yaml", TOPOLOGY).expect("/run is ours");
    host.netns_tool("up /run/lab.yaml").succeeds();
    give_name_servers();
}

const TOPOLOGY: &str = "
name: lab
networks:
  br0: { subnet: 192.168.100.0/24, nat: true }
nodes:
  red: { networks: { br0: { address: 192.168.100.2 } } }
  blue: { networks: { br0: { address: 192.168.100.3 } }, ports: [\"0.0.0.0:8080:80\"] }
";

fn give_name_servers() {
    sh("for name in red blue; do
            mkdir -p /etc/netns/$name
            printf '%s\\n' 'nameserver 203.0.113.8' 'options timeout:1 attempts:1' > /etc/netns/$name/resolv.conf
        done");
}

/// Waits until no address of the host or a named netns is still being looked for elsewhere: what a
/// kernel does on its own, a second after a link came up.
pub(crate) fn settle() {
    eventually("no address is tentative", || {
        sh("ip -6 address show tentative; for n in $(ip netns list | cut -d' ' -f1); do
            ip -n $n -6 address show tentative || true; done 2>/dev/null")
        .is_empty()
    });
}
