//! Probes from inside tell what happens to real packets.

use std::{
    net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket},
    time::Duration,
};

use libtest_mimic::Trial;
use netns_engine::{
    check::Outcome,
    firewall::Transport,
    kernel::probe::{address_of, reach},
    place::Entrance,
};
use netns_testkit::{Sandbox, sh, trials};

use crate::{TWO_ON_A_BRIDGE, named};

/// Long enough for an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for what does not come.
const SHORT: Duration = Duration::from_millis(300);

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        what_answers_is_reached,
        what_does_not_answer_is_told_apart,
        names_are_looked_up_as_programs_inside_do,
    )
}

fn blue() -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 3).into()
}

fn what_answers_is_reached(host: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let listener = host.inside("blue", || TcpListener::bind("0.0.0.0:80").unwrap());
    for port in [None, Some((80, Transport::Tcp))] {
        let outcome = reach(&named("red"), blue(), port, PATIENCE);
        assert!(matches!(outcome, Outcome::Reached { .. }), "{outcome:?}");
    }
    let from_host = reach(&Entrance::Host, blue(), None, PATIENCE);
    assert!(matches!(from_host, Outcome::Reached { .. }), "{from_host:?}");
    drop(listener);
}

fn what_does_not_answer_is_told_apart(host: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    let ask = |to: &str, port| reach(&named("red"), to.parse().unwrap(), port, SHORT);
    assert_eq!(ask("10.0.0.3", Some((80, Transport::Tcp))), Outcome::Refused);
    assert_eq!(ask("10.0.0.3", Some((80, Transport::Udp))), Outcome::Refused);
    let silent = host.inside("blue", || UdpSocket::bind("0.0.0.0:81").unwrap());
    assert_eq!(ask("10.0.0.3", Some((81, Transport::Udp))), Outcome::NoAnswer);
    sh("ip -n red route del default");
    assert!(matches!(ask("192.0.2.1", Some((80, Transport::Tcp))), Outcome::Unreachable(_)));
    let nowhere = reach(&named("green"), blue(), None, SHORT);
    assert!(matches!(nowhere, Outcome::NotTried(_)), "{nowhere:?}");
    drop(silent);
}

fn names_are_looked_up_as_programs_inside_do(host: &Sandbox) {
    sh(TWO_ON_A_BRIDGE);
    sh("mkdir -p /etc/netns/red
        printf 'nameserver 10.0.0.3\\n' > /etc/netns/red/resolv.conf
        printf '192.0.2.9 fixed\\n' > /etc/netns/red/hosts");
    let server = host.inside("blue", || UdpSocket::bind("0.0.0.0:53").unwrap());
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| answer(&server, 2));
        assert_eq!(address_of("web.example", &named("red"), PATIENCE), Some([192, 0, 2, 80].into()));
        let reached = reach(&named("red"), blue(), Some((53, Transport::Udp)), PATIENCE);
        assert!(matches!(reached, Outcome::Reached { .. }), "{reached:?}");
    });
    assert_eq!(address_of("fixed", &named("red"), SHORT), Some([192, 0, 2, 9].into()));
    let nobody = reach(&named("red"), [10, 0, 0, 1].into(), Some((53, Transport::Udp)), SHORT);
    assert_eq!(nobody, Outcome::Refused);
}

/// Answers every question with 192.0.2.80 (RFC 1035).
fn answer(server: &UdpSocket, questions: usize) {
    for _ in 0..questions {
        let mut message = [0; 512];
        let (length, from) = server.recv_from(&mut message).unwrap();
        let mut answer = message[..length].to_vec();
        answer[2] |= 0x80;
        answer[7] = 1;
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 80]);
        server.send_to(&answer, from).unwrap();
    }
}
