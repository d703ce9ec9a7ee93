//! Decides what a mend of the doctor takes.

use super::{Conflict, Desired, Draft, LinkChange, Operation, Plan, Step};
use crate::{
    address::Family,
    desired::{AddressOn, Nat, NetnsPort, PortPublished, RouteIn},
    diagnose::mend::Mend,
    firewall::Translation,
    observed::{Observed, Scope},
    place::Place,
    sysctl::Sysctl,
};

impl Desired for Mend {
    fn scope(&self) -> Scope {
        match self.noun() {
            Noun::Desired(desired) => desired.scope(),
            Noun::Operation(operation) => scope_of(operation),
        }
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        match self.noun() {
            Noun::Desired(desired) => desired.plan(observed),
            Noun::Operation(operation) => {
                let mut draft = Draft::from(observed);
                draft.then(operation.clone(), WHY);
                Ok(draft.finish())
            }
        }
    }
}

/// What a mend comes down to.
enum Noun<'a> {
    /// Something that can be asked for by a command of its own.
    Desired(Box<dyn Desired>),
    /// A change that no command is for.
    Operation(&'a Operation),
}

/// For the reader of a script; the findings say more.
const WHY: &str = "The doctor found this to be otherwise, and that nothing gets through for it.";

impl Mend {
    /// Returns the one change as a plan, whatever else it needs first: to be shown, not to be made.
    #[must_use]
    pub fn as_it_stands(&self, operation: &Operation) -> Plan {
        let step = Step { operation: operation.clone(), undo: Vec::new(), why: WHY.to_owned() };
        Plan { steps: vec![step], ..Plan::default() }
    }

    fn noun(&self) -> Noun<'_> {
        match self {
            Self::Nat { bridge, uplink } => Noun::Desired(Box::new(Nat {
                bridge: bridge.clone(),
                uplink: Some(uplink.clone()),
                translation: Translation::Masquerade,
                driver: None,
            })),
            Self::Publish { published, netns, port } => Noun::Desired(Box::new(PortPublished {
                published: published.clone(),
                target: NetnsPort { netns: netns.clone(), port: *port },
            })),
            Self::Change(Operation::AddRoute(place, route)) => {
                Noun::Desired(Box::new(RouteIn { place: place.clone(), route: route.clone() }))
            }
            Self::Change(Operation::AddAddress(at, address)) => {
                Noun::Desired(Box::new(AddressOn { link: at.clone(), address: *address }))
            }
            Self::Change(operation) => Noun::Operation(operation),
        }
    }
}

fn scope_of(operation: &Operation) -> Scope {
    let mut scope = Scope::covering([operation]);
    scope.netns.extend(operation.places().into_iter().filter_map(Place::netns).cloned());
    if let Operation::SetLink(at, LinkChange::Master(bridge)) = operation {
        scope = scope.with_link(at).with_link(&at.place.link(bridge));
    }
    // The switch of a family drags the settings of every link along, which an undo has to bring back.
    if let Operation::SetSysctl(Place::Host, setting, _) = operation {
        let switched =
            [Family::Ipv4, Family::Ipv6].into_iter().filter(|it| Sysctl::forwarding(*it) == *setting);
        scope.link_forwarding.extend(switched);
    }
    scope
}
