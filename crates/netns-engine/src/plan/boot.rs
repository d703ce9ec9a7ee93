//! Which files make a topology return after a reboot.

use super::{Conflict, Desired, Draft, Operation, Plan};
use crate::{
    address::Family,
    boot::{BootFile, BootFileState, BootPart},
    desired::{TopologyDisabled, TopologyEnabled},
    observed::{Observed, Scope},
    topology::TopologyName,
};

impl Desired for TopologyEnabled {
    fn scope(&self) -> Scope {
        scope_of(&self.topology.name)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        for part in BootPart::ALL {
            let file = BootFile { topology: self.topology.name.clone(), part };
            let wanted = self.text_of(&file);
            match (draft.state().boot_files.get(&file), wanted) {
                (Some(BootFileState::Foreign), Some(_)) => return Err(Conflict::BootFileTaken(file)),
                (Some(BootFileState::Ours(there)), Some(wanted)) if *there == wanted => {}
                (_, Some(wanted)) => draft.then(Operation::WriteBootFile(file, wanted), why(part)),
                (Some(BootFileState::Ours(_)), None) => {
                    draft.then(Operation::RemoveBootFile(file), "The topology needs it no more.");
                }
                (Some(BootFileState::Foreign) | None, None) => {}
            }
        }
        Ok(draft.finish())
    }
}

impl Desired for TopologyDisabled {
    fn scope(&self) -> Scope {
        scope_of(&self.name)
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let mut draft = Draft::from(observed);
        // First what starts it, last what it reads.
        for part in BootPart::ALL.into_iter().rev() {
            let file = BootFile { topology: self.name.clone(), part };
            if let Some(BootFileState::Ours(_)) = draft.state().boot_files.get(&file) {
                draft.then(Operation::RemoveBootFile(file), "The topology is not to return after a reboot.");
            }
        }
        let plan = draft.finish();
        if plan.is_empty() { Err(Conflict::NotEnabled(self.name.clone())) } else { Ok(plan) }
    }
}

impl TopologyEnabled {
    /// Returns what a file is to say; none if it is not needed.
    fn text_of(&self, file: &BootFile) -> Option<String> {
        match file.part {
            BootPart::Topology => Some(file.mark() + &self.without_mark(file)),
            BootPart::Forwarding => {
                let families = self.topology.forwarded_families();
                let lines: String = families.iter().map(|family| switch(*family)).collect();
                (!lines.is_empty()).then(|| file.mark() + &lines)
            }
            BootPart::Unit => Some(self.unit(file)),
            BootPart::Wanted => Some(file.unit().path()),
        }
    }

    /// The file may be the very copy that was written before.
    fn without_mark(&self, file: &BootFile) -> String {
        self.text.strip_prefix(&file.mark()).unwrap_or(&self.text).to_owned()
    }

    /// No mounts of its own, as `ProtectSystem=` and the like would give it: a netns that is named in a
    /// private mount namespace is an empty file for everybody else.
    fn unit(&self, file: &BootFile) -> String {
        let name = &file.topology;
        let program = in_unit(&self.program);
        let copy = BootFile { part: BootPart::Topology, ..file.clone() };
        format!(
            "{}[Unit]\nDescription=Network topology {name}\nWants=network-online.target\n\
             After=network-online.target\n\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
             ExecStart={program} up {copy}\nExecStop={program} down {name}\n\n\
             [Install]\nWantedBy=multi-user.target\n",
            file.mark()
        )
    }
}

fn scope_of(name: &TopologyName) -> Scope {
    Scope { boot_files: [name.clone()].into(), ..Scope::default() }
}

fn why(part: BootPart) -> &'static str {
    match part {
        BootPart::Topology => "The topology as it is now is kept, wherever its file goes.",
        BootPart::Forwarding => "Forwarding is on from early on, and 'sysctl --system' leaves it on.",
        BootPart::Unit => "systemd is told how to bring the topology up, and how to take it down.",
        BootPart::Wanted => "systemd starts at boot what multi-user.target wants.",
    }
}

/// A line of `sysctl.d(5)`.
fn switch(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "net.ipv4.ip_forward = 1\n",
        Family::Ipv6 => "net.ipv6.conf.all.forwarding = 1\n",
    }
}

/// Quotes a path for `ExecStart=` (`systemd.service(5)`, command lines). Quotes and backslashes it takes in
/// arguments only (`string_is_safe` in `src/basic/string-util.c` of systemd).
fn in_unit(path: &str) -> String {
    let escaped = path.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    if path.contains(['"', '\'', '\\']) {
        format!("/usr/bin/env \"{}\"", escaped.replace('$', "$$"))
    } else if escaped.contains(char::is_whitespace) || escaped != path {
        format!("\"{escaped}\"")
    } else {
        escaped
    }
}
