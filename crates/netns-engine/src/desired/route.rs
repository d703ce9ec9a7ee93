//! One route of one network stack: there, or gone.

use crate::{place::Place, route::Route};

/// A route in the main table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteIn {
    /// The network stack.
    pub place: Place,
    /// The route.
    pub route: Route,
}

/// No such route in the main table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteRemoved {
    /// The network stack.
    pub place: Place,
    /// The route; a gateway or link not given matches any.
    pub route: Route,
}
