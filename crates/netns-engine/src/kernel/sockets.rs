//! Sockets of the calling thread's netns (`/proc/thread-self/net`, `proc_pid_net(5)`), and the
//! processes that have them open.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use procfs::{
    FromReadSI,
    net::{TcpNetEntries, TcpState, UdpNetEntries},
};

use super::{
    pids::{pids, program},
    refusal::Refusal,
};
use crate::{
    firewall::Transport,
    view::{Process, Socket},
};

/// The netns of the thread that reads; `/proc/net` would be the main thread's.
const FOLDER: &str = "/proc/thread-self/net";
/// How the counts of a netns without sockets begin.
const NO_SOCKETS: &str = "sockets: used 0\n";

/// The inodes of all sockets that keep the calling thread's netns alive.
pub(crate) fn inodes() -> Result<BTreeSet<u64>, Refusal> {
    /// File, and which of its columns holds the inode, counted from zero.
    const TABLES: [(&str, usize); 13] = [
        ("tcp", 9),
        ("tcp6", 9),
        ("udp", 9),
        ("udp6", 9),
        ("udplite", 9),
        ("udplite6", 9),
        ("raw", 9),
        ("raw6", 9),
        ("icmp", 9),
        ("icmp6", 9),
        ("netlink", 9),
        ("packet", 8),
        ("unix", 6),
    ];
    // Each of these files takes the kernel as long as all else that is asked about an empty netns.
    if read_at_once("sockstat").is_ok_and(|counts| counts.starts_with(NO_SOCKETS)) {
        return Ok(BTreeSet::new());
    }
    let counts = counts();
    let mut inodes = BTreeSet::new();
    for (table, column) in TABLES {
        let none = format!("{}: inuse 0", table.to_uppercase());
        if counts.lines().any(|line| line.starts_with(&none)) {
            continue;
        }
        let text = match fs::read(format!("{FOLDER}/{table}")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8_lossy(&text);
        let of_line = |line: &str| line.split_whitespace().nth(column)?.parse::<u64>().ok();
        inodes.extend(text.lines().skip(1).filter_map(of_line).filter(|inode| *inode != 0));
    }
    Ok(inodes)
}

/// Of which transports the calling thread's netns has sockets; of both where the kernel does not tell.
pub(crate) fn transports_in_use() -> Vec<Transport> {
    let counts = counts();
    let in_use = |transport: &Transport| {
        let word = transport.to_string().to_uppercase();
        let of_word = counts.lines().filter_map(|line| line.strip_prefix(&word));
        let numbers = of_word.filter_map(|rest| rest.trim_start_matches('6').strip_prefix(": inuse "));
        counts.is_empty() || numbers.into_iter().any(|number| number.split(' ').next() != Some("0"))
    };
    [Transport::Tcp, Transport::Udp].into_iter().filter(in_use).collect()
}

/// How many sockets of which kind the calling thread's netns has; nothing where the kernel does not tell.
///
/// To list a netns' TCP sockets, the kernel walks the table of all of them, some milliseconds even where there
/// are none. `used` counts exactly those that keep the netns (`sk_net_refcnt` in `net/core/sock.c`); before
/// Linux 4.16 those of all netns.
fn counts() -> String {
    let read = |file| read_at_once(file).unwrap_or_default();
    read("sockstat") + &read("sockstat6")
}

/// Reads a small file without asking for its size first, which `/proc` does not know.
fn read_at_once(file: &str) -> io::Result<String> {
    let file = fs::File::open(format!("{FOLDER}/{file}"))?;
    let mut bytes = Vec::with_capacity(1024);
    while rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes))? > 0 {
        bytes.reserve(512);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The TCP and UDP sockets of the calling thread's netns, without programs.
pub(crate) fn sockets() -> Result<Vec<(u64, Socket)>, Refusal> {
    let mut sockets = Vec::new();
    for table in ["tcp", "tcp6"] {
        if let Some(TcpNetEntries(entries)) = read(table)? {
            sockets.extend(entries.into_iter().map(|entry| {
                let socket = Socket {
                    transport: Transport::Tcp,
                    local: entry.local_address,
                    remote: (entry.state != TcpState::Listen).then_some(entry.remote_address),
                    state: state_in_words(&entry.state),
                    programs: Vec::new(),
                };
                (entry.inode, socket)
            }));
        }
    }
    for table in ["udp", "udp6"] {
        if let Some(UdpNetEntries(entries)) = read(table)? {
            sockets.extend(entries.into_iter().map(|entry| {
                let connected = !entry.remote_address.ip().is_unspecified();
                let socket = Socket {
                    transport: Transport::Udp,
                    local: entry.local_address,
                    remote: connected.then_some(entry.remote_address),
                    state: if connected { "connected" } else { "open" }.to_owned(),
                    programs: Vec::new(),
                };
                (entry.inode, socket)
            }));
        }
    }
    Ok(sockets)
}

/// Reads one table; none where the kernel lacks the protocol (IPv6 switched off).
fn read<T: FromReadSI>(table: &str) -> Result<Option<T>, Refusal> {
    let file = match fs::File::open(format!("{FOLDER}/{table}")) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let entries = T::from_read(file, procfs::current_system_info());
    entries.map(Some).map_err(|error| Refusal::new(rustix::io::Errno::BADMSG).with_message(error.to_string()))
}

/// The words of `ss(8)`.
fn state_in_words(state: &TcpState) -> String {
    match state {
        TcpState::Listen => "listening".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Puts to each socket the processes that have it open.
pub(crate) fn with_programs(sockets: Vec<(u64, Socket)>) -> Result<Vec<Socket>, Refusal> {
    let users = users_of(sockets.iter().map(|(inode, _)| *inode).collect())?;
    let known = |(inode, socket)| {
        let programs = users.get(&inode).cloned().unwrap_or_default();
        Socket { programs, ..socket }
    };
    let mut sockets: Vec<_> = sockets.into_iter().map(known).collect();
    sockets.sort_by_key(|socket| (socket.remote.is_some(), socket.transport, socket.local, socket.remote));
    Ok(sockets)
}

/// Finds the processes that have these sockets open, by one walk over all of them.
pub(crate) fn users_of(inodes: BTreeSet<u64>) -> Result<BTreeMap<u64, Vec<Process>>, Refusal> {
    let wanted = inodes.into_iter().filter(|inode| *inode != 0);
    let mut users: BTreeMap<u64, Vec<Process>> = wanted.map(|inode| (inode, Vec::new())).collect();
    if users.is_empty() {
        return Ok(users);
    }
    for pid in pids()? {
        for inode in sockets_open_in(pid) {
            if let Some(users) = users.get_mut(&inode)
                && users.last().is_none_or(|last| last.pid != pid)
            {
                users.push(Process { pid, program: program(pid) });
            }
        }
    }
    Ok(users)
}

/// The inodes of the sockets a process has open, each once; none if it may not be asked.
fn sockets_open_in(pid: u32) -> BTreeSet<u64> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let inode = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    entries.flatten().filter_map(inode).collect()
}
