//! Whether something answers within a time: an echo, a TCP connection, a datagram.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::io::Errno;

use super::{dns, icmp, is_silence};
use crate::{
    check::{CheckResult, Outcome},
    firewall::Transport,
    kernel::{look, refusal::Refusal},
    place::Entrance,
    topology::{Check, Expectation, Prober, Target},
};

/// How many checks are tried at a time.
const MOST_AT_A_TIME: usize = 128;
/// How long to wait before the second try; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Tries all checks side by side, each from inside its prober's netns and for at most `patience`.
///
/// What should be reached is tried again until it is, since a program just started may not listen yet.
/// What should not is asked until the time is over. Over UDP, silence counts as not reached: nobody can
/// tell it from a program that does not answer.
#[must_use]
pub fn check_all(checks: &[Check], patience: Duration) -> Vec<CheckResult> {
    let next = AtomicUsize::new(0);
    let work = || {
        let numbers = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        let taken = numbers.map_while(|number| Some((number, checks.get(number)?)));
        taken.map(|(number, check)| (number, try_check(check, patience))).collect::<Vec<_>>()
    };
    let mut results: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..checks.len().min(MOST_AT_A_TIME)).map(|_| scope.spawn(work)).collect();
        let finished = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        finished.flatten().collect()
    });
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

fn try_check(check: &Check, patience: Duration) -> CheckResult {
    let entrance = match &check.from {
        Prober::Host => Entrance::Host,
        Prober::Node(netns) => Entrance::Named(netns.clone()),
    };
    let tried = inside(&entrance, || try_from_here(check, &entrance, patience));
    let (address, outcome) = tried.unwrap_or_else(|refusal| (None, not_tried(refusal, &check.from)));
    CheckResult { check: check.clone(), address, outcome }
}

fn not_tried(refusal: Refusal, from: &Prober) -> Outcome {
    match from {
        Prober::Node(netns) if refusal.errno() == Errno::NOENT => Outcome::NoSuchNetns(netns.clone()),
        _ => Outcome::NotTried(refusal),
    }
}

fn try_from_here(check: &Check, entrance: &Entrance, patience: Duration) -> (Option<IpAddr>, Outcome) {
    let started = Instant::now();
    let deadline = started + patience;
    let address = match &check.target {
        Target::Node(_, address) | Target::Address(address) => *address,
        Target::Name(name) => match dns::address_of(name, entrance, deadline) {
            Some(address) => address,
            None => return (None, Outcome::NoSuchName),
        },
    };
    let mut outcome = attempt(address, check.port, started, deadline);
    let mut pause = FIRST_PAUSE;
    while check.expectation == Expectation::Reached && outcome.may_change() && Instant::now() < deadline {
        rest(pause.min(deadline.saturating_duration_since(Instant::now())));
        pause *= 2;
        match attempt(address, check.port, started, deadline) {
            // Too little time was left; what was said before tells more.
            Outcome::NoAnswer => break,
            later => outcome = later,
        }
    }
    (Some(address), outcome)
}

/// What a server at this port may answer: name servers answer nothing but questions.
pub(in crate::kernel) fn datagram_for(port: u16) -> io::Result<Vec<u8>> {
    if port == dns::PORT {
        dns::query("example.com", dns::RecordType::A)
    } else {
        Ok(b"netns-tool check\n".to_vec())
    }
}

/// Tries once whether `to` answers from inside: to a TCP connection or a datagram at a port, to a ping without one.
///
/// Port 53 over UDP is asked for a name, since name servers answer nothing else. Any answer will do.
#[must_use]
pub fn reach(from: &Entrance, to: IpAddr, port: Option<(u16, Transport)>, patience: Duration) -> Outcome {
    let started = Instant::now();
    let tried = inside(from, || attempt(to, port, started, started + patience));
    tried.unwrap_or_else(Outcome::NotTried)
}

/// Returns the first address of `name` as programs inside would find it; none if there is none, or nobody said
/// so in time.
#[must_use]
pub fn address_of(name: &str, from: &Entrance, patience: Duration) -> Option<IpAddr> {
    inside(from, || dns::address_of(name, from, Instant::now() + patience)).ok().flatten()
}

fn inside<T: Send>(entrance: &Entrance, work: impl FnOnce() -> T + Send) -> Result<T, Refusal> {
    look::inside(entrance, &look::open(entrance)?, || Ok(work()))
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when a program in a netns begins to listen")]
fn rest(pause: Duration) {
    thread::sleep(pause);
}

fn attempt(address: IpAddr, port: Option<(u16, Transport)>, started: Instant, deadline: Instant) -> Outcome {
    let answered = match port {
        None => match icmp::open(address) {
            Ok(socket) => icmp::exchange(&socket, address, deadline),
            Err(error) => return Outcome::NotTried(error.into()),
        },
        Some((port, Transport::Tcp)) => connect(SocketAddr::new(address, port), deadline),
        Some((port, Transport::Udp)) => exchange_datagrams(SocketAddr::new(address, port), deadline),
    };
    outcome(answered, started)
}

fn outcome(answered: io::Result<()>, started: Instant) -> Outcome {
    match answered {
        Ok(()) => Outcome::Reached { after: started.elapsed() },
        Err(error) if is_silence(&error) => Outcome::NoAnswer,
        Err(error) => match Refusal::from(error) {
            refusal if refusal.errno() == Errno::CONNREFUSED => Outcome::Refused,
            refusal => Outcome::Unreachable(refusal),
        },
    }
}

fn connect(server: SocketAddr, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(&server, left).map(drop)
}

/// Sends a datagram and waits for any answer; again and again, since datagrams get lost.
fn exchange_datagrams(server: SocketAddr, deadline: Instant) -> io::Result<()> {
    let unspecified: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0))?;
    // Connected, it hears of ICMP "port unreachable" (udp(7)).
    socket.connect(server)?;
    let question = datagram_for(server.port())?;
    icmp::ask_again_and_again(&socket, deadline, || socket.send(&question).map(drop))?;
    socket.recv(&mut [0; 2048]).map(drop)
}
