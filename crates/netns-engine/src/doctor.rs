//! A consultation, whole: look, try, tell. Changes nothing.

use std::{net::IpAddr, thread, time::Duration};

use crate::{
    check::Outcome,
    diagnose::{
        Diagnosis,
        case::{Case, Followed},
        diagnose,
        question::{Destination, Question},
        scene::Scene,
        way::{self, Way},
    },
    error::Error,
    kernel::{
        examine::{examine, look_at_neighbours_again},
        probe,
    },
};

/// What was seen and tried about a question.
#[derive(Clone, Debug)]
pub struct Consultation {
    question: Question,
    scene: Scene,
    tries: Vec<(Way, Option<Outcome>)>,
}

/// Looks at whatever bears on `question`, and tries it from inside, each try for at most `patience`.
///
/// # Errors
///
/// Returns that something it asks about does not exist, or that even the host could not be read.
pub fn consult(question: Question, patience: Duration) -> Result<Consultation, Error> {
    let mut scene = examine(&question)?;
    let ways = way::ways(&scene, &question, resolve(&question, patience));
    let outcomes = try_all(&scene, &ways, patience);
    if outcomes.iter().flatten().any(|outcome| !matches!(outcome, Outcome::Reached { .. })) {
        look_at_neighbours_again(&mut scene.stacks);
    }
    Ok(Consultation { question, scene, tries: ways.into_iter().zip(outcomes).collect() })
}

fn resolve(question: &Question, patience: Duration) -> Option<IpAddr> {
    let Question::Path(path) = question else { return None };
    let Destination::Name(name) = &path.to else { return None };
    probe::address_of(name, &path.from, patience)
}

/// Tries all ways side by side: the slowest decides how long it takes.
fn try_all(scene: &Scene, ways: &[Way], patience: Duration) -> Vec<Option<Outcome>> {
    thread::scope(|scope| {
        let tries: Vec<_> =
            ways.iter().map(|way| scope.spawn(move || try_way(scene, way, patience))).collect();
        tries
            .into_iter()
            .map(|tried| tried.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn try_way(scene: &Scene, way: &Way, patience: Duration) -> Option<Outcome> {
    let from = &scene.stack(way.from).entrance;
    way.can_be_tried().then(|| probe::reach(from, way.to, way.service(), patience))
}

impl Consultation {
    /// Returns what it comes to.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis<'_> {
        let follow = |(way, outcome): &(Way, Option<Outcome>)| {
            Followed::new(&self.scene, way.clone(), outcome.clone())
        };
        diagnose(Case {
            scene: &self.scene,
            question: &self.question,
            ways: self.tries.iter().map(follow).collect(),
        })
    }
}
