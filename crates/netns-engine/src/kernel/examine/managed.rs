//! Which links other programs say they manage, told by their files under `/run`.

use std::fs;

use crate::{diagnose::scene::Managed, name::LinkName};

/// Who manages links, where it writes down which by their indices, and the line that says that it leaves one alone.
const MANAGERS: [(&str, &str, Says); 2] = [
    // `managed=true`, `full` or `assumed`, under `[device]` (NetworkManager's device state file).
    ("NetworkManager", "/run/NetworkManager/devices", Says::Managed),
    // `ADMIN_STATE=unmanaged`, `configured`, … (sd-network(3)).
    ("systemd-networkd", "/run/systemd/netif/links", Says::Unmanaged),
];

/// What a manager's file says of a link.
#[derive(Clone, Copy)]
enum Says {
    /// That it is managed.
    Managed,
    /// That it is not.
    Unmanaged,
}

/// Returns the links among `names` (with their indices) that somebody manages.
pub(super) fn among(names: &[(u32, LinkName)]) -> Vec<Managed> {
    let mut found = Vec::new();
    for (by, folder, says) in MANAGERS {
        for (index, link) in names {
            let file = format!("{folder}/{index}");
            let is_managed = fs::read_to_string(&file).is_ok_and(|text| says.is_managed(&text));
            found.extend(is_managed.then(|| Managed { link: link.clone(), by: by.to_owned(), file }));
        }
    }
    found
}

impl Says {
    fn is_managed(self, text: &str) -> bool {
        let has = |line: &str| text.lines().any(|known| known.trim() == line);
        match self {
            Self::Managed => has("managed=true") || has("managed=full") || has("managed=assumed"),
            Self::Unmanaged => text.contains("ADMIN_STATE=") && !has("ADMIN_STATE=unmanaged"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manager_says_it_in_its_own_words() {
        assert!(Says::Managed.is_managed("[device]\nmanaged=true\n"));
        assert!(!Says::Managed.is_managed("[device]\nmanaged=false\n"));
        assert!(Says::Unmanaged.is_managed("ADMIN_STATE=configured\nOPER_STATE=routable\n"));
        assert!(!Says::Unmanaged.is_managed("ADMIN_STATE=unmanaged\n"));
        assert!(!Says::Unmanaged.is_managed(""));
    }
}
