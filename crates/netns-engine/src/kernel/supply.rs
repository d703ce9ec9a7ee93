//! Netns made ahead, as yet without a name, by a thread that does nothing else.
//!
//! Of all that a node takes, the kernel spends a third on its netns; meanwhile the caller names, wires and
//! furnishes those that are ready. A netns without a name leaves no trace: it ends with the process.
//!
//! The end of a thread takes the kernel a while, too: so it ends once it has made the last that was asked for,
//! long before the caller is done with that.

use std::{
    fs::File,
    os::fd::AsFd,
    sync::mpsc::{self, Receiver, Sender, SyncSender},
    thread::JoinHandle,
};

use rustix::{io::Errno, thread::LinkNameSpaceType};

use super::{namespace, refusal::Refusal, rtnetlink::Rtnetlink, side_thread, syscall};
use crate::address::Family;

/// More would only lie about.
const READY_AT_MOST: usize = 4;

/// A netns that only its files keep alive, and a conversation about it.
#[derive(Debug)]
pub(super) struct Unnamed {
    pub(super) file: File,
    pub(super) talk: Rtnetlink,
}

/// The thread, and what it has been asked for; it ends with this, if not before.
#[derive(Debug)]
pub(super) struct Supply {
    /// None once it was told how many there will be.
    orders: Option<Sender<()>>,
    ready: Option<Receiver<Result<Unnamed, Refusal>>>,
    /// Ordered, and not taken yet.
    due: usize,
    thread: Option<JoinHandle<()>>,
}

impl Supply {
    /// Starts the thread in the caller's netns, where it is whenever it does nothing.
    pub(super) fn start() -> Result<Self, Refusal> {
        let home = namespace::own()?;
        let (orders, inbox) = mpsc::channel();
        let (shelf, ready) = mpsc::sync_channel(READY_AT_MOST);
        let work = move || make_all(&inbox, &shelf, &home);
        let thread = side_thread::spawn("netns", work)?;
        Ok(Self { orders: Some(orders), ready: Some(ready), due: 0, thread: Some(thread) })
    }

    /// Tells how many will be taken and no more, so that they can be made before.
    pub(super) fn order_last(&mut self, number: usize) -> Result<(), Refusal> {
        self.order(number)?;
        self.orders = None;
        Ok(())
    }

    fn order(&mut self, number: usize) -> Result<(), Refusal> {
        if self.orders.is_none() {
            *self = Self::start()?;
        }
        for _ in 0..number {
            if let Some(orders) = &self.orders
                && orders.send(()).is_ok()
            {
                self.due += 1;
            }
        }
        Ok(())
    }

    /// Takes the next one.
    pub(super) fn take(&mut self) -> Result<Unnamed, Refusal> {
        if self.due == 0 {
            self.order(1)?;
        }
        self.due = self.due.saturating_sub(1);
        let gone = || Refusal::new(Errno::IO).with_message("the thread that makes netns has ended");
        self.ready.as_ref().ok_or_else(gone)?.recv().map_err(|_| gone())?
    }
}

fn make_all(inbox: &Receiver<()>, shelf: &SyncSender<Result<Unnamed, Refusal>>, home: &File) {
    for () in inbox {
        let made = make();
        let went_home =
            rustix::thread::move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network));
        if shelf.send(made).is_err() || went_home.is_err() {
            // Nobody wants more; and in the netns it made, it would keep that one alive.
            return;
        }
    }
}

/// The netns starts as a closed box: forwarding is switched off in it even where the host forwards,
/// because a new netns inherits the IPv4 settings of the host's.
fn make() -> Result<Unnamed, Refusal> {
    syscall::unshare_network()?;
    let mut talk = Rtnetlink::open()?;
    // Not being told is no reason to leave it on.
    if talk.forwarding(Family::Ipv4).ok().flatten() != Some(0) {
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "0")?;
    }
    Ok(Unnamed { file: namespace::own()?, talk })
}

impl Drop for Supply {
    fn drop(&mut self) {
        drop(self.orders.take());
        drop(self.ready.take());
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; if it did, whoever waited was told.
            drop(thread.join());
        }
    }
}
