//! `doctor --fix`: mend, look again, until nothing more is ours to mend.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use netns_engine::{
    change,
    diagnose::{mend::Mend, question::Question},
    doctor::consult,
    error::Error,
    kernel::LinuxKernel,
    plan::{Operation, Plan},
};

use super::super::{Context, patience::patiently, show};
use crate::exit_code::Code;

/// What is mended uncovers what was behind it: a link that comes up lacks its route. More rounds than that hint at
/// somebody who undoes what we do.
const MOST_ROUNDS: usize = 5;

/// Mends what may be mended, or shows what that would take.
pub(super) fn fix(question: &Question, patience: Duration, context: Context<'_>) -> Result<ExitCode> {
    let mut kernel = LinuxKernel::default();
    if context.global.only_shows() {
        let consultation = consult(question.clone(), patience)?;
        show(&together(&consultation.diagnosis().mends(), &mut kernel)?, context);
        return Ok(ExitCode::SUCCESS);
    }
    let mut mended: Vec<Operation> = Vec::new();
    for _ in 0..MOST_ROUNDS {
        let consultation = consult(question.clone(), patience)?;
        let mends = consultation.diagnosis().mends();
        let before = mended.len();
        for mend in &mends {
            let report = patiently(|| change::make(mend, &mut kernel))?;
            mended.extend(report.done.steps.into_iter().map(|step| step.operation));
        }
        if mended.len() == before {
            break;
        }
    }
    let consultation = consult(question.clone(), patience)?;
    let diagnosis = consultation.diagnosis();
    context.output.mended(&mended, &diagnosis);
    Ok(if diagnosis.is_healthy() { ExitCode::SUCCESS } else { Code::NotAsAsked.into() })
}

/// All mends as one plan, to be shown.
fn together(mends: &[Mend], kernel: &mut LinuxKernel) -> Result<Plan> {
    let mut whole = Plan::default();
    for mend in mends {
        let plan = match (change::plan(mend, kernel), mend) {
            // What it needs is mended before it.
            (Err(Error::Conflict(_)), Mend::Change(operation)) => mend.as_it_stands(operation),
            (plan, _) => plan?,
        };
        for step in plan.steps {
            if !whole.steps.iter().any(|known| known.operation == step.operation) {
                whole.steps.push(step);
            }
        }
        whole.expected = plan.expected;
    }
    Ok(whole)
}
