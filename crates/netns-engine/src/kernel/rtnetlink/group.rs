//! Many links deleted at once.
//!
//! Each `RTM_DELLINK` ends in waits of 15 to 40 ms for whoever may still look at the link (`rcu_barrier` in
//! `net/core/dev.c`). A link group is deleted with one message, and one wait for all.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
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

/// A link, and the group it is in.
struct Member {
    index: u32,
    name: String,
    group: u32,
}

impl Rtnetlink {
    /// Deletes all these links, or none.
    ///
    /// They are put into a group that nobody uses; before it is deleted, nobody else may be in it.
    pub(crate) fn delete_links(&mut self, names: &[LinkName]) -> Result<(), Refusal> {
        let before = self.members()?;
        let by_name: BTreeMap<_, _> = before.iter().map(|member| (member.name.as_str(), member)).collect();
        let find = |name: &LinkName| {
            by_name
                .get(name.as_str())
                .copied()
                .ok_or_else(|| Refusal::new(Errno::NODEV).with_message(format!("no link '{name}'")))
        };
        let doomed = names.iter().map(find).collect::<Result<Vec<&Member>, _>>()?;
        let group = unused(&before);
        let deleted = self.assign(doomed.iter().map(|member| (member.index, group)));
        let deleted =
            deleted.and_then(|()| self.refuse_others(group, &doomed)).and_then(|()| self.delete(group));
        if deleted.is_err() {
            // The refusal to report is the first one.
            drop(self.assign(doomed.iter().map(|member| (member.index, member.group))));
        }
        deleted
    }

    fn members(&mut self) -> Result<Vec<Member>, Refusal> {
        let mut members = Vec::new();
        self.socket.dump(&request(message::GET_LINK, 0, &without_statistics()), |payload| match payload {
            None => members.clear(),
            Some(payload) => members.extend(member(payload)),
        })?;
        Ok(members)
    }

    /// Puts links, by index, into groups.
    fn assign(&mut self, groups: impl Iterator<Item = (u32, u32)>) -> Result<(), Refusal> {
        /// The answers to these fit into a socket's queue of any size.
        const AT_ONCE: usize = 64;
        let requests: Vec<Request> = groups.map(|(index, group)| set_group(index, group)).collect();
        let answers = requests.chunks(AT_ONCE).flat_map(|requests| self.socket.change_all(requests));
        // All are sent, also behind a refused one: groups are put back by this, too.
        answers.fold(Ok(()), Result::and)
    }

    /// Whoever puts links into random groups as well must not lose them.
    fn refuse_others(&mut self, group: u32, doomed: &[&Member]) -> Result<(), Refusal> {
        let wanted: BTreeSet<u32> = doomed.iter().map(|member| member.index).collect();
        let members = self.members()?.into_iter().filter(|member| member.group == group);
        let actual: BTreeSet<u32> = members.map(|member| member.index).collect();
        if actual == wanted {
            return Ok(());
        }
        Err(Refusal::new(Errno::BUSY).with_message(format!("link group {group} is used by others too")))
    }

    fn delete(&mut self, group: u32) -> Result<(), Refusal> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::Group(group));
        self.socket.change(&request(message::DELETE_LINK, 0, &message))
    }
}

fn set_group(index: u32, group: u32) -> Request {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Group(group));
    request(message::SET_LINK, 0, &message)
}

/// A group that no link is in, and that is not the default one.
fn unused(members: &[Member]) -> u32 {
    let taken: BTreeSet<u32> = members.iter().map(|member| member.group).chain([0]).collect();
    let candidates = (0_u32..).map(|attempt| {
        let [a, b, c, d, ..] = RandomState::new().hash_one(attempt).to_ne_bytes();
        u32::from_ne_bytes([a, b, c, d])
    });
    candidates.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or(u32::MAX)
}

/// Reads three fields of an `RTM_NEWLINK`, behind its `struct ifinfomsg`.
fn member(payload: &[u8]) -> Option<Member> {
    /// `IFLA_IFNAME` and `IFLA_GROUP` of `linux/if_link.h`.
    const NAME: u16 = 3;
    const GROUP: u16 = 27;
    let index = number(payload.get(4..8)?)?;
    let (mut name, mut group) = (String::new(), 0);
    for (kind, value) in attributes_of(payload.get(16..)?) {
        match kind {
            NAME => String::from_utf8_lossy(value).trim_end_matches('\0').clone_into(&mut name),
            GROUP => group = number(value)?,
            _ => {}
        }
    }
    Some(Member { index, name, group })
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}
