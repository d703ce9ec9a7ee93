//! Many stacks at once: each opened once and entered once, on as many threads as there are processors, and read
//! only as far as it is cheap.

use std::{
    collections::BTreeSet,
    os::fd::{AsFd, BorrowedFd},
    thread,
};

use rustix::thread::LinkNameSpaceType;

use super::{
    search::{MOST, Search},
    stack::{self, Brief},
    visit,
};
use crate::{
    diagnose::scene::{Link, Scene, Stack, StackId},
    kernel::{look, namespace, refusal::Refusal, rtnetlink::Rtnetlink, state},
    place::Entrance,
    record::Record,
};

/// Looks at the host, and at all netns that this tool made or that are on a bridge of ours; returns what was found.
///
/// Up to some dozens they are read in full; of more than that, links, addresses and routes alone, and who is at the
/// other end of a cable only if it is the host: but for those that published ports lead to.
pub(super) fn look_at_ours(mut search: Search) -> Result<Scene, Refusal> {
    let ours = ours(&mut search);
    let (in_full, briefly) = if ours.len() < MOST { (ours, Vec::new()) } else { split(ours) };
    for entrance in &in_full {
        // Without the right to enter it, it is left out.
        drop(search.enter(entrance));
    }
    let met = meet(&briefly)?;
    let first = search.visits.len();
    for (number, one) in met.iter().enumerate() {
        if let Some(known_as) = one.known_to_host_as {
            search.visits[0].knows_as(known_as, StackId(first + number));
        }
    }
    let mut scene = search.scene()?;
    for Met { entrance, brief, host_known_as, .. } in met {
        let mut stack = Stack { entrance, ..brief.stack };
        let ids = host_known_as.map(|number| (number, StackId::HOST)).into_iter().collect();
        visit::connect(&mut stack, &brief.ends, &ids, StackId(scene.stacks.len()));
        scene.stacks.push(stack);
    }
    Ok(scene)
}

/// Of many, those that published ports lead to are worth a full look.
fn split(entrances: Vec<Entrance>) -> (Vec<Entrance>, Vec<Entrance>) {
    let records = state::records().unwrap_or_default().into_values();
    let published: BTreeSet<Entrance> = records
        .filter_map(|record| match record {
            Record::Published(record) => Some(Entrance::Named(record.netns)),
            Record::Nat(_) | Record::Forwarding(_) | Record::Topology(_) => None,
        })
        .take(MOST)
        .collect();
    entrances.into_iter().partition(|entrance| published.contains(entrance))
}

/// The netns that are marked as ours, and those behind the ports of our bridges.
fn ours(search: &mut Search) -> Vec<Entrance> {
    let mut found: BTreeSet<Entrance> =
        search.doors.named().iter().filter(|door| is_marked(door)).cloned().collect();
    let host = &mut search.visits[0];
    let is_ours = |link: &&Link| link.ours && link.bridge.is_some();
    let bridges: BTreeSet<u32> = host.stack.links.iter().filter(is_ours).map(|link| link.index).collect();
    let behind =
        host.ends().into_iter().filter(|end| end.master.is_some_and(|bridge| bridges.contains(&bridge)));
    let ids = behind.map(|end| end.netns).collect();
    found.extend(search.doors.leading_to(&mut host.talk, ids));
    found.into_iter().collect()
}

fn is_marked(door: &Entrance) -> bool {
    match door {
        Entrance::Named(name) => state::netns_mark(name).is_some(),
        Entrance::Host | Entrance::File(_) => false,
    }
}

/// A stack that was looked at in passing.
struct Met {
    entrance: Entrance,
    brief: Brief,
    /// The id by which the host knows it.
    known_to_host_as: Option<i32>,
    /// The id by which it knows the host.
    host_known_as: Option<i32>,
}

/// `setns` moves one thread, and these end when they are through: the caller never moves.
fn meet(entrances: &[Entrance]) -> Result<Vec<Met>, Refusal> {
    if entrances.is_empty() {
        return Ok(Vec::new());
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let host = namespace::own()?;
    thread::scope(|scope| {
        let workers = entrances.chunks(entrances.len().div_ceil(threads)).map(|entrances| {
            let work = || meet_in_turn(entrances, host.as_fd());
            thread::Builder::new().name("visit".to_owned()).spawn_scoped(scope, work)
        });
        let workers = workers.collect::<Result<Vec<_>, _>>()?;
        let mut met = Vec::new();
        for worker in workers {
            met.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(met)
    })
}

fn meet_in_turn(entrances: &[Entrance], host: BorrowedFd<'_>) -> Result<Vec<Met>, Refusal> {
    // Before the thread moves.
    let mut of_host = Rtnetlink::open()?;
    // What may not be entered, or is gone by now, is left out.
    Ok(entrances.iter().filter_map(|entrance| meet_one(entrance, &mut of_host, host).ok()).collect())
}

fn meet_one(entrance: &Entrance, of_host: &mut Rtnetlink, host: BorrowedFd<'_>) -> Result<Met, Refusal> {
    let file = look::open(entrance)?;
    let known_to_host_as = of_host.netns_id(file.as_fd())?;
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    let (brief, mut talk) = stack::read_briefly()?;
    let host_known_as = if brief.ends.is_empty() { None } else { talk.netns_id(host)? };
    Ok(Met { entrance: entrance.clone(), brief, known_to_host_as, host_known_as })
}
