//! Programs that answer on port 80 of the netns `red` and `blue`, by TCP and UDP.

use std::{
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    thread::{self, JoinHandle},
    time::Duration,
};

use netns_testkit::Sandbox;
use rustix::event::{PollFd, PollFlags, poll};

/// The port they wait on.
const PORT: u16 = 80;
const LONGEST_DATAGRAM: usize = 64 * 1024;
/// How long a silent client is waited for.
const PATIENCE: Duration = Duration::from_millis(300);

/// Where somebody answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Served {
    /// On every address of both netns.
    Everywhere,
    /// On 127.0.0.1 of `blue` alone.
    BluesLoopback,
    /// Nowhere.
    Nowhere,
    /// On every address of the host.
    TheHost,
}

/// The answering programs; they end with the value.
pub(crate) struct Servers {
    /// Closing it tells them to end.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Servers {
    /// Starts them.
    pub(crate) fn start(host: &Sandbox, served: Served) -> Self {
        let everywhere = |netns| host.inside(netns, || Sockets::on("[::]"));
        let sockets = match served {
            Served::Everywhere => vec![everywhere("red"), everywhere("blue")],
            Served::BluesLoopback => vec![host.inside("blue", || Sockets::on("127.0.0.1"))],
            Served::TheHost => vec![Sockets::on("[::]")],
            Served::Nowhere => Vec::new(),
        };
        let (stopped, stop) = pipe().expect("a descriptor is free");
        let thread = thread::spawn(move || serve(&sockets, &stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Sockets {
    stream: TcpListener,
    datagram: UdpSocket,
}

impl Sockets {
    fn on(address: &str) -> Self {
        let address: SocketAddr = format!("{address}:{PORT}").parse().expect("an address and a port");
        let stream = TcpListener::bind(address).expect("the port is free");
        Self { stream, datagram: UdpSocket::bind(address).expect("the port is free") }
    }
}

fn serve(sockets: &[Sockets], stopped: &PipeReader) {
    loop {
        let mut ready = vec![PollFd::new(stopped, PollFlags::empty())];
        for sockets in sockets {
            ready.push(PollFd::from_borrowed_fd(sockets.stream.as_fd(), PollFlags::IN));
            ready.push(PollFd::from_borrowed_fd(sockets.datagram.as_fd(), PollFlags::IN));
        }
        poll(&mut ready, None).expect("open files can be watched");
        let ready: Vec<bool> = ready.iter().map(|fd| !fd.revents().is_empty()).collect();
        let Some((false, ready)) = ready.split_first() else { return };
        for (sockets, ready) in sockets.iter().zip(ready.chunks(2)) {
            // A client may be gone by the time it is answered.
            if ready[0] {
                drop(sockets.stream.accept().and_then(|(client, _)| greet(client)));
            }
            if ready[1] {
                let mut datagram = vec![0; LONGEST_DATAGRAM];
                let came = sockets.datagram.recv_from(&mut datagram);
                drop(came.and_then(|(length, client)| sockets.datagram.send_to(&datagram[..length], client)));
            }
        }
    }
}

/// Answers whatever is asked.
fn greet(mut client: TcpStream) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    if client.read(&mut [0; 1024])? > 0 {
        client.write_all(b"here\n")?;
    }
    Ok(())
}
