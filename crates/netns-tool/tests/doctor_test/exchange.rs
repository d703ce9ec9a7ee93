//! Real exchanges, by sockets of the test's own, getent and ping: the judges of what works.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use netns_testkit::{Program, Sandbox, eventually};

/// Enough for any answer that does come, a lost first packet included.
const PATIENCE: Duration = Duration::from_secs(3);
/// Far longer than anything here takes.
const GLANCE: Duration = Duration::from_millis(300);

/// Who begins.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Client {
    /// A netns, by its name.
    Netns(&'static str),
    /// The host.
    Host,
    /// A neighbour of the host on its uplink.
    Internet,
}

/// What passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A question and an answer over TCP.
    Tcp,
    /// A datagram and its echo.
    Udp,
    /// A datagram and its echo, from and to a port that stays the same.
    UdpOfOneFlow,
    /// More than fits in one packet, and its echo, over TCP.
    MuchByTcp,
    /// A datagram of 4,000 bytes and its echo.
    MuchByUdp,
    /// A name becomes an address.
    Name,
    /// An ICMP echo.
    Ping,
}

/// An exchange between two programs, which works or does not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) from: Client,
    pub(crate) to: &'static str,
    pub(crate) kind: Kind,
}

pub(crate) const RED: Client = Client::Netns("red");
pub(crate) const BLUE: Client = Client::Netns("blue");

/// A page of the pretend internet, asked for by `red`.
pub(crate) const RED_FETCHES: Exchange = tcp(RED, "203.0.113.8:80");
pub(crate) const RED_FETCHES_V6: Exchange = tcp(RED, "[2001:db8:ffff::8]:80");
pub(crate) const RED_CALLS_BLUE: Exchange = tcp(RED, "192.168.100.3:80");
pub(crate) const RED_LOOKS_UP: Exchange = Exchange { from: RED, to: "example.test", kind: Kind::Name };
/// The port of the host that leads to `blue`, used from outside.
pub(crate) const PUBLISHED: Exchange = tcp(Client::Internet, "198.51.100.2:8080");

pub(crate) const fn tcp(from: Client, to: &'static str) -> Exchange {
    Exchange { from, to, kind: Kind::Tcp }
}

pub(crate) const fn udp(from: Client, to: &'static str) -> Exchange {
    Exchange { from, to, kind: Kind::Udp }
}

impl Exchange {
    /// Insists that it works, sooner or later.
    #[track_caller]
    pub(crate) fn must_work(&self, host: &Sandbox, when: &str) {
        eventually(&format!("{self:?} {when}"), || self.works(host, PATIENCE));
    }

    /// Insists that it does not work.
    #[track_caller]
    pub(crate) fn must_fail(&self, host: &Sandbox, when: &str) {
        assert!(!self.works(host, GLANCE), "{self:?} works {when}");
    }

    fn works(&self, host: &Sandbox, limit: Duration) -> bool {
        match self.kind {
            Kind::Tcp => self.by_sockets(host, |to| ask(to, limit)),
            Kind::Udp => self.by_sockets(host, |to| echo(0, to, b"there?", limit)),
            Kind::UdpOfOneFlow => self.by_sockets(host, |to| echo(5000, to, b"there?", limit)),
            Kind::MuchByUdp => self.by_sockets(host, |to| echo(0, to, &[7; 4000], limit)),
            Kind::MuchByTcp => self.by_sockets(host, |to| upload(to, limit)),
            Kind::Name => self.by_program("getent hosts"),
            Kind::Ping => self.by_program("ping -n -c 1 -W 0.3"),
        }
    }

    fn by_sockets(&self, host: &Sandbox, work: impl FnOnce(SocketAddr) -> io::Result<()> + Send) -> bool {
        let to = self.to.parse().expect("an address and a port");
        match self.from {
            Client::Netns(netns) => host.inside_if_there(netns, || work(to).is_ok()).unwrap_or(false),
            Client::Host => work(to).is_ok(),
            Client::Internet => host.beyond_uplink(|| work(to).is_ok()),
        }
    }

    fn by_program(&self, program: &str) -> bool {
        let Client::Netns(netns) = self.from else { panic!("no program is started there: {self:?}") };
        let line = Program::new("ip").words("netns exec").arg(netns).words(program).arg(self.to);
        line.run().code() == Some(0)
    }
}

fn ask(server: SocketAddr, limit: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    stream.read_exact(&mut [0])
}

fn echo(own_port: u16, server: SocketAddr, datagram: &[u8], limit: Duration) -> io::Result<()> {
    let unspecified = if server.is_ipv4() { "0.0.0.0" } else { "::" };
    let socket = UdpSocket::bind((unspecified, own_port))?;
    socket.set_read_timeout(Some(limit))?;
    socket.connect(server)?;
    socket.send(datagram)?;
    let mut answer = vec![0; datagram.len()];
    match socket.recv(&mut answer)? {
        length if length == datagram.len() => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn upload(server: SocketAddr, limit: Duration) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    let much = vec![7; 48 * 1024];
    stream.write_all(&much)?;
    stream.read_exact(&mut vec![0; much.len()])
}
