//! Parts of the kernel that may be modules: to use one that is not there would load it.

use std::{fs, path::Path, sync::LazyLock};

use rustix::system::uname;

/// What is part of the kernel itself (`modules.builtin`): files, a line each, such as
/// `kernel/net/ipv4/tcp_diag.ko`. None where nobody says.
static BUILT_IN: LazyLock<Option<String>> = LazyLock::new(|| {
    let release = uname().release().to_string_lossy().into_owned();
    fs::read_to_string(format!("/lib/modules/{release}/modules.builtin")).ok()
});

/// Returns whether the module `name` is loaded, or is part of the kernel itself; also where that cannot be told,
/// as in a container: to see nothing would be worse.
pub(super) fn is_there(name: &str) -> bool {
    // A kernel that cannot load modules has none to load.
    Path::new("/sys/module").join(name).exists() || !Path::new("/proc/modules").exists() || is_built_in(name)
}

fn is_built_in(name: &str) -> bool {
    let file = format!("/{name}.ko");
    BUILT_IN.as_ref().is_none_or(|files| files.lines().any(|line| line.ends_with(&file)))
}
