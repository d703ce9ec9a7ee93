//! Limits of links, by queueing disciplines (`tc(8)`).

use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage};
use rustix::io::Errno;

use super::{Rtnetlink, message, qdisc_options as options, request};
use crate::{
    kernel::{
        netlink::{attributes_of, flag},
        refusal::{KernelOption, Refusal},
    },
    name::LinkName,
    operation::LinkLimits,
    topology::{Limit, Shaping},
};

// Each form of limits has a handle of its own. Where handle and kind are those of what is there, the
// kernel changes that in place, without losing a packet; where the handle is another, it puts the new one
// in its place at once. The same handle with another kind it refuses.

/// `1:`, a rate alone: `tbf`.
const RATE: TcHandle = TcHandle { major: 1, minor: 0 };
/// `2:`, delay and loss alone: `netem`.
const DELAY: TcHandle = TcHandle { major: 2, minor: 0 };
/// `3:`, delay and loss, with a rate below them.
const DELAY_BEFORE_RATE: TcHandle = TcHandle { major: 3, minor: 0 };
/// `3:1`, where that rate is.
const BEHIND_DELAY: TcHandle = TcHandle { major: 3, minor: 1 };
/// `4:`, that rate.
const RATE_BEHIND_DELAY: TcHandle = TcHandle { major: 4, minor: 0 };

/// `TCA_KIND` and `TCA_OPTIONS` of `linux/rtnetlink.h`.
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;

/// A queueing discipline as the kernel lists it.
#[derive(Clone, Debug)]
struct Qdisc {
    link: u32,
    handle: TcHandle,
    parent: TcHandle,
    kind: String,
    options: Vec<u8>,
}

impl Rtnetlink {
    /// Gives a link limits, in place of those it has.
    pub(crate) fn set_shaping(&mut self, link: &LinkName, limits: &LinkLimits) -> Result<(), Refusal> {
        let link = self.index(link)?;
        let kept = |shaping: &Shaping| LinkLimits { shaping: shaping.as_kept(), ..*limits };
        let wanted = kept(&limits.shaping);
        if wanted.shaping == Shaping::default() {
            return Err(Refusal::new(Errno::INVAL).with_message("no limit was given"));
        }
        if !(wanted.shaping.delays_or_loses() && wanted.shaping.rate_bits.is_some()) {
            return self.put_root(link, &wanted);
        }
        let before = self.shaping_by_index(link)?;
        self.put_root(link, &wanted)?;
        self.put_rate_behind_delay(link, &wanted).inspect_err(|_| {
            // The refusal to report is that of the rate. What was behind the delay before is still there.
            drop(match &before {
                Some(before) => self.put_root(link, &kept(before)),
                None => self.delete_root(link, DELAY_BEFORE_RATE),
            });
        })
    }

    /// Takes the limits of a link away, but nothing that is not of our making.
    pub(crate) fn clear_shaping(&mut self, link: &LinkName) -> Result<(), Refusal> {
        let link = self.index(link)?;
        match self.qdisc_at(link, TcHandle::ROOT)?.filter(Qdisc::is_ours) {
            Some(root) => self.delete_root(link, root.handle),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Returns the limits of a link, if they are of our making.
    pub(crate) fn shaping(&mut self, link: &LinkName) -> Result<Option<Shaping>, Refusal> {
        match self.link(link)? {
            Some(link) => self.shaping_by_index(link.index),
            None => Ok(None),
        }
    }

    /// Returns the limits of all links that have some, by the index of the link.
    pub(crate) fn shapings(&mut self) -> Result<Vec<(u32, Shaping)>, Refusal> {
        let mut qdiscs = Vec::new();
        self.socket.dump(
            &request(message::GET_QDISC, 0, &TcMessage::default()),
            |payload| match payload {
                None => qdiscs.clear(),
                Some(payload) => qdiscs.extend(Qdisc::parse(payload).filter(Qdisc::is_ours)),
            },
        )?;
        let behind = |root: &Qdisc| {
            qdiscs.iter().find(|qdisc| qdisc.link == root.link && qdisc.handle == RATE_BEHIND_DELAY)
        };
        let roots = qdiscs.iter().filter(|qdisc| qdisc.parent == TcHandle::ROOT);
        Ok(roots.filter_map(|root| Some((root.link, shaping_of(root, behind(root))?))).collect())
    }

    /// Returns what somebody put at the root of each link, by the index of the link: what it limits, or its
    /// kind. The kernel's own defaults have no handle.
    pub(crate) fn limits_by_hand(&mut self) -> Result<Vec<(u32, Limit)>, Refusal> {
        let mut qdiscs = Vec::new();
        self.socket.dump(
            &request(message::GET_QDISC, 0, &TcMessage::default()),
            |payload| match payload {
                None => qdiscs.clear(),
                Some(payload) => qdiscs.extend(Qdisc::parse(payload)),
            },
        )?;
        let is_by_hand = |qdisc: &&Qdisc| qdisc.parent == TcHandle::ROOT && qdisc.handle != TcHandle::UNSPEC;
        let limits = qdiscs.iter().filter(is_by_hand).map(|root| {
            let is_behind =
                |qdisc: &&Qdisc| qdisc.link == root.link && qdisc.parent.major == root.handle.major;
            let behind = qdiscs.iter().filter(|qdisc| qdisc.parent != TcHandle::ROOT).find(is_behind);
            (root.link, limit_of(root, behind))
        });
        Ok(limits.collect())
    }

    fn shaping_by_index(&mut self, link: u32) -> Result<Option<Shaping>, Refusal> {
        let Some(root) = self.qdisc_at(link, TcHandle::ROOT)? else { return Ok(None) };
        let behind = match root.handle {
            DELAY_BEFORE_RATE => self.qdisc_at(link, BEHIND_DELAY)?,
            _ => None,
        };
        Ok(shaping_of(&root, behind.as_ref()))
    }

    /// Returns what hangs below `parent`; none also where the kernel's default does.
    fn qdisc_at(&mut self, link: u32, parent: TcHandle) -> Result<Option<Qdisc>, Refusal> {
        let message = at(link, parent, TcHandle::UNSPEC)?;
        // Without the first flag the kernel tells its listeners only, and of a default it tells nobody
        // (`qdisc_get_notify` in `net/sched/sch_api.c`): the ack is then all there is to wait for.
        match self.socket.get(&request(message::GET_QDISC, flag::ECHO | flag::ACK, &message)) {
            Ok(payload) => Ok(Qdisc::parse(&payload)),
            Err(refusal) if matches!(refusal.errno(), Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    fn put_root(&mut self, link: u32, limits: &LinkLimits) -> Result<(), Refusal> {
        let shaping = &limits.shaping;
        let (handle, kind, options) = match (shaping.delays_or_loses(), shaping.rate_bits) {
            (false, _) => (RATE, KernelOption::Tbf, options::of_tbf(limits)),
            (true, None) => (DELAY, KernelOption::Netem, options::of_netem(shaping)),
            (true, Some(_)) => (DELAY_BEFORE_RATE, KernelOption::Netem, options::of_netem(shaping)),
        };
        self.put(at(link, TcHandle::ROOT, handle)?, kind, options)
    }

    fn put_rate_behind_delay(&mut self, link: u32, limits: &LinkLimits) -> Result<(), Refusal> {
        let place = at(link, BEHIND_DELAY, RATE_BEHIND_DELAY)?;
        self.put(place, KernelOption::Tbf, options::of_tbf(limits))
    }

    fn put(&mut self, mut message: TcMessage, kind: KernelOption, options: Vec<u8>) -> Result<(), Refusal> {
        let options = netlink_packet_core::DefaultNla::new(TCA_OPTIONS, options);
        message.attributes = vec![TcAttribute::Kind(kind.word().to_owned()), TcAttribute::Other(options)];
        let put = request(message::NEW_QDISC, flag::CREATE | flag::REPLACE, &message);
        // The link and the parent are there, so what the kernel does not find is the discipline
        // (`qdisc_create` in `net/sched/sch_api.c`).
        self.socket.change(&put).map_err(|refusal| match refusal.errno() {
            Errno::NOENT => refusal.lacking(kind),
            _ => refusal,
        })
    }

    fn delete_root(&mut self, link: u32, handle: TcHandle) -> Result<(), Refusal> {
        let message = at(link, TcHandle::ROOT, handle)?;
        self.socket.change(&request(message::DELETE_QDISC, 0, &message))
    }
}

fn at(link: u32, parent: TcHandle, handle: TcHandle) -> Result<TcMessage, Refusal> {
    let index = i32::try_from(link).map_err(|_| Errno::NODEV)?;
    Ok(TcMessage::from_parts(TcHeader { index, parent, handle, ..TcHeader::default() }, Vec::new()))
}

impl Qdisc {
    /// Reads what is needed of an answer; its counters differ from kernel to kernel.
    fn parse(payload: &[u8]) -> Option<Self> {
        /// `struct tcmsg` of `linux/rtnetlink.h`.
        const HEADER_BYTES: usize = 20;
        let header = TcHeader::parse(payload).ok()?;
        let attributes = payload.get(HEADER_BYTES..)?;
        let value =
            |wanted| attributes_of(attributes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        Some(Self {
            link: u32::try_from(header.index).ok()?,
            handle: header.handle,
            parent: header.parent,
            kind: String::from_utf8_lossy(value(TCA_KIND)?).trim_end_matches('\0').to_owned(),
            options: value(TCA_OPTIONS).unwrap_or_default().to_vec(),
        })
    }

    /// Whether it has the shape of ours: the kernel has no place for a mark here.
    fn is_ours(&self) -> bool {
        let shape = (self.parent, self.handle, self.kind.as_str());
        matches!(
            shape,
            (TcHandle::ROOT, RATE, "tbf")
                | (TcHandle::ROOT, DELAY | DELAY_BEFORE_RATE, "netem")
                | (BEHIND_DELAY, RATE_BEHIND_DELAY, "tbf")
        )
    }
}

fn limit_of(root: &Qdisc, behind: Option<&Qdisc>) -> Limit {
    let rate = |qdisc: &Qdisc| options::rate_of_tbf(&qdisc.options).filter(|_| qdisc.kind == "tbf");
    let shaping = match (root.kind.as_str(), behind) {
        ("tbf", _) => rate(root).map(|bits| Shaping { rate_bits: Some(bits), ..Shaping::default() }),
        ("netem", None) => options::read_netem(&root.options),
        ("netem", Some(behind)) => rate(behind)
            .and_then(|bits| Some(Shaping { rate_bits: Some(bits), ..options::read_netem(&root.options)? })),
        _ => None,
    };
    let shaping = shaping.map(|shaping| shaping.as_kept()).filter(|shaping| *shaping != Shaping::default());
    shaping.map_or_else(|| Limit::Other(root.kind.clone()), Limit::Shaping)
}

fn shaping_of(root: &Qdisc, behind: Option<&Qdisc>) -> Option<Shaping> {
    if !root.is_ours() {
        return None;
    }
    if root.handle == RATE {
        return Some(Shaping { rate_bits: options::rate_of_tbf(&root.options), ..Shaping::default() });
    }
    let rate =
        behind.filter(|behind| behind.is_ours()).and_then(|behind| options::rate_of_tbf(&behind.options));
    Some(Shaping { rate_bits: rate, ..options::read_netem(&root.options)? })
}
