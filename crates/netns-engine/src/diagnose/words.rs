//! How stacks and links are called in findings, and the commands that act in them.

use super::scene::{Link, Scene, Stack, StackId};
use crate::place::Entrance;

impl Stack {
    /// Returns where something is: `on the host`, `in netns 'red'`.
    #[must_use]
    pub fn location(&self) -> String {
        match &self.entrance {
            Entrance::Host => "on the host".to_owned(),
            inside => format!("in {inside}"),
        }
    }

    /// Returns `ip`, or `ip -n red`, or what enters a netns without a name.
    #[must_use]
    pub fn ip(&self) -> String {
        match &self.entrance {
            Entrance::Host => "ip".to_owned(),
            Entrance::Named(name) => format!("ip -n {name}"),
            Entrance::File(path) => format!("nsenter --net={} ip", path.display()),
        }
    }

    /// Returns a command as it is typed to run in this stack.
    #[must_use]
    pub fn run(&self, command: &str) -> String {
        match &self.entrance {
            Entrance::Host => command.to_owned(),
            Entrance::Named(name) => format!("ip netns exec {name} {command}"),
            Entrance::File(path) => format!("nsenter --net={} {command}", path.display()),
        }
    }

    /// Returns the command that writes a setting, given by its path below `/proc/sys`.
    #[must_use]
    pub fn set(&self, setting: &str, value: i64) -> String {
        // A dot in a link's name is only told from a separator where slashes separate (sysctl(8)).
        let name = if setting.contains('.') { setting.to_owned() } else { setting.replace('/', ".") };
        self.run(&format!("sysctl -w {name}={value}"))
    }

    /// Returns the file of a setting, as it is seen from inside.
    #[must_use]
    pub fn file_of(&self, setting: &str) -> String {
        match &self.entrance {
            Entrance::Host => format!("/proc/sys/{setting}"),
            _ => self.run(&format!("cat /proc/sys/{setting}")),
        }
    }
}

/// Names a link with its place: `link 'eth0' in netns 'red'`.
#[must_use]
pub(super) fn link_in(scene: &Scene, stack: StackId, link: &Link) -> String {
    let what = if link.bridge.is_some() { "bridge" } else { "link" };
    format!("{what} '{}' {}", link.name, scene.stack(stack).location())
}
