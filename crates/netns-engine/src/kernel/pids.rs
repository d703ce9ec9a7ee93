//! The numbers of all processes, and the names they give themselves (`proc(5)`).

use std::fs;

use super::refusal::Refusal;

/// Every process there is, smallest pid first.
pub(crate) fn pids() -> Result<Vec<u32>, Refusal> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")?.flatten().filter_map(|entry| number(&entry)).collect();
    pids.sort_unstable();
    Ok(pids)
}

fn number(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

/// The name a process gives itself (`/proc/PID/comm`); `?` if it is gone.
pub(crate) fn program(pid: u32) -> String {
    match fs::read(format!("/proc/{pid}/comm")) {
        Ok(name) => String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned(),
        Err(_) => "?".to_owned(),
    }
}
