//! An edited file: only the difference is changed, and what stays loses no packet.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

use libtest_mimic::Trial;
use netns_testkit::{Sandbox, Snapshot, eventually, sh, trials};

const FILE: &str = "/run/pair.yaml";

const PAIR: &str = "
name: pair
networks:
  lan: { subnet: 10.46.0.0/24, nat: true }
nodes:
  a: { networks: [lan] }
  b: { networks: [lan] }
links:
  - { endpoints: [a, b], subnet: 10.47.0.0/30 }
";

/// A lost datagram is never answered; this bounds only how long a failing test waits for it.
const LOST: Duration = Duration::from_secs(20);

/// One block of the stream: its number, eight times over and over.
const BLOCK: usize = 4096;

pub(crate) fn trials() -> Vec<Trial> {
    trials!(online:
        an_edit_loses_nothing_on_what_stays,
        an_edit_and_its_reverse_leave_the_first_state,
        a_gateway_that_moves_leaves_the_nodes_where_they_are,
        an_address_goes_without_those_behind_it,
        packets_may_be_smaller_than_ipv6_takes,
        larger_packets_fit_into_the_limit_of_a_cable,
        a_bridge_follows_its_ports_when_no_size_is_asked_for,
        a_long_file_is_changed_as_a_short_one,
    )
}

/// What passes between the two nodes, counted where it arrives.
#[derive(Default)]
struct Traffic {
    stop: AtomicBool,
    blocks: AtomicU64,
    datagrams: AtomicU64,
}

impl Traffic {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Waits until more has arrived, both ways.
    fn flows_on(&self) {
        let count = || [&self.blocks, &self.datagrams].map(|counter| counter.load(Ordering::SeqCst));
        let before = count();
        eventually("the traffic flows on", || count().iter().zip(before).all(|(now, then)| *now > then + 20));
    }
}

fn an_edit_loses_nothing_on_what_stays(host: &Sandbox) {
    up(host, PAIR);
    let identity = identity();
    let traffic = Traffic::default();
    let (from, to) = connected(host);
    let (asking, answering) = sockets(host);
    thread::scope(|scope| {
        scope.spawn(|| send_blocks(from, &traffic));
        let received = scope.spawn(|| receive_blocks(to, &traffic));
        scope.spawn(|| answer(&answering, &traffic));
        let asked = scope.spawn(|| ask(&asking, &traffic));
        traffic.flows_on();
        for file in [with_third_node(), PAIR.to_owned(), with_third_node()] {
            up(host, &file);
            traffic.flows_on();
        }
        traffic.stop.store(true, Ordering::SeqCst);
        assert_eq!(asked.join().unwrap(), 0, "datagrams lost");
        assert!(received.join().unwrap() > 0, "the stream arrived whole");
    });
    assert_eq!(identity, self::identity(), "the cables and netns are the same ones as before");
    sh("ip netns exec c ping -c 1 -W 5 10.46.0.2");
}

fn an_edit_and_its_reverse_leave_the_first_state(host: &Sandbox) {
    let untouched = Snapshot::take();
    up(host, PAIR);
    let pair = Snapshot::take();
    up(host, &with_third_node());
    let three = Snapshot::take();
    up(host, PAIR);
    pair.assert_same(&Snapshot::take(), "without the third node again");
    drop(host.netns_tool("down pair").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
    up(host, &with_third_node());
    three.assert_same(&Snapshot::take(), "the order of edits makes no difference");
    drop(host.netns_tool(&format!("down {FILE}")).succeeds());
    untouched.assert_same(&Snapshot::take(), "after down again");
}

fn a_gateway_that_moves_leaves_the_nodes_where_they_are(host: &Sandbox) {
    let moved = PAIR.replace("10.46.0.0/24,", "10.46.0.0/24, gateway: 10.46.0.254,");
    up(host, PAIR);
    let (first, identity) = (Snapshot::take(), identity());
    up(host, &moved);
    assert_eq!(identity, self::identity(), "the cables and netns are the same ones as before");
    assert_eq!(sh("ip -o -4 address show dev lan | awk '{ print $4 }'").trim(), "10.46.0.254/24");
    assert_eq!(sh("ip -n a -o route show default").trim(), "default via 10.46.0.254 dev eth0 proto 110");
    sh("for n in a b; do ip netns exec $n ping -c 1 -W 5 203.0.113.8; done");
    drop(host.netns_tool("status pair").succeeds());
    drop(host.netns_tool("plan /run/pair.yaml").succeeds().says("already as asked"));
    drop(host.netns_tool("graph pair").succeeds().says("10.46.0.254/24"));
    sh("ip address del 10.46.0.254/24 dev lan");
    drop(host.netns_tool("status pair").fails_with(9).says("10.46.0.254/24"));
    up(host, &moved);
    up(host, PAIR);
    first.assert_same(&Snapshot::take(), "with the gateway back at its first address");
}

/// The first address of a subnet takes the others along, and with the last one every route goes.
fn an_address_goes_without_those_behind_it(host: &Sandbox) {
    let with = |addresses: &str| {
        PAIR.replace(
            "a: { networks: [lan] }",
            &format!("a: {{ networks: {{ lan: {{ address: [{addresses}] }} }} }}"),
        )
    };
    let untouched = Snapshot::take();
    up(host, &with("10.46.0.6"));
    let fresh = Snapshot::take();
    up(host, &with("10.46.0.5, 10.46.0.6, 10.46.0.7"));
    sh(
        "ip netns exec a sysctl -qw net.ipv4.conf.all.promote_secondaries=0 net.ipv4.conf.eth0.promote_secondaries=0",
    );
    let three = Snapshot::take();
    let refused =
        with("10.46.0.6").replace("b: { networks: [lan] }", "b: { networks: [lan], run: [[/nowhere]] }");
    fs::write(FILE, refused).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).fails_with(1));
    three.assert_same(&Snapshot::take(), "after a refused edit");
    up(host, &with("10.46.0.6"));
    fresh.assert_same(&Snapshot::take(), "with the one that is left");
    sh("ip netns exec a ping -c 1 -W 5 203.0.113.8");
    drop(host.netns_tool("status pair").succeeds());
    sh("ip -n a address add 10.46.0.8/24 dev eth0");
    drop(host.netns_tool("address delete 10.46.0.6/24 eth0 --netns a").succeeds());
    assert_eq!(sh("ip -n a -o -4 address show dev eth0 | awk '{ print $4 }'").trim(), "10.46.0.8/24");
    drop(host.netns_tool("down pair").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

/// Below an MTU of 1280 the kernel has no IPv6 on a link, and nothing of it to switch off.
fn packets_may_be_smaller_than_ipv6_takes(host: &Sandbox) {
    let narrow = PAIR.replace("nat: true }", "nat: true, mtu: 1000 }");
    let untouched = Snapshot::take();
    for edited in [narrow, PAIR.replace("a: { networks: [lan] }", "a: { networks: [lan], mtu: 1000 }")] {
        up(host, &edited);
        let fresh = Snapshot::take();
        sh(
            "ip netns exec a ping -c 1 -W 5 203.0.113.8; ip netns exec a ping -c 1 -W 5 -M do -s 972 10.46.0.3",
        );
        drop(host.netns_tool("status pair").succeeds());
        drop(host.netns_tool("plan /run/pair.yaml").succeeds().says("already as asked"));
        drop(host.netns_tool("down pair").succeeds());
        untouched.assert_same(&Snapshot::take(), "after down");
        up(host, PAIR);
        let wide = Snapshot::take();
        let nowhere = edited.replace("b: { networks: [lan]", "b: { run: [[/nowhere]], networks: [lan]");
        fs::write(FILE, nowhere).unwrap();
        drop(host.netns_tool(&format!("up {FILE}")).fails_with(1));
        wide.assert_same(&Snapshot::take(), "after a refused edit");
        up(host, &edited);
        fresh.assert_same(&Snapshot::take(), "after an edit");
        drop(host.netns_tool("status pair").succeeds());
        drop(host.netns_tool("down pair").succeeds());
        untouched.assert_same(&Snapshot::take(), "after an edit and down");
    }
}

fn larger_packets_fit_into_the_limit_of_a_cable(host: &Sandbox) {
    let with =
        |mtu: u32| PAIR.replace("10.47.0.0/30 }", &format!("10.47.0.0/30, rate: 2mbit, mtu: {mtu} }}"));
    up(host, &with(1500));
    let small = Snapshot::take();
    up(host, &with(9000));
    // 20 bytes of IP and 8 of ICMP make it a packet of 9,000 bytes, which must not be cut.
    sh("ip netns exec a ping -c 1 -W 5 -M do -s 8972 10.47.0.2");
    up(host, &with(1500));
    small.assert_same(&Snapshot::take(), "with the packets as small as before");
}

fn a_bridge_follows_its_ports_when_no_size_is_asked_for(host: &Sandbox) {
    let sizes =
        || sh("for link in lan veth-a veth-b; do cat /sys/class/net/$link/mtu; done").replace('\n', " ");
    let as_asked = || drop(host.netns_tool("status pair").succeeds().says("as asked"));
    let of_network = |mtu: &str| PAIR.replace("nat: true", &format!("nat: true{mtu}"));
    let of_node = PAIR.replace("a: { networks: [lan] }", "a: { networks: [lan], mtu: 1400 }");
    for (file, wanted) in [
        (PAIR, "1500 1500 1500 "),
        (&of_network(", mtu: 1300"), "1300 1300 1300 "),
        (PAIR, "1500 1500 1500 "),
        (&of_node, "1400 1400 1500 "),
        (PAIR, "1500 1500 1500 "),
    ] {
        up(host, file);
        assert_eq!(sizes(), wanted, "{file}");
        as_asked();
    }
    // The first time the kernel does it, and that is all there is to do.
    drop(host.netns_tool("down pair").succeeds());
    up(host, &of_node);
    as_asked();
    // A third node is laid beside one that is not looked into.
    drop(host.netns_tool("down pair").succeeds());
    let of_node = of_node.split("links:").next().unwrap();
    up(host, of_node);
    up(host, &format!("{of_node}  c: {{ networks: [lan] }}\n"));
    assert_eq!(sizes(), "1400 1400 1500 ");
    as_asked();
    // A port that somebody else plugged in is his.
    sh("ip link add other type veth peer name other0; ip link set other mtu 1290 master lan");
    as_asked();
    assert_eq!(sizes(), "1290 1400 1500 ");
}

/// What is known of a topology is read while its file is: if that is long, and only then.
fn a_long_file_is_changed_as_a_short_one(host: &Sandbox) {
    let (long, longer) = (format!("{PAIR}# {}\n", "-".repeat(5000)), "# it is\n".repeat(1000));
    let untouched = Snapshot::take();
    up(host, &long);
    let pair = Snapshot::take();
    up(host, &(with_third_node() + &longer));
    sh("ip netns exec c ping -c 1 -W 5 10.46.0.2");
    drop(host.netns_tool("status pair").succeeds());
    up(host, &long);
    pair.assert_same(&Snapshot::take(), "without the third node again");
    fs::write(FILE, long.replace("nodes:", "noses:")).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).fails_with(2).complains("noses"));
    pair.assert_same(&Snapshot::take(), "after a mistake");
    let note = "/run/netns-tool/topology/pair";
    let known = fs::read(note).unwrap();
    fs::write(note, "{").unwrap();
    fs::write(FILE, &long).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).fails_with(1).complains("is damaged"));
    fs::write(note, known).unwrap();
    drop(host.netns_tool("down pair").succeeds());
    untouched.assert_same(&Snapshot::take(), "after down");
}

fn up(host: &Sandbox, file: &str) {
    fs::write(FILE, file).unwrap();
    drop(host.netns_tool(&format!("up {FILE}")).succeeds());
}

/// A third node on the network, with a published port and a cable of its own. What is written last is named
/// last: the names of the cables above stay.
fn with_third_node() -> String {
    let node = "  c: { networks: [lan], ports: [\"8080:80\"] }\nlinks:\n";
    PAIR.replace("links:\n", node) + "  - { endpoints: [b, c] }\n"
}

/// What a link or netns made anew would not share with the one before.
fn identity() -> String {
    sh("for n in a b; do
            stat -L -c %i /run/netns/$n
            for l in eth0 eth1; do ip -n $n -o link show $l | cut -d: -f1,2; done
        done
        for l in lan veth-a veth-b; do ip -o link show $l | cut -d: -f1,2; done")
}

/// The two ends of a connection over the direct cable.
fn connected(host: &Sandbox) -> (TcpStream, TcpStream) {
    let listener = host.inside("b", || TcpListener::bind("10.47.0.2:7000").unwrap());
    let from = host.inside("a", || TcpStream::connect("10.47.0.2:7000").unwrap());
    let (to, _) = listener.accept().unwrap();
    to.set_read_timeout(Some(LOST)).unwrap();
    (from, to)
}

/// Two sockets that talk over the bridge.
fn sockets(host: &Sandbox) -> (UdpSocket, UdpSocket) {
    let asking = host.inside("a", || UdpSocket::bind("10.46.0.2:0").unwrap());
    let answering = host.inside("b", || UdpSocket::bind("10.46.0.3:7000").unwrap());
    asking.connect("10.46.0.3:7000".parse::<SocketAddr>().unwrap()).unwrap();
    asking.set_read_timeout(Some(LOST)).unwrap();
    answering.set_read_timeout(Some(LOST)).unwrap();
    (asking, answering)
}

fn send_blocks(mut stream: TcpStream, traffic: &Traffic) {
    for number in 0_u64.. {
        if traffic.stopped() {
            return;
        }
        stream.write_all(&number.to_be_bytes().repeat(BLOCK / 8)).unwrap();
    }
}

/// Returns how many blocks arrived, all of them in order and as they were sent.
fn receive_blocks(mut stream: TcpStream, traffic: &Traffic) -> u64 {
    let mut block = vec![0; BLOCK];
    for number in 0_u64.. {
        match stream.read_exact(&mut block) {
            Ok(()) => assert!(block == number.to_be_bytes().repeat(BLOCK / 8), "block {number} is another"),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return number,
            Err(error) => panic!("after block {number}: {error}"),
        }
        traffic.blocks.store(number, Ordering::SeqCst);
    }
    unreachable!("the sender stops")
}

/// One datagram at a time, each answered before the next: returns how many were not.
fn ask(socket: &UdpSocket, traffic: &Traffic) -> u64 {
    let mut lost = 0;
    for number in 1_u64.. {
        socket.send(&number.to_be_bytes()).unwrap();
        let mut answer = [0; 8];
        let answered = socket.recv(&mut answer).is_ok() && answer == number.to_be_bytes();
        lost += u64::from(!answered);
        traffic.datagrams.store(number, Ordering::SeqCst);
        if traffic.stopped() || lost > 0 {
            break;
        }
    }
    // The last word: the other side may stop listening.
    socket.send(&0_u64.to_be_bytes()).unwrap();
    lost
}

fn answer(socket: &UdpSocket, traffic: &Traffic) {
    let mut question = [0; 8];
    while let Ok((_, from)) = socket.recv_from(&mut question) {
        if traffic.stopped() && question == [0; 8] {
            return;
        }
        socket.send_to(&question, from).unwrap();
    }
}
