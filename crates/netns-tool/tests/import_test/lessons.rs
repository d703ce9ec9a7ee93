//! Networks made by hand, with the commands of the lessons.

pub(crate) const NETNS: &str = "
    ip netns add ns1
    ip netns exec ns1 ip link set lo up";

pub(crate) const CABLE_TO_HOST: &str = "
    ip netns add ns1
    ip link add veth-host type veth peer name veth-ns
    ip link set veth-ns netns ns1
    ip addr add 10.0.0.1/24 dev veth-host
    ip link set veth-host up
    ip netns exec ns1 ip addr add 10.0.0.2/24 dev veth-ns
    ip netns exec ns1 ip link set veth-ns up
    ip netns exec ns1 ip link set lo up
    ip netns exec ns1 ip route add default via 10.0.0.1";

pub(crate) const CABLE: &str = "
    ip netns add red
    ip netns add blue
    ip link add veth-red type veth peer name veth-blue
    ip link set veth-red netns red
    ip link set veth-blue netns blue
    ip -n red addr add 192.168.15.1/24 dev veth-red
    ip -n blue addr add 192.168.15.2/24 dev veth-blue
    for netns in red blue; do ip -n $netns link set lo up; ip -n $netns link set veth-$netns up; done";

pub(crate) const BRIDGE: &str = "
    ip link add br0 type bridge
    ip addr add 192.168.100.1/24 dev br0
    ip link set br0 up
    ip netns add ns1
    ip netns add ns2
    ip link add v1 type veth peer name eth0 netns ns1
    ip link add v2 mtu 1400 type veth peer name lan mtu 1400 netns ns2
    ip -n ns1 addr add 192.168.100.11/24 dev eth0
    ip -n ns2 addr add 192.168.100.12/24 dev lan
    ip -n ns1 link set eth0 up
    ip -n ns2 link set lan up
    for n in 1 2; do
        ip link set v$n master br0 up
        ip -n ns$n link set lo up
        ip -n ns$n route add default via 192.168.100.1
    done";

pub(crate) const EGRESS: &str = "
    ip netns add ns1
    ip link add br0 type bridge
    ip addr add 192.168.100.1/16 dev br0
    ip link set br0 up
    ip link add veth-ns1 type veth peer name veth-br1
    ip link set veth-ns1 netns ns1
    ip link set veth-br1 master br0
    ip link set veth-br1 up
    ip netns exec ns1 ip addr add 192.168.100.2/16 dev veth-ns1
    ip netns exec ns1 ip link set veth-ns1 up
    ip netns exec ns1 ip link set lo up
    ip netns exec ns1 ip route add default via 192.168.100.1
    sysctl -qw net.ipv4.ip_forward=1
    iptables -t nat -A POSTROUTING -s 192.168.100.0/16 -o eth0 -j MASQUERADE
    iptables -A FORWARD -i br0 -o eth0 -j ACCEPT
    iptables -A FORWARD -i eth0 -o br0 -j ACCEPT
    mkdir -p /etc/netns/ns1
    echo 'nameserver 203.0.113.8' > /etc/netns/ns1/resolv.conf";

pub(crate) const PORTS: &str = "
    ip netns add testnet
    ip link add br0 type bridge
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
    sysctl -qw net.ipv4.ip_forward=1
    iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE
    iptables -A FORWARD -i br0 -j ACCEPT
    iptables -A FORWARD -o br0 -j ACCEPT
    iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80
    iptables -t nat -A OUTPUT -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80";

/// Goes with [`PORTS`].
pub(crate) const SECOND_LINK: &str = "
    ip link add s0 type veth peer name second netns testnet
    ip link set s0 master br0 up
    ip -n testnet addr add 10.0.0.3/24 dev second
    ip -n testnet link set second up";

pub(crate) const ROUTERS: &str = "
    for netns in left r1 r2 right; do ip netns add $netns; ip -n $netns link set lo up; done
    ip -n left link add eth0 type veth peer name eth0 netns r1
    ip -n r1 link add eth1 mtu 1400 type veth peer name eth0 mtu 1400 netns r2
    ip -n r2 link add eth1 type veth peer name eth0 netns right
    ip -n left addr add 10.1.0.2/24 dev eth0; ip -n r1 addr add 10.1.0.1/24 dev eth0
    ip -n r1 addr add 10.2.0.1/24 dev eth1; ip -n r2 addr add 10.2.0.2/24 dev eth0
    ip -n r2 addr add 10.3.0.1/24 dev eth1; ip -n right addr add 10.3.0.2/24 dev eth0
    ip -n r2 addr add 10.9.9.9/32 dev lo
    for netns in left r1 r2 right; do ip -n $netns link set eth0 up; done
    ip -n r1 link set eth1 up; ip -n r2 link set eth1 up
    ip -n left route add default via 10.1.0.1
    ip -n right route add default via 10.3.0.1
    ip -n r1 route add 10.3.0.0/24 via 10.2.0.2 metric 50
    ip -n r2 route add 10.1.0.0/24 via 10.2.0.1
    for netns in r1 r2; do ip netns exec $netns sysctl -qw net.ipv4.ip_forward=1; done";

pub(crate) const BOTH_FAMILIES: &str = "
    ip link add br6 type bridge
    ip addr add 10.66.0.1/24 dev br6
    ip addr add fd66::1/64 dev br6 nodad
    ip link set br6 up
    ip netns add one
    ip link add v1 type veth peer name eth0 netns one
    ip link set v1 master br6 up
    ip -n one addr add 10.66.0.2/24 dev eth0
    ip -n one addr add fd66::2/64 dev eth0 nodad
    ip -n one link set lo up
    ip -n one link set eth0 up
    ip -n one route add default via 10.66.0.1
    ip -n one -6 route add default via fd66::1
    iptables -t nat -A POSTROUTING -s 10.66.0.0/24 -o eth0 -j MASQUERADE
    ip6tables -t nat -A POSTROUTING -s fd66::/64 -o eth0 -j MASQUERADE";

pub(crate) const SWITCH: &str = "
    ip link add sw0 type bridge
    ip link set sw0 up
    for n in 1 2; do
        netns=$(echo ' ab' | cut -c$((n + 1)))
        ip netns add $netns
        ip link add p$n type veth peer name eth0 netns $netns
        ip link set p$n master sw0 up
        ip -n $netns addr add 10.5.0.$n/24 dev eth0
        ip -n $netns link set lo up
        ip -n $netns link set eth0 up
    done";

/// Limits in both directions, a MAC address, settings and names.
pub(crate) const BY_HAND: &str = "
    ip link add br0 type bridge
    ip addr add 10.0.0.1/24 dev br0
    ip link set br0 up
    ip netns add web
    ip netns add db
    ip link add p2 type veth peer name eth0 address 02:00:00:00:00:11 netns web
    ip link add p3 type veth peer name eth0 netns db
    for n in 2 3; do
        netns=$(echo 'web db' | cut -d' ' -f$((n - 1)))
        ip link set p$n master br0 up
        ip -n $netns addr add 10.0.0.$n/24 dev eth0
        ip -n $netns link set lo up
        ip -n $netns link set eth0 up
        ip -n $netns route add default via 10.0.0.1
    done
    tc qdisc add dev p2 root tbf rate 10mbit burst 10000 latency 50ms
    tc -n web qdisc add dev eth0 root tbf rate 10mbit burst 10000 latency 50ms
    ip netns exec web sysctl -qw net.ipv4.tcp_syncookies=2 net.ipv4.conf.eth0.log_martians=1
    ip netns exec web sysctl -qw net.ipv6.conf.lo.hop_limit=9
    mkdir -p /etc/netns/db
    printf '127.0.0.1 localhost\\n10.0.0.2 web # the server\\n' > /etc/netns/db/hosts";

/// What [`BY_HAND`] comes to.
pub(crate) const FOUND_AGAIN: &str = "
    ip -n web link show eth0 | grep 02:00:00:00:00:11
    tc -n web qdisc show dev eth0 | grep 10Mbit
    tc qdisc show | grep 10Mbit
    cd /
    ip netns exec web sysctl -n net.ipv4.tcp_syncookies | grep 2
    ip netns exec web sysctl -n net.ipv4.conf.eth0.log_martians | grep 1
    ip netns exec web sysctl -n net.ipv6.conf.lo.hop_limit | grep 9
    ip netns exec db ping -c1 -W2 web";

/// Three on a switch, of which two do not reach each other.
pub(crate) const KEPT_APART: &str = "
    ip link add br0 type bridge
    ip addr add 10.0.0.1/24 dev br0
    ip link set br0 up
    number=2
    for netns in a b c; do
        ip netns add $netns
        ip link add p-$netns type veth peer name eth0 netns $netns
        ip link set p-$netns master br0 up
        ip -n $netns addr add 10.0.0.$number/24 dev eth0
        ip -n $netns link set lo up
        ip -n $netns link set eth0 up
        ip -n $netns route add default via 10.0.0.1
        number=$((number + 1))
    done
    bridge link set dev p-a isolated on
    bridge link set dev p-b isolated on
    ";

/// Whatever no topology file has words for.
pub(crate) const ODD: &str = "
    ip link add br0 type bridge
    ip addr add 10.0.0.254/24 dev br0
    ip addr add 10.0.0.253/24 dev br0
    ip link set br0 up
    ip netns add odd
    ip netns add 'a b'
    ip link add p0 type veth peer name eth0 netns odd
    ip link set p0 master br0 up
    ip link add p1 type veth peer name second netns odd
    ip link set p1 master br0 up
    bridge link set dev p1 isolated on
    ip link add eth1 type veth peer name eth1-far
    ip link set eth1 master br0 up
    ip -n odd addr add 10.0.0.2/24 dev eth0
    ip -n odd link set lo up
    ip -n odd link set eth0 up
    ip link set br0 address 02:00:00:00:00:22
    tc qdisc add dev p0 root handle 7: pfifo
    tc -n odd qdisc add dev eth0 root tbf rate 1mbit burst 5000 latency 50ms
    ip -n odd link add tap type bridge
    ip -n odd link set tap up
    ip -n odd link add loop0 type veth peer name loop1
    ip -n odd route add blackhole 10.99.0.0/16
    ip -n odd route add 10.98.0.0/16 via 10.0.0.254 table 100
    iptables -A FORWARD -s 10.0.0.0/24 -j DROP
    iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -p tcp -j MASQUERADE
    mkdir -p /etc/netns/odd
    echo '192.0.2.9 db.example' > /etc/netns/odd/hosts
    printf 'options ndots:2\\nnameserver 203.0.113.8\\n' > /etc/netns/odd/resolv.conf
    ip netns exec odd nft 'table inet own { chain c { type filter hook input priority 0; tcp dport 9 drop; }; }'
    ip netns exec odd nft 'table ip closed { chain in { type filter hook input priority 0; policy drop; }; }'
    ip netns exec odd nft 'table ip open { chain in { type filter hook input priority 0; policy accept; }; }'
    ip -n odd rule add pref 100 from 10.0.0.3 prohibit
    ip -n odd rule add pref 101 not fwmark 1/0xff iif eth0 lookup 100
    ip -n odd -6 rule add pref 102 to fd00::/64 blackhole
    ip rule add pref 103 from 10.0.0.0/24 lookup 100
    ip rule add pref 104 from 192.0.2.0/24 lookup 100";
