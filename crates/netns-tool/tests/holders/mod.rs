//! Processes that hold a netns, for the tests of those who look for them.

use std::process::{Child, Command, ExitStatus, Stdio};

use netns_testkit::{eventually, eventually_some};

/// A sleeping process; it ends with the value.
pub struct Sleeper(Child);

impl Sleeper {
    /// Sleeps inside the netns `name`.
    pub fn inside(name: &str) -> Self {
        let sleeper = Self::start(&format!("exec ip netns exec {name} sleep 1000"));
        let netns = format!("/run/netns/{name}");
        eventually("the process is inside", || same_file(&format!("/proc/{}/ns/net", sleeper.pid()), &netns));
        sleeper.asleep()
    }

    /// Sleeps outside of any named netns.
    pub fn inside_of_the_host() -> Self {
        Self::start("exec sleep 1000").asleep()
    }

    /// Sleeps outside, with the netns `name` open as file 7.
    pub fn with_open_file(name: &str) -> Self {
        Self::start(&format!("exec 7</run/netns/{name}; exec sleep 1000")).asleep()
    }

    fn start(script: &str) -> Self {
        let mut command = Command::new("/bin/sh");
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").arg("-euc").arg(script);
        Self(command.stdin(Stdio::null()).spawn().unwrap())
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
    pub fn end(mut self) -> ExitStatus {
        eventually_some("the process was ended", || self.0.try_wait().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn same_file(one: &str, other: &str) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &str| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}
