//! Parts of the kernel that may be modules: to use one that is not there would load it.

use std::{fs, path::Path};

use rustix::system::uname;

/// Returns whether the module `name` is loaded, or is part of the kernel itself.
pub(super) fn is_there(name: &str) -> bool {
    // A kernel that cannot load modules has none to load.
    Path::new("/sys/module").join(name).exists() || !Path::new("/proc/modules").exists() || is_built_in(name)
}

/// `modules.builtin` names files, a line each: `kernel/net/ipv4/tcp_diag.ko`.
fn is_built_in(name: &str) -> bool {
    let release = uname().release().to_string_lossy().into_owned();
    let list = fs::read_to_string(format!("/lib/modules/{release}/modules.builtin")).unwrap_or_default();
    let file = format!("/{name}.ko");
    list.lines().any(|line| line.ends_with(&file))
}
