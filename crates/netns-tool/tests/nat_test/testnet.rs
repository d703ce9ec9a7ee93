//! The lesson's netns behind a bridge, and what can be reached from it.

use netns_testkit::{Program, eventually, sh};

pub(crate) const INTERNET: &str = "203.0.113.8";
pub(crate) const INTERNET_V6: &str = "2001:db8:ffff::8";

/// The lesson's own commands: a netns behind a bridge, with everything but NAT.
pub(crate) fn build_testnet() {
    forget_boot_settings();
    sh("
        ip netns add testnet
        ip link add br0 type bridge
        ip link set br0 addrgenmode none
        ip addr add 10.0.0.1/24 dev br0
        ip link set br0 up
        ip link add veth0 type veth peer name veth1
        ip link set veth1 netns testnet
        ip link set veth0 master br0
        ip link set veth0 up
        ip netns exec testnet ip addr add 10.0.0.2/24 dev veth1
        ip netns exec testnet ip link set veth1 up
        ip netns exec testnet ip link set lo up
        ip netns exec testnet ip route add default via 10.0.0.1
    ");
}

/// The real host may be configured to forward, which the tool would see and respect.
fn forget_boot_settings() {
    sh("for folder in /etc/sysctl.d /run/sysctl.d /usr/local/lib/sysctl.d /usr/lib/sysctl.d /lib/sysctl.d; do
            [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
        done
        [ ! -f /etc/sysctl.conf ] || mount --bind /dev/null /etc/sysctl.conf");
}

pub(crate) fn add_ipv6() {
    sh("
        ip -6 addr add fd00:7::1/64 dev br0 nodad
        ip -n testnet -6 addr add fd00:7::2/64 dev veth1 nodad
        ip -n testnet -6 route add default via fd00:7::1
    ");
}

pub(crate) fn in_testnet(command: &str) -> bool {
    Program::new("ip").words("netns exec testnet").words(command).run().code() == Some(0)
}

pub(crate) fn pings(address: &str) -> bool {
    in_testnet(&format!("ping -n -c 1 -W 1 {address}"))
}

pub(crate) fn assert_reaches(address: &str) {
    eventually(&format!("an answer from {address}"), || pings(address));
}
