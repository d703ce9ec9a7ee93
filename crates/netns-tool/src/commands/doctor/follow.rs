//! `doctor --trace`: one packet, through every chain, as the kernel tells it.

use std::{process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use netns_engine::{
    diagnose::{
        Diagnosis,
        case::Followed,
        question::Question,
        trace::{Fate, TraceProbe},
        way::Purpose,
    },
    doctor::consult,
    error::Error,
    kernel::trace::trace,
    place::Entrance,
};

use super::super::Context;
use crate::exit_code::Code;

/// Sends one packet along the way that was asked for, and tells what it met.
pub(super) fn follow(question: Question, patience: Duration, context: Context<'_>) -> Result<ExitCode> {
    let consultation = consult(question, patience)?;
    let diagnosis = consultation.diagnosis();
    let Some(followed) = first_way(&diagnosis) else {
        if diagnosis.is_healthy() {
            bail!("there is no single way to follow: name a netns and where it should get to");
        }
        context.output.diagnosis(&diagnosis);
        return Ok(Code::NotAsAsked.into());
    };
    let probe = TraceProbe {
        from: diagnosis.case.scene.stack(followed.way.from).entrance.clone(),
        to: followed.way.to,
        protocol: followed.way.protocol,
        port: followed.way.port,
    };
    let mut traced = trace(&stacks(&diagnosis, followed), &probe, patience).map_err(Error::Unreadable)?;
    traced.name_rules(diagnosis.case.scene);
    context.output.traced(&probe, &traced);
    let answered = matches!(traced.fate, Fate::Answered { .. });
    Ok(if answered { ExitCode::SUCCESS } else { Code::NotAsAsked.into() })
}

fn first_way<'a>(diagnosis: &'a Diagnosis<'_>) -> Option<&'a Followed> {
    let mut ways = diagnosis.case.ways.iter();
    ways.find(|way| matches!(way.way.purpose, Purpose::Asked | Purpose::Internet) && way.way.can_be_tried())
}

/// The stacks on the way, in the order they are passed.
fn stacks(diagnosis: &Diagnosis<'_>, followed: &Followed) -> Vec<Entrance> {
    let mut stacks: Vec<Entrance> = Vec::new();
    for leg in followed.legs() {
        let entrance = &leg.stack_in(diagnosis.case.scene).entrance;
        if !stacks.contains(entrance) {
            stacks.push(entrance.clone());
        }
    }
    stacks
}
