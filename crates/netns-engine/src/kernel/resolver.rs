//! `/etc/netns/NAME/resolv.conf`, which `ip netns exec` shows as `/etc/resolv.conf`, and the
//! host's own name servers.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use rustix::io::Errno;

use super::{at_once, refusal::Refusal, state};
use crate::{name::NetnsName, place::Entrance, resolver::ResolvConf};

/// Where `ip netns exec` looks for files to show in `/etc` (`NETNS_ETC_DIR` of iproute2).
pub(crate) const DIRECTORY: &str = "/etc/netns";

/// Where the host's name servers are told: first what programs read, then what stands behind the
/// stub of systemd-resolved or `NetworkManager`.
const OF_THE_HOST: [&str; 3] =
    ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

/// Reads the file of a netns, or none if it has no file of its own.
pub(crate) fn read(netns: &NetnsName) -> Result<Option<ResolvConf>, Refusal> {
    read_file(&path_of(netns))
}

/// Writes the file of a netns, as a whole or not at all.
pub(crate) fn write(netns: &NetnsName, contents: &ResolvConf) -> Result<(), Refusal> {
    let path = path_of(netns);
    let folder = path.parent().ok_or(Errno::INVAL)?;
    fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    state::publish(&path, contents.to_string().as_bytes())
}

/// Removes the file of a netns, and the folder if nothing else is in it.
pub(crate) fn remove(netns: &NetnsName) -> Result<(), Refusal> {
    let path = path_of(netns);
    fs::remove_file(&path)?;
    remove_empty(path.parent());
    Ok(())
}

/// Removes what processes killed midway left in the folder of a netns, and the folder if nothing else is in it.
pub(crate) fn remove_half_written(netns: &NetnsName) -> Result<(), Refusal> {
    let folder = Path::new(DIRECTORY).join(netns.as_str());
    if !folder.is_dir() {
        return Ok(());
    }
    state::remove_half_written(&folder)?;
    remove_empty(Some(&folder));
    Ok(())
}

/// Removes the folder of a netns, unless something is in it, or it is somebody's link to another one.
///
/// Whatever keeps it is no refusal: what was in it is gone by then, and nobody would bring that back.
pub(super) fn remove_empty(folder: Option<&Path>) {
    folder.map(fs::remove_dir).and_then(Result::ok);
}

/// Returns the first of the host's files that names a server which is not a stub; an empty one if
/// there is none.
pub(crate) fn upstream() -> Result<ResolvConf, Refusal> {
    for path in OF_THE_HOST {
        let file = read_file(Path::new(path))?.unwrap_or_default();
        if !file.reachable_servers().is_empty() {
            return Ok(file);
        }
    }
    Ok(ResolvConf::default())
}

/// Returns the file that programs inside see as `/etc/NAME`, and what is in it if it is there: `ip netns exec` shows
/// those of a netns there, and a process without a name for its netns has an `/etc` of its own.
pub(crate) fn seen_in_etc(entrance: &Entrance, name: &str) -> (PathBuf, Option<String>) {
    let read = |path: &Path| Some(String::from_utf8_lossy(&at_once::read(path).ok()??).into_owned());
    if let Some(own) = own_etc(entrance).map(|folder| folder.join(name))
        && let Some(text) = read(&own)
    {
        return (own, Some(text));
    }
    let of_host = Path::new("/etc").join(name);
    let text = read(&of_host);
    (of_host, text)
}

fn own_etc(entrance: &Entrance) -> Option<PathBuf> {
    match entrance {
        Entrance::Host => None,
        Entrance::Named(name) => Some(Path::new(DIRECTORY).join(name.as_str())),
        Entrance::File(path) => {
            let pid: u32 = path.strip_prefix("/proc").ok()?.iter().next()?.to_str()?.parse().ok()?;
            Some(format!("/proc/{pid}/root/etc").into())
        }
    }
}

fn path_of(netns: &NetnsName) -> PathBuf {
    Path::new(DIRECTORY).join(netns.as_str()).join("resolv.conf")
}

fn read_file(path: &Path) -> Result<Option<ResolvConf>, Refusal> {
    let Some(bytes) = at_once::read(path)? else { return Ok(None) };
    let Ok(file) = String::from_utf8_lossy(&bytes).parse();
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_sees_its_own_files() {
        let of = |path: &str| own_etc(&Entrance::File(path.into()));
        assert_eq!(of("/proc/7/ns/net"), Some("/proc/7/root/etc".into()));
        assert_eq!(of("/run/docker/netns/1"), None);
    }
}
