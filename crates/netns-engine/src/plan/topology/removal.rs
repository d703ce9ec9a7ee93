//! A topology that goes as a whole.

use super::{
    record_of,
    retirement::{retire, stop_programs},
};
use crate::{
    desired::TopologyRemoved,
    observed::{Observed, Scope},
    plan::{Conflict, Desired, Draft, Operation, Plan},
    record::RecordKey,
    topology::Topology,
};

impl Desired for TopologyRemoved {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        scope.topologies.insert(self.name.clone(), Topology::new(self.name.clone()).into());
        scope.noted.insert(RecordKey::Topology(self.name.clone()));
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        let record =
            record_of(observed, &self.name).ok_or_else(|| Conflict::NoTopology(self.name.clone()))?;
        let nothing = Topology::new(self.name.clone());
        let mut draft = Draft::from(observed);
        stop_programs(&mut draft, &record.topology, &nothing);
        retire(&mut draft, &record.topology, &nothing, self.on_holders)?;
        draft.then(
            Operation::Forget(RecordKey::Topology(self.name.clone())),
            "Nothing of the topology is left to remember.",
        );
        Ok(draft.finish())
    }
}
