//! What the internet's machine serves: HTTP on port 80, DNS on 53, and an echo on 7.
//!
//! The clients are the user's own experiments, so every answer is small, every wait has an end,
//! and no input can do more than be refused.

mod dns;
mod http;

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    thread,
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, poll};

use super::{SERVER_V4, SERVER_V6};

/// How long a silent client is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest datagram that is echoed, in bytes.
const DATAGRAM_BYTES: usize = 64 * 1024;

/// A socket and what it is there for.
enum Service {
    /// A TCP listener, and what becomes of its connections.
    Stream(TcpListener, fn(&mut TcpStream) -> io::Result<()>),
    /// A UDP socket, and the answer to a datagram, if it deserves one.
    Datagram(UdpSocket, fn(&[u8]) -> Option<Vec<u8>>),
}

/// Serves in the calling thread's netns until the other end of the pipe is closed.
pub(super) fn serve(stopped: &OwnedFd) {
    let services = services();
    loop {
        let mut ready: Vec<PollFd<'_>> = services.iter().map(|service| watched(service)).collect();
        ready.push(PollFd::new(stopped, PollFlags::IN));
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let events: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        if events.last() == Some(&true) {
            return;
        }
        for (service, _) in services.iter().zip(&events).filter(|(_, ready)| **ready) {
            // One client's broken connection is no reason to leave the others alone.
            drop(serve_one(service));
        }
    }
}

fn watched(service: &Service) -> PollFd<'_> {
    let fd = match service {
        Service::Stream(listener, _) => listener.as_fd(),
        Service::Datagram(socket, _) => socket.as_fd(),
    };
    PollFd::from_borrowed_fd(fd, PollFlags::IN)
}

/// Each address has sockets of its own: a datagram must come back from where it was sent to.
fn services() -> Vec<Service> {
    let addresses = [IpAddr::V4(SERVER_V4), IpAddr::V6(SERVER_V6)];
    addresses.into_iter().flat_map(services_on).collect()
}

fn services_on(address: IpAddr) -> Vec<Service> {
    let at = |port| SocketAddr::new(address, port);
    let stream = |port, handler| Some(Service::Stream(TcpListener::bind(at(port)).ok()?, handler));
    let datagram = |port, handler| Some(Service::Datagram(UdpSocket::bind(at(port)).ok()?, handler));
    let all = [stream(80, http::answer), stream(7, echo), datagram(53, dns::answer), datagram(7, same)];
    all.into_iter().flatten().collect()
}

fn serve_one(service: &Service) -> io::Result<()> {
    match service {
        Service::Stream(listener, handler) => {
            let (mut client, _) = listener.accept()?;
            client.set_read_timeout(Some(PATIENCE))?;
            client.set_write_timeout(Some(PATIENCE))?;
            let handler = *handler;
            let connection = move || drop(handler(&mut client));
            thread::Builder::new().name("client".to_owned()).spawn(connection)?;
        }
        Service::Datagram(socket, handler) => {
            let mut datagram = vec![0; DATAGRAM_BYTES];
            let (length, client) = socket.recv_from(&mut datagram)?;
            if let Some(answer) = handler(datagram.get(..length).unwrap_or_default()) {
                socket.send_to(&answer, client)?;
            }
        }
    }
    Ok(())
}

/// The echo protocol (RFC 862): what comes is sent back until the client is done.
fn echo(client: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        client.write_all(buffer.get(..length).unwrap_or_default())?;
    }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several handlers; others leave datagrams unanswered")]
fn same(datagram: &[u8]) -> Option<Vec<u8>> {
    Some(datagram.to_vec())
}
