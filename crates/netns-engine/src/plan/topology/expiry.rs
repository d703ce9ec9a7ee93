//! A topology that goes because its time is over.

use super::record_of;
use crate::{
    desired::{OnHolders, TopologyExpired, TopologyRemoved},
    observed::{Observed, Scope},
    plan::{Conflict, Desired, Draft, Plan},
};

impl Desired for TopologyExpired {
    fn scope(&self) -> Scope {
        self.removed().scope()
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        // Somebody may have taken it down, or given it more time, just before.
        match record_of(observed, &self.name) {
            Some(record) if record.lifetime == self.lifetime => self.removed().plan(observed),
            _ => Ok(Draft::from(observed).finish()),
        }
    }
}

impl TopologyExpired {
    /// Nobody is there to be asked, so whoever is still inside has to go.
    fn removed(&self) -> TopologyRemoved {
        TopologyRemoved { name: self.name.clone(), on_holders: OnHolders::Kill }
    }
}
