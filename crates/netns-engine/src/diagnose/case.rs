//! All that a check may look at.

use super::{
    finding::{Spot, Step},
    journey::{Journey, Leg},
    question::Question,
    scene::{Scene, StackId},
    way::{Purpose, Way},
};
use crate::check::Outcome;

/// A question with everything that was found out about it.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What there is to see.
    pub scene: &'a Scene,
    /// What is asked.
    pub question: &'a Question,
    /// The ways, followed and tried.
    pub ways: Vec<Followed>,
}

/// A way that was followed, and perhaps tried.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Followed {
    /// The way.
    pub way: Way,
    /// Where it leads, and back.
    pub journey: Journey,
    /// What came of a real try; none if there was none.
    pub outcome: Option<Outcome>,
}

impl Followed {
    /// Follows a way through the scene.
    #[must_use]
    pub fn new(scene: &Scene, way: Way, outcome: Option<Outcome>) -> Self {
        let journey = way.follow(scene);
        Self { way, journey, outcome }
    }

    /// Returns whether an answer came.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Reached { .. }))
    }

    /// Returns whether there is reason to look for a fault: it does not work, or was not tried.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        !self.works()
    }

    /// Returns the legs, with the stack each is in.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.journey.legs.iter()
    }
}

impl Case<'_> {
    /// Returns the stacks that the question is about, each once: those on the ways, or all of them.
    #[must_use]
    pub fn stacks(&self) -> Vec<StackId> {
        if *self.question == Question::Host {
            return self.scene.numbered().map(|(id, _)| id).collect();
        }
        let mut stacks = Vec::new();
        for leg in self.ways.iter().filter(|way| way.way.purpose != Purpose::Control).flat_map(Followed::legs)
        {
            if !stacks.contains(&leg.stack) {
                stacks.push(leg.stack);
            }
        }
        stacks
    }

    /// Returns a step in the first leg that leads through `stack`.
    #[must_use]
    pub fn spot_in(&self, stack: StackId, step: Step) -> Spot {
        let mut legs = self.ways.iter().flat_map(Followed::legs);
        Spot { leg: legs.find(|leg| leg.stack == stack).map_or(0, |leg| leg.number), step }
    }
}
