//! What to type next, for each error that has a remedy.

mod conflict;

use anyhow::Error;
use netns_engine::{
    apply::ApplyError,
    error,
    kernel::{
        Refusal, RefusalKind,
        exec::ExecError,
        playground::{PlaygroundError, UserNamespaceBan},
    },
};

use crate::commands::doctor::NoSuchCode;

/// Returns the hint for a failed command, if there is one.
pub(crate) fn of(error: &Error) -> Option<String> {
    if let Some(error) = error.downcast_ref::<ExecError>() {
        return for_exec(error);
    }
    if let Some(unknown) = error.downcast_ref::<NoSuchCode>() {
        let all = "'netns-tool doctor --explain' lists them all";
        return Some(
            unknown.likeness.map_or_else(|| all.to_owned(), |code| format!("did you mean '{code}'? {all}")),
        );
    }
    if let Some(PlaygroundError::NoUserNamespace { ban, .. }) = error.downcast_ref() {
        return Some(for_ban(*ban));
    }
    match error.downcast_ref::<error::Error>()? {
        error::Error::Conflict(conflict) => conflict::of(conflict),
        error::Error::Unreadable(cause)
        | error::Error::NoState(cause)
        | error::Error::Apply(ApplyError::Refused { cause, .. } | ApplyError::Unreadable { cause, .. }) => {
            for_refusal(cause)
        }
        error::Error::Unrecovered(_) => Some(
            "'sudo rm /run/netns-tool/journal' gives up on it; 'netns-tool gc' then removes what has no use"
                .to_owned(),
        ),
        error::Error::Apply(_) => {
            Some("another program may be changing the same objects; try again".to_owned())
        }
        _ => None,
    }
}

fn for_ban(ban: UserNamespaceBan) -> String {
    match ban {
        UserNamespaceBan::NoneAllowed => {
            "'sudo sysctl user.max_user_namespaces=10000' allows them, or run this with sudo"
        }
        UserNamespaceBan::OnlyForRoot => {
            "'sudo sysctl kernel.unprivileged_userns_clone=1' allows them, or run this with sudo"
        }
        UserNamespaceBan::AppArmor => {
            "'sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0' allows them, or run this with sudo"
        }
        _ => "run this with sudo, and not inside a container that forbids namespaces",
    }
    .to_owned()
}

fn for_exec(error: &ExecError) -> Option<String> {
    match error {
        ExecError::Conflict(conflict) => conflict::of(conflict),
        ExecError::NotEntered { cause, .. } | ExecError::NotBecome { cause, .. } => for_refusal(cause),
        _ => None,
    }
}

fn for_refusal(refusal: &Refusal) -> Option<String> {
    match refusal.kind() {
        RefusalKind::NotPermitted => Some(format!(
            "this needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN): try 'sudo {}', or 'netns-tool playground', where \
             everyone may do everything",
            what_was_typed()
        )),
        RefusalKind::NotSupported => Some(
            "the kernel lacks this feature: 'modprobe bridge veth nf_tables' loads what it has as modules \
             (CONFIG_BRIDGE, CONFIG_VETH, CONFIG_NF_TABLES)"
                .to_owned(),
        ),
        RefusalKind::Lacks(option) => Some(format!(
            "'modprobe {}' loads it where it is installed; Fedora keeps it in the package kernel-modules-extra, Ubuntu in \
             linux-modules-extra-$(uname -r)",
            option.module()
        )),
        RefusalKind::Full => Some("a bridge takes 1,023 ports; make a second one".to_owned()),
        _ => None,
    }
}

/// The command line as it would be typed again.
fn what_was_typed() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
        if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.escape_debug()) }
    });
    std::iter::once("netns-tool".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
