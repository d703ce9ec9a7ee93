//! Many links deleted together, as a group (`ip-link(8)`, `group`).
//!
//! Each deletion waits until all packets on their way have passed (`netdev_run_todo` in `net/core/dev.c`),
//! tens of milliseconds; the deletion of a group waits once.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, Hasher, RandomState},
};

use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use rustix::io::Errno;

use super::{Rtnetlink, link::without_statistics, message, request};
use crate::{
    kernel::{
        netlink::{Request, attributes_of},
        refusal::Refusal,
    },
    name::LinkName,
};

/// `struct ifinfomsg` is 16 bytes, and the index begins at the fourth (`linux/rtnetlink.h`).
const HEADER_BYTES: usize = 16;
const INDEX: std::ops::Range<usize> = 4..8;
/// `IFLA_IFNAME` and `IFLA_GROUP` of `linux/if_link.h`.
const IFLA_IFNAME: u16 = 3;
const IFLA_GROUP: u16 = 27;

/// A link, and the group it is in: 0 is everybody's.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Member {
    index: u32,
    name: LinkName,
    group: u32,
}

impl Rtnetlink {
    /// Deletes links, all or none; of a veth pair, both ends.
    pub(crate) fn delete_links(&mut self, names: &[LinkName]) -> Result<(), Refusal> {
        match names {
            [] => Ok(()),
            [name] => self.delete_link(name),
            names => self.delete_as_group(names),
        }
    }

    fn delete_as_group(&mut self, names: &[LinkName]) -> Result<(), Refusal> {
        let present = self.members()?;
        let doomed = called(names, &present)?;
        let group = unused_group(&present);
        let deleted = self.put_into(group, &doomed).and_then(|()| self.delete_group(group, &doomed));
        if deleted.is_err() {
            // The refusal to report is the first one. Whatever is still there goes back to its group.
            let back: Vec<_> = doomed.iter().map(|member| set_group(member.index, member.group)).collect();
            drop(self.change_in_batches(&back));
        }
        deleted
    }

    fn put_into(&mut self, group: u32, doomed: &[Member]) -> Result<(), Refusal> {
        let requests: Vec<_> = doomed.iter().map(|member| set_group(member.index, group)).collect();
        self.change_in_batches(&requests)
    }

    /// Deletes a group that consists of `doomed` and nobody else.
    fn delete_group(&mut self, group: u32, doomed: &[Member]) -> Result<(), Refusal> {
        let wanted: BTreeSet<u32> = doomed.iter().map(|member| member.index).collect();
        let members = self.members()?.into_iter().filter(|member| member.group == group);
        if members.map(|member| member.index).collect::<BTreeSet<_>>() != wanted {
            return Err(
                Refusal::new(Errno::BUSY).with_message("links came and went while others were deleted")
            );
        }
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::Group(group));
        self.socket.change(&request(message::DELETE_LINK, 0, &message))
    }

    /// Returns the first refusal, after everything was sent. All answers to a batch have to fit into the
    /// socket's buffer.
    fn change_in_batches(&mut self, requests: &[Request]) -> Result<(), Refusal> {
        const BATCH: usize = 64;
        let mut outcome = Ok(());
        for batch in requests.chunks(BATCH) {
            let answers = self.socket.change_all(batch).into_iter();
            outcome = answers.fold(outcome, Result::and);
        }
        outcome
    }

    fn members(&mut self) -> Result<Vec<Member>, Refusal> {
        let mut members = Vec::new();
        let question = request(message::GET_LINK, 0, &without_statistics());
        self.socket.dump(&question, |payload| match payload {
            None => members.clear(),
            Some(payload) => members.push(parse(payload)),
        })?;
        members.into_iter().map(|member| member.ok_or_else(|| Errno::BADMSG.into())).collect()
    }
}

fn called(names: &[LinkName], present: &[Member]) -> Result<Vec<Member>, Refusal> {
    let by_name: BTreeMap<_, _> = present.iter().map(|member| (&member.name, member)).collect();
    let member = |name| match by_name.get(name) {
        Some(member) => Ok((*member).clone()),
        None => Err(Refusal::new(Errno::NODEV).with_message(format!("no link '{name}'"))),
    };
    names.iter().map(member).collect()
}

/// Draws a group that no link is in, and that nobody else draws at the same time.
fn unused_group(present: &[Member]) -> u32 {
    /// Low numbers are those that people give names to (`/etc/iproute2/group`).
    const ABOVE_NAMED: u32 = 1 << 31;
    let taken: BTreeSet<u32> = present.iter().map(|member| member.group).collect();
    let drawn = RandomState::new().build_hasher().finish().to_ne_bytes();
    let mut group = ABOVE_NAMED | u32::from_ne_bytes([drawn[0], drawn[1], drawn[2], drawn[3]]);
    while taken.contains(&group) {
        group = ABOVE_NAMED | group.wrapping_add(1);
    }
    group
}

/// By index: a name might have passed to another link meanwhile.
fn set_group(index: u32, group: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Group(group));
    request(message::SET_LINK, 0, &message)
}

fn parse(payload: &[u8]) -> Option<Member> {
    let index = u32::from_ne_bytes(payload.get(INDEX)?.try_into().ok()?);
    let mut member = Member { index, name: LinkName::from_kernel(""), group: 0 };
    for (kind, value) in attributes_of(payload.get(HEADER_BYTES..)?) {
        match kind {
            IFLA_IFNAME => {
                let name = value.strip_suffix(b"\0").unwrap_or(value);
                member.name = LinkName::from_kernel(String::from_utf8_lossy(name));
            }
            IFLA_GROUP => member.group = u32::from_ne_bytes(value.try_into().ok()?),
            _ => {}
        }
    }
    Some(member)
}
