//! Processes that keep a netns alive.

use std::{
    os::unix::fs::MetadataExt,
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::eventually::{eventually, eventually_some};

/// A sleeping process; it ends with the value.
#[derive(Debug)]
pub struct Sleeper(Child);

impl Sleeper {
    /// Sleeps inside the netns `name`.
    ///
    /// # Panics
    ///
    /// Panics if it does not start, or not within ten seconds.
    #[track_caller]
    pub fn inside(name: &str) -> Self {
        let sleeper = Self::start(&format!("exec ip netns exec {name} sleep 1000"));
        let netns = format!("/run/netns/{name}");
        eventually("the process is inside", || same_file(&format!("/proc/{}/ns/net", sleeper.pid()), &netns));
        sleeper.asleep()
    }

    /// Sleeps on the host.
    ///
    /// # Panics
    ///
    /// Panics if it does not start, or not within ten seconds.
    #[track_caller]
    pub fn on_the_host() -> Self {
        Self::start("exec sleep 1000").asleep()
    }

    /// Sleeps on the host, with the netns `name` open as file 7.
    ///
    /// # Panics
    ///
    /// Panics if it does not start, or not within ten seconds.
    #[track_caller]
    pub fn with_open_file(name: &str) -> Self {
        Self::start(&format!("exec 7</run/netns/{name}; exec sleep 1000")).asleep()
    }

    fn start(script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-euc").arg(script);
        Self(command.stdin(Stdio::null()).spawn().expect("every system has sh"))
    }

    fn asleep(self) -> Self {
        let comm = format!("/proc/{}/comm", self.pid());
        eventually("the process sleeps", || {
            std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")
        });
        self
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits until somebody has ended it.
    ///
    /// # Panics
    ///
    /// Panics if it still runs after ten seconds.
    #[track_caller]
    pub fn end(mut self) -> ExitStatus {
        eventually_some("the process was ended", || self.0.try_wait().expect("a child can be waited for"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn same_file(one: &str, other: &str) -> bool {
    let id = |path: &str| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}
