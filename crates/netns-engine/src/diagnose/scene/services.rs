//! What a path needs beside links and routes: names, tracked connections, and the host's surroundings.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::{firewall::Transport, name::LinkName, record::Record, view::Process};

/// How programs in a stack look up names.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Resolver {
    /// The file that counts inside: `/etc/netns/NAME/resolv.conf`, or the host's `/etc/resolv.conf`.
    pub file: String,
    /// Whether that file is there.
    pub exists: bool,
    /// The name servers in it.
    pub servers: Vec<IpAddr>,
    /// The line `hosts:` of `nsswitch.conf(5)`, if there is one.
    pub nsswitch_hosts: Option<String>,
    /// The host's own name servers that are not on loopback, for who wants to use them instead.
    pub upstream: Vec<IpAddr>,
}

/// A tracked connection (`conntrack(8)`).
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Flow {
    /// TCP or UDP.
    pub transport: Transport,
    /// As the first packet came.
    pub original: Tuple,
    /// As the answer is awaited.
    pub reply: Tuple,
    /// Whether an answer was seen (`IPS_SEEN_REPLY`).
    pub answered: bool,
}

/// One direction of a tracked connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Tuple {
    /// Where packets come from.
    pub source: SocketAddr,
    /// Where they go.
    pub destination: SocketAddr,
}

/// What is known of the host beside its stack.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct HostNotes {
    /// Names under `/run/netns` that are no netns.
    pub half_made: Vec<String>,
    /// Netns without a name, which processes or open files keep alive.
    pub nameless: Vec<Nameless>,
    /// Running programs that manage links on their own: `NetworkManager`, `systemd-networkd`, …
    pub managers: Vec<Process>,
    /// The links they say they manage.
    pub managed: Vec<Managed>,
    /// Running programs that manage the packet filter: `firewalld`, `dockerd`, `libvirtd`.
    pub firewall_programs: Vec<Process>,
    /// What this tool remembers of its own changes.
    pub records: Vec<Record>,
    /// Names of netns that this tool made and somebody else deleted.
    pub stale_marks: Vec<String>,
    /// Lines of `sysctl.d(5)` files that switch forwarding off at the next boot or reload: file and line.
    pub forwarding_off_in: Vec<(String, String)>,
    /// Whether `/proc/sys` can only be read, as in many containers.
    pub settings_read_only: bool,
    /// Whether this process may change networks here (`CAP_NET_ADMIN`).
    pub may_change: bool,
}

/// A netns without a name.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Nameless {
    /// Its inode, by which `lsns` knows it.
    pub inode: u64,
    /// Who keeps it alive.
    pub holders: Vec<Process>,
    /// Its addresses, loopback left out.
    pub addresses: Vec<IpAddr>,
    /// The name it had, if this tool gave it one and somebody else took it away.
    pub was: Option<String>,
    /// Whether everybody inside lives in another pid or user namespace than the host's, as in a container.
    pub contained: bool,
    /// Whether a link leads there from the host.
    pub wired: bool,
    /// Whether a process lives in it, rather than only keeping a file of it open.
    pub inhabited: bool,
}

/// A link that another program says it manages.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Managed {
    /// The link, on the host.
    pub link: LinkName,
    /// The program: `NetworkManager`, `systemd-networkd`.
    pub by: String,
    /// The file that says so: `/run/NetworkManager/devices/INDEX`, `/run/systemd/netif/links/INDEX`.
    pub file: String,
}
