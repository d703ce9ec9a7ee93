//! The floor: the same network by hand-packed netlink messages, with nothing around them.
//!
//! A program of its own, started like the others. No file, no plan, no journal, no marks, no undo, no look at
//! the result. What its one thread says is what experiments found the kernel to do fastest.

use std::{
    fs::{self, File},
    process::ExitCode,
};

use rustix::{
    mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount},
    thread::UnshareFlags,
};

use crate::{
    floor_nat,
    packing::{Conversation, Message},
};

/// `linux/rtnetlink.h`.
mod kind {
    pub(super) const NEW_LINK: u16 = 16;
    pub(super) const DELETE_LINK: u16 = 17;
    pub(super) const GET_LINK: u16 = 18;
    pub(super) const NEW_ADDRESS: u16 = 20;
    pub(super) const NEW_ROUTE: u16 = 24;
}

const CREATE_EXCL: u16 = 0x600;
const IFF_UP: u32 = 1;
/// A link group that nobody else uses.
const GROUP: u32 = 0x6e65_7473;
/// The index of each node's link: chosen here, so that nobody has to ask for it. The kernel takes it only
/// if the other end's is chosen as well (`veth_newlink` in `drivers/net/veth.c`).
const INDEX: u32 = 100;
/// Added to the node's number, the index of its port on the host.
const PORTS: u32 = 1_000_000;
const LOOPBACK: u32 = 1;
const MTU: u32 = 1500;

/// What the bridge, and all links, begin their names with.
const BRIDGE: &str = "floor";

/// Is the floor's program, if the arguments ask for that: `floor up 10`, `floor down 10`.
pub(crate) fn as_program(arguments: &[String]) -> Option<ExitCode> {
    let [name, verb, nodes] = arguments else { return None };
    let nodes = nodes.parse().ok().filter(|_| name == "floor")?;
    match verb.as_str() {
        "up" => build(nodes),
        _ => tear_down(nodes),
    }
    Some(ExitCode::SUCCESS)
}

/// Returns the name of a node's netns.
pub(crate) fn netns_of(node: usize) -> String {
    format!("{BRIDGE}{node}")
}

/// Makes netns on a bridge, each with a default route, and lets them out.
///
/// The order is that of a careful hand: nothing is let through before it is settled what. The thread ends up
/// in the netns made last; what concerns the host comes before.
fn build(nodes: usize) {
    prepare_directory();
    let mut host = Conversation::about_routing();
    let bridge = make_bridge(&mut host);
    write("/proc/sys/net/ipv6/conf/floor/disable_ipv6", "1");
    floor_nat::install(BRIDGE, "eth0");
    write("/proc/sys/net/ipv4/ip_forward", "1");
    let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).expect("it is positive");
    for node in 1..=nodes {
        let path = path_of(node);
        File::create_new(&path).expect("the name is free");
        #[expect(deprecated, reason = "only the netns is unshared, of a program with one thread")]
        rustix::thread::unshare(UnshareFlags::NEWNET).expect("it may");
        mount_bind("/proc/thread-self/ns/net", path.as_str()).expect("it may");
        let mut inside = Conversation::about_routing();
        host.ask(&cable(node, bridge, tid));
        inside.ask(&furnish(node));
    }
}

/// Takes away what lets out, then all host ends at once, then the names.
fn tear_down(nodes: usize) {
    write("/proc/sys/net/ipv4/ip_forward", "0");
    let filtering = floor_nat::remove();
    let mut host = Conversation::about_routing();
    let mut group = Message::new(kind::DELETE_LINK, 0);
    group.link_header(0, 0, 0).attribute_u32(27, GROUP);
    host.ask(&[group]);
    for node in 1..=nodes {
        let path = path_of(node);
        unmount(path.as_str(), UnmountFlags::DETACH).expect("it is mounted");
        fs::remove_file(path).expect("it is there");
    }
    // The kernel lets whoever closes this after a deletion wait, for what is waited for by now.
    drop(filtering);
}

fn write(setting: &str, value: &str) {
    fs::write(setting, value).expect("it may");
}

fn path_of(node: usize) -> String {
    format!("/run/netns/{}", netns_of(node))
}

fn prepare_directory() {
    fs::create_dir_all("/run/netns").expect("it may");
    let share = || mount_change("/run/netns", MountPropagationFlags::SHARED | MountPropagationFlags::REC);
    if share().is_err() {
        mount_bind_recursive("/run/netns", "/run/netns").expect("it may");
        share().expect("it may");
    }
}

/// Returns the bridge's index. Like the cables it is in the group that goes at once.
fn make_bridge(host: &mut Conversation) -> u32 {
    let mut new = Message::new(kind::NEW_LINK, CREATE_EXCL);
    new.link_header(0, 0, 0).text(3, BRIDGE).attribute_u32(27, GROUP).attribute(1, &mac(0, 0));
    new.nest(18, |info| {
        info.text(1, "bridge");
    });
    host.ask(&[new]);
    let mut get = Message::new(kind::GET_LINK, 0);
    get.link_header(0, 0, 0).text(3, BRIDGE);
    let index = host.index_in_answer_to(&get);
    let mut address = Message::new(kind::NEW_ADDRESS, CREATE_EXCL);
    address.address_header(index, 16).attribute(1, &[10, 0, 0, 1]).attribute(2, &[10, 0, 0, 1]);
    host.ask(&[address, up(index)]);
    index
}

/// A locally administered address.
fn mac(kind: u8, node: usize) -> [u8; 6] {
    let [high, low] = u16::try_from(node).expect("a /16 holds them").to_be_bytes();
    [2, 0, 0, kind, high, low]
}

/// A veth pair whose main end is a port of the bridge, and whose other end is born beside this thread.
fn cable(node: usize, bridge: u32, tid: u32) -> [Message; 3] {
    let port = PORTS + u32::try_from(node).expect("a bridge has few ports");
    let mut new = Message::new(kind::NEW_LINK, CREATE_EXCL);
    new.link_header(port, 0, 0).text(3, &format!("{BRIDGE}-{node}"));
    new.attribute_u32(10, bridge).attribute_u32(27, GROUP);
    new.attribute(1, &mac(1, node)).attribute_u32(4, MTU).attribute_u32(31, 1).attribute_u32(32, 1);
    new.nest(18, |info| {
        info.text(1, "veth").nest(2, |data| {
            data.nest(1, |peer| {
                peer.link_header(INDEX, 0, 0).text(3, "eth0").attribute_u32(19, tid);
                peer.attribute(1, &mac(2, node)).attribute_u32(4, MTU);
                peer.attribute_u32(31, 1).attribute_u32(32, 1);
            });
        });
    });
    let mut quiet = Message::new(kind::NEW_LINK, 0);
    quiet.link_header(port, 0, 0).without_link_local();
    // Flags are applied before the rest, so "up" travels alone; but in the same datagram.
    [new, quiet, up(port)]
}

fn up(index: u32) -> Message {
    let mut up = Message::new(kind::NEW_LINK, 0);
    up.link_header(index, IFF_UP, IFF_UP);
    up
}

fn furnish(node: usize) -> [Message; 5] {
    let last = u16::try_from(node + 1).expect("a /16 holds them").to_be_bytes();
    let address = [10, 0, last[0], last[1]];
    let mut quiet = Message::new(kind::NEW_LINK, 0);
    quiet.link_header(INDEX, 0, 0).without_link_local();
    let mut own = Message::new(kind::NEW_ADDRESS, CREATE_EXCL);
    own.address_header(INDEX, 16).attribute(1, &address).attribute(2, &address);
    let mut route = Message::new(kind::NEW_ROUTE, CREATE_EXCL);
    // AF_INET, no prefixes, table main, protocol 110, scope universe, unicast.
    route.put(&[2, 0, 0, 0, 254, 110, 0, 1, 0, 0, 0, 0]).attribute(5, &[10, 0, 0, 1]).attribute_u32(4, INDEX);
    [up(LOOPBACK), quiet, own, up(INDEX), route]
}
