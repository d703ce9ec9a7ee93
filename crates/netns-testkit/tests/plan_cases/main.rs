//! Decisions, case by case and without any kernel: each file in `cases/` says what is there, what
//! is wished for, and what must come of it: operations in their order, or the refusal.
//!
//! ```text
//! there
//!   host online
//!   link br0 bridge up ours 10.0.0.1/24
//! wish
//!   nat br0
//! plan
//!   note NAT of bridge 'br0' in /run/netns-tool
//! ```
//!
//! `state.rs` knows the words below `there`, `wish.rs` those below `wish`. `PLAN_CASES=overwrite`
//! writes what is decided now into the files, to be reviewed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod state;
mod wish;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use netns_engine::{
    observed::Observed,
    plan::{Desired, Plan},
};

const SECTIONS: [&str; 3] = ["there", "wish", "plan"];

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan_cases/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let trials = files.into_iter().map(|file| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        Trial::test(name, move || decide(&file))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn decide(file: &PathBuf) -> Result<(), Failed> {
    let text = fs::read_to_string(file)?;
    let [there, wished, expected] = sections(&text);
    let observed = state::read(&there);
    let wish = wish::read(wished.first().unwrap(), &observed);
    let decided = match wish.plan(&observed) {
        Ok(plan) => in_words(&*wish, &observed, &plan),
        Err(conflict) => vec![format!("refused: {conflict}")],
    };
    if env::var_os("PLAN_CASES").is_some_and(|value| value == "overwrite") {
        let kept = text.split_inclusive('\n').take_while(|line| line.trim_end() != "plan");
        let decided = decided.iter().map(|line| format!("  {line}\n"));
        fs::write(
            file,
            kept.map(str::to_owned).chain(["plan\n".to_owned()]).chain(decided).collect::<String>(),
        )?;
        return Ok(());
    }
    let (expected, decided) = (expected.join("\n  "), decided.join("\n  "));
    if expected == decided {
        Ok(())
    } else {
        Err(format!("expected\n  {expected}\ndecided\n  {decided}").into())
    }
}

/// The operations, of which the model refuses none and each with a reason that is a sentence. What
/// is done is not done again.
fn in_words(wish: &dyn Desired, observed: &Observed, plan: &Plan) -> Vec<String> {
    let mut state = observed.clone();
    for step in &plan.steps {
        state.project(&step.operation).unwrap_or_else(|refusal| panic!("{}: {refusal:?}", step.operation));
        assert!(step.why.ends_with('.') && !step.why.starts_with(char::is_lowercase), "{}", step.why);
    }
    assert_eq!(state, plan.expected);
    assert!(wish.plan(&state).map_or(true, |again| again.is_empty()), "a second run does nothing");
    if plan.is_empty() {
        return vec!["nothing".to_owned()];
    }
    plan.steps.iter().map(|step| step.operation.to_string()).collect()
}

/// The indented lines below each heading; `#` starts a comment.
fn sections(text: &str) -> [Vec<String>; 3] {
    let mut sections: [Vec<String>; 3] = Default::default();
    let mut current: Option<usize> = None;
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        if let (Some(content), Some(index)) = (line.strip_prefix("  "), current) {
            sections[index].push(content.to_owned());
        } else {
            current = SECTIONS.iter().position(|known| *known == line);
            assert!(current.is_some(), "'{line}' is no heading");
        }
    }
    assert_eq!(sections[1].len(), 1, "one wish a case");
    sections
}
