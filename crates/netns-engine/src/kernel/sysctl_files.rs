//! What the host sets at every boot: the files of `sysctl.d(5)` and `/etc/sysctl.conf`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::at_once;
use crate::address::Family;

/// Highest priority first: a file hides those of the same name in later folders.
const FOLDERS: [&str; 5] =
    ["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d"];

/// Read last by sysctl(8), and by systemd-sysctl only where a link in `/etc/sysctl.d` names it.
const LAST: &str = "/etc/sysctl.conf";

/// Returns the families that the host is configured to forward.
///
/// Files that cannot be read count as empty, as they do at boot.
pub(super) fn configured_forwarding() -> BTreeSet<Family> {
    let mut texts: Vec<String> = files().into_values().map(|path| text_of(&path)).collect();
    texts.push(text_of(Path::new(LAST)));
    forwarded_families(texts.iter().map(String::as_str))
}

/// Returns the file and the line that switch forwarding off when settings are next read from files; none if the
/// last word on it is another one, or nothing is said.
pub(super) fn line_that_stops_forwarding(family: Family) -> Option<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = files().into_values().collect();
    paths.push(LAST.into());
    let lines = paths.into_iter().flat_map(|path| {
        let text = text_of(&path);
        text.lines().map(|line| (path.clone(), line.trim().to_owned())).collect::<Vec<_>>()
    });
    let mut assignments = lines.filter_map(|(path, line)| {
        let (of, on) = forwarding_assignment(&line)?;
        (of == family).then_some((path, line, on))
    });
    assignments.next_back().filter(|(_, _, on)| !on).map(|(path, line, _)| (path, line))
}

fn text_of(path: &Path) -> String {
    let bytes = at_once::read(path).ok().flatten().unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// All folders' files, in the order they are applied: by name alone.
fn files() -> BTreeMap<OsString, PathBuf> {
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
