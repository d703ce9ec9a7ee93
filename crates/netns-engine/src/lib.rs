//! The engine of netns-tool: network namespaces, links, routes and NAT as desired state.
//!
//! Everything takes one road: what is desired and what is [`observed`] become a [`plan`], which is
//! [applied](apply) in one pass and undone if the kernel refuses.

pub mod address;
pub mod apply;
pub mod change;
pub mod desired;
pub mod error;
pub mod firewall;
mod journal;
pub mod kernel;
pub mod name;
pub mod observed;
mod own_table;
pub mod place;
pub mod plan;
pub mod record;
pub mod resolver;
pub mod route;
pub mod sysctl;
pub mod view;
