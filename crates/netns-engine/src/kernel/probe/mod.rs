//! Small questions asked from inside a netns: does it answer a ping, a web request, a name?
//!
//! Built in, so that a machine without `ping` and `curl` can be asked too.

mod dns;
mod icmp;
mod reach;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::AsFd,
    time::{Duration, Instant},
};

pub(super) use dns::address_in_hosts;
pub(super) use icmp::{Echo, open as open_for_pings};
pub(super) use reach::datagram_for;
pub use reach::{address_of, check_all, reach};
use rustix::io::Errno;

use super::{namespace, refusal::Refusal};
use crate::place::Place;

/// A question to a machine on the network.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Probe {
    /// An ICMP echo request (RFC 792, RFC 4443).
    Ping(IpAddr),
    /// `GET /` over HTTP (RFC 9112).
    Http(SocketAddr),
    /// The IPv4 address of a name, asked of one name server (RFC 1035).
    Name {
        /// The name server.
        server: SocketAddr,
        /// The name.
        name: String,
    },
}

/// What came back.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Answer {
    /// An answer, in one line, after this time.
    Answered {
        /// What the machine said: the body of a page, an address; empty for a ping.
        words: String,
        /// From the question to the answer.
        after: Duration,
    },
    /// The question could not be sent, or was turned down on the way.
    Refused(Refusal),
    /// Nothing came back in time.
    Silence,
}

impl Answer {
    /// Returns whether an answer came.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(self, Self::Answered { .. })
    }
}

impl Probe {
    /// Asks from inside `place`, and waits no longer than `patience`.
    ///
    /// # Errors
    ///
    /// Returns that the netns could not be entered, or a socket not be had.
    pub fn ask_from(&self, place: &Place, patience: Duration) -> Result<Answer, Refusal> {
        match place {
            Place::Host => self.ask(patience),
            Place::Netns(name) => namespace::within(namespace::open(name)?.as_fd(), || self.ask(patience)),
        }
    }

    fn ask(&self, patience: Duration) -> Result<Answer, Refusal> {
        let asked = Instant::now();
        let answer = match self {
            Self::Ping(address) => icmp::ping(*address, patience).map(|()| String::new()),
            Self::Http(server) => http(*server, patience),
            Self::Name { server, name } => resolve(*server, name, patience),
        };
        match answer {
            Ok(words) => Ok(Answer::Answered { words, after: asked.elapsed() }),
            Err(error) if is_silence(&error) => Ok(Answer::Silence),
            Err(error) => match Refusal::from(error) {
                refusal if refusal.errno() == Errno::PERM => Err(refusal),
                refusal => Ok(Answer::Refused(refusal)),
            },
        }
    }
}

/// A time-out is EAGAIN from a blocking socket, and "timed out" from a connection attempt.
fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Asks for the page and returns its body's first line.
fn http(server: SocketAddr, patience: Duration) -> io::Result<String> {
    /// More than one line of a page ever needs, in bytes.
    const MOST: u64 = 16 * 1024;
    let mut stream = TcpStream::connect_timeout(&server, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    write!(stream, "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.ip())?;
    let mut page = Vec::new();
    stream.take(MOST).read_to_end(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    let body = page.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    Ok(body.lines().next().unwrap_or_default().to_owned())
}

/// Asks one server for the first address of one name.
fn resolve(server: SocketAddr, name: &str, patience: Duration) -> io::Result<String> {
    let addresses = dns::ask(server, name, dns::RecordType::A, patience)?;
    addresses.first().map(ToString::to_string).ok_or_else(|| io::ErrorKind::NotFound.into())
}
