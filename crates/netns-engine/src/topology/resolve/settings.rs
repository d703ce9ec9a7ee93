//! The settings of a node.

use std::collections::HashMap;

use super::{Found, words::malformed};
use crate::{
    sysctl::{NamedSetting, SettingError, Sysctl},
    topology::{
        Mistake,
        file::{NodeBody, Text},
        mistake::Flaw,
    },
};

/// Settles the settings of one node, but for those that the key `forwarding` stands for.
pub(super) fn of_node(body: &NodeBody) -> Found<Vec<(Sysctl, i32)>> {
    let mut settings = Vec::new();
    let mut seen = HashMap::new();
    for (name, setting) in &body.sysctls.0 {
        let named = NamedSetting::new(name.value.as_str()).map_err(|error| wrong_name(name, error))?;
        let missing = || malformed(name, "a setting with a value, such as net.ipv4.tcp_syncookies: 1");
        let value = setting.0.as_ref().ok_or_else(missing)?.value;
        let setting = Sysctl::from(named);
        if let Some(first) = seen.insert(setting.clone(), name.at) {
            let mistake = Mistake::Twice { thing: "setting", name: setting.to_string(), first: Some(first) };
            return Err(Flaw::new(name.at, mistake));
        }
        if is_forwarding(&setting) {
            refuse_contradiction(body, name, value)?;
        } else {
            settings.push((setting, value));
        }
    }
    Ok(settings)
}

/// The kernel has `conf/all/forwarding` as another name for `ip_forward`.
fn is_forwarding(setting: &Sysctl) -> bool {
    let other_name = || setting.path() == "net/ipv4/conf/all/forwarding";
    matches!(setting, Sysctl::IpForward | Sysctl::Ipv6Forwarding) || other_name()
}

fn refuse_contradiction(body: &NodeBody, name: &Text, value: i32) -> Found<()> {
    if (value != 0) == (body.forwarding == Some(true)) {
        return Ok(());
    }
    let flaw = Flaw::new(name.at, Mistake::KeysContradict { key: "sysctls", other: "forwarding" });
    Err(flaw.or_rather(format!("write 'forwarding: {}' instead", value != 0)))
}

/// A link with a dot in its name is the usual reason for a part too many.
fn wrong_name(name: &Text, error: SettingError) -> Flaw {
    let flaw = Flaw::new(name.at, error);
    let parts: Vec<_> = name.value.split('.').collect();
    let meant = match parts.as_slice() {
        ["net", family, kind @ ("conf" | "neigh"), link @ .., key] if link.len() > 1 => {
            NamedSetting::new(format!("net.{family}.{kind}.{}.{key}", link.join("/"))).ok()
        }
        _ => None,
    };
    match meant {
        Some(meant) => flaw.or_rather(format!("did you mean '{}'?", meant.as_str())),
        None => flaw,
    }
}
