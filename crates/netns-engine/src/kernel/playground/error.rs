//! Why there is no playground.

use crate::kernel::{Refusal, exec::ExecError};

/// Why a throw-away host could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaygroundError {
    /// Without root, a user namespace is needed, and this host gives none.
    #[error("cannot make a user namespace: {ban}")]
    NoUserNamespace {
        /// What forbids it, as far as it can be seen.
        ban: UserNamespaceBan,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
    },
    /// A user namespace can only be entered by a process with one thread.
    #[error("cannot make a user namespace from a process with several threads")]
    SeveralThreads,
    /// The command that was to run there does not.
    #[error(transparent)]
    Command(#[from] ExecError),
    /// One of the pieces was refused.
    #[error("cannot {deed}")]
    Refused {
        /// What was tried.
        deed: &'static str,
        /// The kernel's answer.
        #[source]
        cause: Refusal,
    },
}

/// What forbids user namespaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UserNamespaceBan {
    /// `user.max_user_namespaces` is 0.
    NoneAllowed,
    /// `kernel.unprivileged_userns_clone` is 0 (Debian's and Arch's kernels).
    OnlyForRoot,
    /// `kernel.apparmor_restrict_unprivileged_userns` is 1 (Ubuntu 23.10 and later).
    AppArmor,
    /// None of these; mostly a container's seccomp filter.
    Unknown,
}

impl std::fmt::Display for UserNamespaceBan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoneAllowed => "user.max_user_namespaces is 0",
            Self::OnlyForRoot => "kernel.unprivileged_userns_clone is 0",
            Self::AppArmor => "AppArmor keeps them from ordinary users",
            Self::Unknown => "the kernel, or the container this runs in, refuses",
        })
    }
}

/// Names what was tried when the kernel refuses.
pub(super) trait Trying<T> {
    /// Turns a refusal into "cannot `deed`".
    fn trying_to(self, deed: &'static str) -> Result<T, PlaygroundError>;
}

impl<T, E: Into<Refusal>> Trying<T> for Result<T, E> {
    fn trying_to(self, deed: &'static str) -> Result<T, PlaygroundError> {
        self.map_err(|cause| PlaygroundError::Refused { deed, cause: cause.into() })
    }
}
