//! The kernel's "no": an error number, and its own words where it has some.

use std::{io, path::Path};

use rustix::io::Errno;

/// The kernel's answer when it says no.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.words())]
pub struct Refusal {
    errno: Errno,
    message: Option<String>,
    lacks: Option<KernelOption>,
}

/// What a [`Refusal`] comes down to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// A right is missing.
    NotPermitted,
    /// The kernel was built without, or has not loaded, what it would take.
    NotSupported,
    /// The kernel has no such part, nor a module of it at hand.
    Lacks(KernelOption),
    /// A bridge has all the ports it can have.
    Full,
    /// Anything else.
    Other,
}

/// A part that a kernel can be built without.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KernelOption {
    /// Delay and loss.
    Netem,
    /// Rates.
    Tbf,
    /// Tunnels to other hosts.
    Vxlan,
    /// Links that share another one.
    Macvlan,
}

impl KernelOption {
    /// Returns the kernel's own word for what it provides.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Netem => "netem",
            Self::Tbf => "tbf",
            Self::Vxlan => "vxlan",
            Self::Macvlan => "macvlan",
        }
    }

    /// Returns the option that a kernel is built with.
    #[must_use]
    pub fn config(self) -> &'static str {
        match self {
            Self::Netem => "CONFIG_NET_SCH_NETEM",
            Self::Tbf => "CONFIG_NET_SCH_TBF",
            Self::Vxlan => "CONFIG_VXLAN",
            Self::Macvlan => "CONFIG_MACVLAN",
        }
    }

    /// Returns the module, where it is one.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Netem => "sch_netem",
            Self::Tbf => "sch_tbf",
            Self::Vxlan => "vxlan",
            Self::Macvlan => "macvlan",
        }
    }
}

impl Refusal {
    /// Refuses with `errno` alone.
    #[must_use]
    pub fn new(errno: Errno) -> Self {
        Self { errno, message: None, lacks: None }
    }

    /// Returns what it comes down to for whoever asked.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        if let Some(option) = self.lacks {
            return RefusalKind::Lacks(option);
        }
        match self.errno {
            Errno::PERM | Errno::ACCESS => RefusalKind::NotPermitted,
            Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT | Errno::NOSYS => {
                RefusalKind::NotSupported
            }
            Errno::XFULL => RefusalKind::Full,
            _ => RefusalKind::Other,
        }
    }

    /// Returns whether the change may have been made all the same, only its answer did not arrive:
    /// the socket's buffer ran over (`netlink(7)`), or the wait for it was cut short.
    #[must_use]
    pub fn answer_was_lost(&self) -> bool {
        matches!(self.errno, Errno::NOBUFS | Errno::INTR | Errno::TIMEDOUT)
    }

    /// Adds the kernel's (or another program's) own explanation.
    #[must_use]
    pub fn with_message(self, message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), ..self }
    }

    /// Says which file it is about, before the rest.
    pub(crate) fn about(self, path: &Path) -> Self {
        let message = format!("'{}': {}", path.display(), self.text());
        self.with_message(message)
    }

    /// Says which part of the kernel is missing, instead of the kernel's own words.
    pub(crate) fn lacking(self, option: KernelOption) -> Self {
        let message = format!("this kernel has no {} ({})", option.word(), option.config());
        Self { lacks: Some(option), ..self.with_message(message) }
    }

    /// The error number (`asm-generic/errno-base.h` and `errno.h`).
    #[must_use]
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// The explanation that came with the error number: netlink's extended ack, a program's
    /// standard error.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    fn words(&self) -> String {
        let symbol =
            symbol(self.errno).map_or_else(|| format!("errno {}", self.errno.raw_os_error()), str::to_owned);
        format!("{} ({symbol})", self.text())
    }

    fn text(&self) -> String {
        if let Some(message) = &self.message {
            return message.trim_end_matches('.').to_owned();
        }
        let text = io::Error::from_raw_os_error(self.errno.raw_os_error()).to_string();
        // The standard library appends " (os error N)"; the symbolic number behind it says it better.
        text.split(" (os error").next().unwrap_or_default().to_lowercase()
    }
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::new(errno)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::new(Errno::from_raw_os_error(number)),
            None => Self::new(Errno::IO).with_message(error.to_string()),
        }
    }
}

/// The symbol people search for, for the errors that networking calls really return.
fn symbol(errno: Errno) -> Option<&'static str> {
    const SYMBOLS: &[(Errno, &str)] = &[
        (Errno::PERM, "EPERM"),
        (Errno::NOENT, "ENOENT"),
        (Errno::SRCH, "ESRCH"),
        (Errno::INTR, "EINTR"),
        (Errno::IO, "EIO"),
        (Errno::BADF, "EBADF"),
        (Errno::AGAIN, "EAGAIN"),
        (Errno::NOMEM, "ENOMEM"),
        (Errno::NXIO, "ENXIO"),
        (Errno::ACCESS, "EACCES"),
        (Errno::BUSY, "EBUSY"),
        (Errno::EXIST, "EEXIST"),
        (Errno::NODEV, "ENODEV"),
        (Errno::NOTDIR, "ENOTDIR"),
        (Errno::ISDIR, "EISDIR"),
        (Errno::INVAL, "EINVAL"),
        (Errno::MFILE, "EMFILE"),
        (Errno::FBIG, "EFBIG"),
        (Errno::NOSPC, "ENOSPC"),
        (Errno::ROFS, "EROFS"),
        (Errno::RANGE, "ERANGE"),
        (Errno::BADMSG, "EBADMSG"),
        (Errno::XFULL, "EXFULL"),
        (Errno::LOOP, "ELOOP"),
        (Errno::OPNOTSUPP, "EOPNOTSUPP"),
        (Errno::AFNOSUPPORT, "EAFNOSUPPORT"),
        (Errno::ADDRINUSE, "EADDRINUSE"),
        (Errno::ADDRNOTAVAIL, "EADDRNOTAVAIL"),
        (Errno::NETDOWN, "ENETDOWN"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NOBUFS, "ENOBUFS"),
        (Errno::NOTCONN, "ENOTCONN"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::PROTONOSUPPORT, "EPROTONOSUPPORT"),
    ];
    SYMBOLS.iter().find(|(known, _)| *known == errno).map(|(_, symbol)| *symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_the_symbol_and_prefer_the_kernels_own_text() {
        assert_eq!(Refusal::new(Errno::PERM).to_string(), "operation not permitted (EPERM)");
        let told = Refusal::new(Errno::INVAL).with_message("Device does not exist.");
        assert_eq!(told.to_string(), "Device does not exist (EINVAL)");
    }
}
