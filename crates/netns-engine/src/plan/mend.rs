//! Decides what a mend of the doctor takes.

use super::{Conflict, Desired, Draft, Operation, Plan};
use crate::{
    address::Family,
    desired::Nat,
    diagnose::mend::Mend,
    firewall::Translation,
    observed::{Observed, Scope},
    sysctl::Sysctl,
};

impl Desired for Mend {
    fn scope(&self) -> Scope {
        match self {
            Self::Nat { .. } => self.nat().map(|nat| nat.scope()).unwrap_or_default(),
            Self::Change(operation) => {
                let mut scope = Scope::covering([operation]);
                // The switch of a family drags the settings of every link along, which an undo has to bring back.
                if let Operation::SetSysctl(_, setting, _) = operation {
                    let families = [Family::Ipv4, Family::Ipv6];
                    scope
                        .link_forwarding
                        .extend(families.into_iter().filter(|it| Sysctl::forwarding(*it) == *setting));
                }
                scope
            }
        }
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        if let Some(nat) = self.nat() {
            return nat.plan(observed);
        }
        let mut draft = Draft::from(observed);
        if let Self::Change(operation) = self {
            draft.then(operation.clone(), "The doctor found this missing.");
        }
        Ok(draft.finish())
    }
}

impl Mend {
    fn nat(&self) -> Option<Nat> {
        match self {
            Self::Nat { bridge, uplink } => Some(Nat {
                bridge: bridge.clone(),
                uplink: Some(uplink.clone()),
                translation: Translation::Masquerade,
                driver: None,
            }),
            Self::Change(_) => None,
        }
    }
}
