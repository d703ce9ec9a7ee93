//! A throw-away host to try things on, with a pretend internet behind its uplink.
//!
//! Three pieces, each acting on the calling thread, so that a command and the tests can combine
//! them: [`become_root`] for those who are not, [`enter_fresh_host`] for network, mounts and files
//! of its own, and [`Internet`] for something to reach. [`run_in_pid_namespace`] adds process
//! numbers of its own. Nothing of the real host is changed, and everything goes with the last
//! process inside.
//!
//! ```text
//!   fresh host                              internet
//!   eth0 198.51.100.2/24  ───── veth ─────  up0 198.51.100.1/24
//!        2001:db8:100::2/64                     2001:db8:100::1/64
//!   default route ──────────────────────▶   lo  203.0.113.8, 2001:db8:ffff::8
//! ```
//!
//! The internet has no route back to private networks: whoever wants an answer has to come with the
//! host's own address. All addresses are from the ranges kept for documentation (RFC 5737, RFC 3849).

mod error;
mod etc;
mod host;
mod init;
mod internet;
mod relay;
mod root;
mod second_user;
mod server;
mod wiring;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use error::{PlaygroundError, UserNamespaceBan};
pub use host::enter_fresh_host;
pub use init::run_in_pid_namespace;
pub use internet::Internet;
pub use root::become_root;

/// The one machine of the pretend internet, by IPv4.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 8);
/// The one machine of the pretend internet, by IPv6.
pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 8);
/// The name its DNS knows.
pub const SERVER_NAME: &str = "example.test";
/// The fresh host's uplink.
pub const UPLINK: &str = "eth0";
/// The fresh host's address on the uplink.
pub const UPLINK_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The fresh host's address on the uplink, by IPv6.
pub const UPLINK_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 2);
/// The internet's end of the uplink, which is the default gateway.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The internet's end of the uplink, by IPv6.
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, 1);

/// Returns the address of the pretend internet's machine in the family of `address`.
#[must_use]
pub fn server_in_family_of(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { SERVER_V4.into() } else { SERVER_V6.into() }
}
