//! What should exist, in checked types. Pure data; the decisions are in [`crate::plan`].

mod resolver;

pub use resolver::{Resolver, ResolverSource};
