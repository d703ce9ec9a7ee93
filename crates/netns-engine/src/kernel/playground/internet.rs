//! The pretend internet: a netns of its own, held by the thread that serves in it.

use std::{
    fs::File,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use super::{
    error::{PlaygroundError, Trying},
    server, wiring,
};
use crate::kernel::{Refusal, namespace, rtnetlink::Rtnetlink, syscall};

/// The machine behind a fresh host's uplink. It answers as long as this value lives.
#[derive(Debug)]
pub struct Internet {
    netns: File,
    /// Closing it tells the servers to end.
    stop: Option<OwnedFd>,
    servers: Option<JoinHandle<()>>,
}

impl Internet {
    /// Puts a pretend internet behind the uplink of the calling thread's host, and serves in it.
    ///
    /// # Errors
    ///
    /// Returns the piece that the kernel refused.
    pub fn start() -> Result<Self, PlaygroundError> {
        let (sender, receiver) = mpsc::channel();
        let (stopped, stop) = rustix::pipe::pipe().trying_to("make a pipe")?;
        let (wired, when_wired) = mpsc::channel::<()>();
        let servers = thread::Builder::new().name("internet".to_owned()).spawn(move || {
            sender.send(make_netns()).ok();
            // Servers bind to addresses, which are there once the uplink is.
            if when_wired.recv().is_ok() {
                server::serve(&stopped);
            }
        });
        let servers = servers.trying_to("start a thread")?;
        let made = receiver.recv().unwrap_or_else(|_| Err(rustix::io::Errno::SRCH.into()));
        let (netns, mut talk) = made.trying_to("make the internet's netns")?;
        wiring::connect(&mut talk, netns.as_fd()).trying_to("lay the uplink")?;
        wired.send(()).ok();
        Ok(Self { netns, stop: Some(stop), servers: Some(servers) })
    }

    /// The internet's netns, for programs that can enter one.
    #[must_use]
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.netns.as_fd()
    }

    /// Runs `work` on a thread in the internet's netns: as a neighbour on the host's uplink.
    ///
    /// # Errors
    ///
    /// Returns what `work` returns, or that the netns could not be entered.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> Result<T, Refusal> + Send) -> Result<T, Refusal> {
        namespace::within(self.netns.as_fd(), work)
    }
}

fn make_netns() -> Result<(File, Rtnetlink), Refusal> {
    syscall::unshare_network()?;
    Ok((namespace::own()?, Rtnetlink::open()?))
}

impl Drop for Internet {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(servers) = self.servers.take() {
            // A panic in a server was already printed; the internet is going away either way.
            drop(servers.join());
        }
    }
}
