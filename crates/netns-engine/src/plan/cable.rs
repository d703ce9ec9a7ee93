//! Decides how a cable between two netns comes to be.

use super::{
    Conflict, Desired, Draft, LinkLocal, NewVeth, NewVethEnd, Plan,
    address::{add_address, refuse_unusable, require_place},
    veth::{WHY_UP, link_local_for, make_cable, switch_on},
};
use crate::{
    desired::Cable,
    observed::{Observed, Scope, Selection},
    place::LinkAt,
};

impl Desired for Cable {
    fn scope(&self) -> Scope {
        let mut scope = Scope::default();
        for end in &self.ends {
            scope.netns.extend(end.place.netns().cloned());
            scope.stacks.insert(end.place.clone(), Selection::All);
        }
        scope
    }

    fn plan(&self, observed: &Observed) -> Result<Plan, Conflict> {
        for end in &self.ends {
            require_place(observed, &end.place)?;
        }
        let [first, second] = &self.ends;
        let addresses = self.addresses.map_or([None, None], |addresses| addresses.map(Some));
        for (end, address) in self.ends.iter().zip(addresses) {
            address.map_or(Ok(()), |address| refuse_unusable(observed, end, address))?;
        }
        let [first_address, second_address] = addresses;
        let end = |at: &LinkAt, address: Option<_>| NewVethEnd {
            link_local: address.map_or(LinkLocal::Generated, |address| link_local_for(&[address])),
            ..NewVethEnd::new(at.clone())
        };
        let mut draft = Draft::from(observed);
        let pair = NewVeth { main: end(first, first_address), peer: end(second, second_address) };
        make_cable(&mut draft, pair)?;
        for (end, address) in self.ends.iter().zip(addresses) {
            if let Some(address) = address {
                add_address(&mut draft, end, address, "Both ends in one network reach each other directly.");
            }
        }
        for end in &self.ends {
            switch_on(&mut draft, end, WHY_UP);
        }
        Ok(draft.finish())
    }
}
