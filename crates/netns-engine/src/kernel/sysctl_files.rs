//! What the host sets at every boot: the files of `sysctl.d(5)` and `/etc/sysctl.conf`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::Path,
};

use crate::address::Family;

/// Highest priority first: a file hides those of the same name in later folders.
const FOLDERS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// Returns the families that the host is configured to forward.
///
/// Files that cannot be read count as empty, as they do at boot.
pub(super) fn configured_forwarding() -> BTreeSet<Family> {
    let mut texts: Vec<String> =
        files().into_values().map(|path| fs::read_to_string(path).unwrap_or_default()).collect();
    // sysctl(8) reads this one last; systemd-sysctl only where a link in /etc/sysctl.d names it.
    texts.push(fs::read_to_string("/etc/sysctl.conf").unwrap_or_default());
    forwarded_families(texts.iter().map(String::as_str))
}

/// All folders' files, in the order they are applied: by name alone.
fn files() -> BTreeMap<OsString, std::path::PathBuf> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS.map(Path::new) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                files.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    files
}

/// The last assignment wins.
fn forwarded_families<'a>(texts: impl Iterator<Item = &'a str>) -> BTreeSet<Family> {
    let mut families = BTreeSet::new();
    for (family, on) in texts.flat_map(str::lines).filter_map(forwarding_assignment) {
        if on {
            families.insert(family);
        } else {
            families.remove(&family);
        }
    }
    families
}

/// Reads `key = value`; a key may be written with `/`, and with a leading `-` for "never mind errors".
fn forwarding_assignment(line: &str) -> Option<(Family, bool)> {
    let (key, value) = line.trim().split_once('=')?;
    let family = match key.trim().trim_start_matches('-').replace('/', ".").as_str() {
        "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding" => Family::Ipv4,
        "net.ipv6.conf.all.forwarding" => Family::Ipv6,
        _ => return None,
    };
    Some((family, value.trim() != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn families(texts: &[&str]) -> Vec<Family> {
        forwarded_families(texts.iter().copied()).into_iter().collect()
    }

    #[test]
    fn the_last_assignment_wins_in_either_spelling() {
        assert_eq!(families(&["# net.ipv4.ip_forward=1\n;net.ipv4.ip_forward=1"]), []);
        assert_eq!(families(&["net.ipv4.ip_forward=1"]), [Family::Ipv4]);
        assert_eq!(families(&["-net/ipv4/ip_forward = 1", "net.ipv4.conf.all.forwarding=0"]), []);
        assert_eq!(families(&["net.ipv6.conf.all.forwarding = 1\n"]), [Family::Ipv6]);
    }
}
