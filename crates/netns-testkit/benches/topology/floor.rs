//! The floor: the same network by hand-packed netlink messages, with nothing around them.
//!
//! One worker thread; no plan, no journal, no marks, no undo, no look at the result. What the messages say
//! is what experiments found the kernel to do fastest; nothing can be faster but another kernel.

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    thread,
};

use rustix::{
    mount::{MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount},
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, recv,
        send, socket_with,
    },
    thread::UnshareFlags,
};

/// `linux/rtnetlink.h`, `linux/netlink.h`.
mod kind {
    pub(super) const NEW_LINK: u16 = 16;
    pub(super) const DELETE_LINK: u16 = 17;
    pub(super) const GET_LINK: u16 = 18;
    pub(super) const NEW_ADDRESS: u16 = 20;
    pub(super) const NEW_ROUTE: u16 = 24;
    pub(super) const ERROR: u16 = 2;
}

const REQUEST_ACK: u16 = 0x5;
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

/// Makes `nodes` netns named `prefix1`… on a bridge of that name, each with a default route.
pub(crate) fn build(prefix: &str, nodes: usize) {
    thread::scope(|scope| {
        let worker = scope.spawn(|| build_on_this_thread(prefix, nodes));
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Deletes all host ends at once, then the names.
pub(crate) fn tear_down(prefix: &str, nodes: usize) {
    let mut host = Conversation::open();
    let mut group = Message::new(kind::DELETE_LINK, 0);
    group.link_header(0, 0, 0).attribute_u32(27, GROUP);
    host.ask(&[group]);
    let mut bridge = Message::new(kind::DELETE_LINK, 0);
    bridge.link_header(0, 0, 0).text(3, prefix);
    host.ask(&[bridge]);
    for node in 1..=nodes {
        let path = path_of(prefix, node);
        unmount(path.as_str(), UnmountFlags::DETACH).expect("it is mounted");
        fs::remove_file(path).expect("it is there");
    }
}

fn path_of(prefix: &str, node: usize) -> String {
    format!("/run/netns/{prefix}{node}")
}

fn build_on_this_thread(prefix: &str, nodes: usize) {
    prepare_directory();
    let mut host = Conversation::open();
    let bridge = make_bridge(&mut host, prefix);
    let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).expect("it is positive");
    for node in 1..=nodes {
        let path = path_of(prefix, node);
        File::create_new(&path).expect("the name is free");
        #[expect(deprecated, reason = "only the netns is unshared, of a thread that ends")]
        rustix::thread::unshare(UnshareFlags::NEWNET).expect("it may");
        mount_bind("/proc/thread-self/ns/net", path.as_str()).expect("it may");
        let mut inside = Conversation::open();
        let port = PORTS + u32::try_from(node).expect("a bridge has few ports");
        host.ask(&cable((port, &format!("{prefix}-{node}")), bridge, tid));
        inside.ask(&furnish(node));
    }
}

fn prepare_directory() {
    fs::create_dir_all("/run/netns").expect("it may");
    let share = || mount_change("/run/netns", MountPropagationFlags::SHARED | MountPropagationFlags::REC);
    if share().is_err() {
        mount_bind_recursive("/run/netns", "/run/netns").expect("it may");
        share().expect("it may");
    }
}

/// Returns the bridge's index.
fn make_bridge(host: &mut Conversation, name: &str) -> u32 {
    let mut new = Message::new(kind::NEW_LINK, CREATE_EXCL);
    new.link_header(0, IFF_UP, IFF_UP).text(3, name);
    new.nest(18, |info| {
        info.text(1, "bridge");
    });
    host.ask(&[new]);
    let index = host.index_of(name);
    let mut address = Message::new(kind::NEW_ADDRESS, CREATE_EXCL);
    address.address_header(index, 16).attribute(1, &[10, 0, 0, 1]).attribute(2, &[10, 0, 0, 1]);
    host.ask(&[address]);
    index
}

/// A veth pair whose main end is a port of the bridge, and whose other end is born beside this thread.
fn cable((port, name): (u32, &str), bridge: u32, tid: u32) -> [Message; 3] {
    let mut new = Message::new(kind::NEW_LINK, CREATE_EXCL);
    new.link_header(port, 0, 0).text(3, name).attribute_u32(10, bridge).attribute_u32(27, GROUP);
    new.attribute_u32(31, 1).attribute_u32(32, 1);
    new.nest(18, |info| {
        info.text(1, "veth").nest(2, |data| {
            data.nest(1, |peer| {
                peer.link_header(INDEX, 0, 0).text(3, "eth0").attribute_u32(19, tid);
                peer.attribute_u32(31, 1).attribute_u32(32, 1);
            });
        });
    });
    let mut quiet = Message::new(kind::NEW_LINK, 0);
    quiet.link_header(port, 0, 0).without_link_local();
    // Flags are applied before the rest, so "up" travels alone; but in the same datagram.
    let mut up = Message::new(kind::NEW_LINK, 0);
    up.link_header(port, IFF_UP, IFF_UP);
    [new, quiet, up]
}

fn furnish(node: usize) -> [Message; 5] {
    let last = u16::try_from(node + 1).expect("a /16 holds them").to_be_bytes();
    let address = [10, 0, last[0], last[1]];
    let up = |index| {
        let mut up = Message::new(kind::NEW_LINK, 0);
        up.link_header(index, IFF_UP, IFF_UP);
        up
    };
    let mut quiet = Message::new(kind::NEW_LINK, 0);
    quiet.link_header(INDEX, 0, 0).without_link_local();
    let mut own = Message::new(kind::NEW_ADDRESS, CREATE_EXCL);
    own.address_header(INDEX, 16).attribute(1, &address).attribute(2, &address);
    let mut route = Message::new(kind::NEW_ROUTE, CREATE_EXCL);
    // AF_INET, no prefixes, table main, protocol 110, scope universe, unicast.
    route.put(&[2, 0, 0, 0, 254, 110, 0, 1, 0, 0, 0, 0]).attribute(5, &[10, 0, 0, 1]).attribute_u32(4, INDEX);
    [up(LOOPBACK), quiet, own, up(INDEX), route]
}

/// A route socket, which stays in the netns it was opened in.
struct Conversation {
    socket: OwnedFd,
}

impl Conversation {
    fn open() -> Self {
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)
            .expect("netlink is there");
        bind(&socket, &SocketAddrNetlink::new(0, 0)).expect("it may");
        Self { socket }
    }

    /// Sends all messages as one datagram, and reads an ack for each.
    fn ask(&mut self, messages: &[Message]) {
        let datagram: Vec<u8> = messages.iter().flat_map(Message::finished).collect();
        send(&self.socket, &datagram, SendFlags::empty()).expect("it is sent");
        let mut answers = 0;
        let mut buffer = [0; 4096];
        while answers < messages.len() {
            let (_, length) = recv(&self.socket, &mut buffer, RecvFlags::empty()).expect("it answers");
            let mut rest = &buffer[..length];
            while rest.len() >= 20 {
                assert_eq!(number(rest, 16), 0, "refused: message {answers}");
                rest = rest.get((number(rest, 0) as usize).next_multiple_of(4)..).unwrap_or_default();
                answers += 1;
            }
        }
    }

    fn index_of(&self, name: &str) -> u32 {
        let mut get = Message::new(kind::GET_LINK, 0);
        get.link_header(0, 0, 0).text(3, name);
        send(&self.socket, &get.finished(), SendFlags::empty()).expect("it is sent");
        let mut buffer = [0; 8192];
        recv(&self.socket, &mut buffer, RecvFlags::empty()).expect("it answers");
        assert_ne!(buffer[4], kind::ERROR.to_ne_bytes()[0], "no link '{name}'");
        // The second word of `struct ifinfomsg`, behind the header.
        number(&buffer, 20)
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes are four bytes"))
}

/// A message in the making, its length not yet known.
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, flags: u16) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&(flags | REQUEST_ACK).to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self { bytes }
    }

    fn finished(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).expect("a message is short");
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// `struct ifinfomsg`.
    fn link_header(&mut self, index: u32, flags: u32, change: u32) -> &mut Self {
        self.put(&[0; 4]).put(&index.to_ne_bytes()).put(&flags.to_ne_bytes()).put(&change.to_ne_bytes())
    }

    /// `struct ifaddrmsg`, of an IPv4 address.
    fn address_header(&mut self, index: u32, prefix: u8) -> &mut Self {
        self.put(&[2, prefix, 0, 0]).put(&index.to_ne_bytes())
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len() + 4).expect("a value is short");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.put(value)
    }

    fn attribute_u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_ne_bytes())
    }

    fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        self.attribute(kind, &[value.as_bytes(), &[0]].concat())
    }

    fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.bytes.len();
        self.put(&[0; 2]).bytes[start + 2..].copy_from_slice(&kind.to_ne_bytes());
        inner(self);
        let length = u16::try_from(self.bytes.len() - start).expect("a value is short");
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self
    }

    /// `IN6_ADDR_GEN_MODE_NONE`.
    fn without_link_local(&mut self) -> &mut Self {
        self.nest(26, |families| {
            families.nest(10, |inet6| {
                inet6.attribute(8, &[1]);
            });
        })
    }
}
