//! What the own nftables table `inet netns_tool` is made of, as data.
//!
//! A constant number of rules looks things up in sets and maps, so one packet and one change cost
//! the same with one entry and with ten thousand. The kernel driver turns this data into netlink
//! messages, `--explain` into the text that `nft -f` reads: two renderings of one value.

mod entry;
mod set;
mod skeleton;
pub(crate) mod text;

pub(crate) use entry::{Cell, Element};
pub(crate) use set::{Column, Set};
pub(crate) use skeleton::{CHAINS, Chain, Match, Rule, Selector, Verdict};

/// The table's name; its family is `inet`, for IPv4 and IPv6 at once.
pub(crate) const NAME: &str = "netns_tool";

/// The comment that tells an administrator whose table this is.
pub(crate) const COMMENT: &str = "made by netns-tool";
