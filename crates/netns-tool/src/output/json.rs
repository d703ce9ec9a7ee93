//! One JSON document per command, for programs.
//!
//! The shapes live here, apart from the engine's types, so that those may change while these stay.

use std::ffi::OsString;

use anyhow::Error;
use netns_engine::{
    change::Report,
    error,
    observed::Stack,
    plan::{Plan, Step, explain},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::exit_code::Code;

#[derive(Serialize)]
struct StepJson {
    step: String,
    why: String,
    commands: Vec<String>,
}

impl From<&Step> for StepJson {
    fn from(step: &Step) -> Self {
        Self {
            step: step.operation.to_string(),
            why: step.why.clone(),
            commands: explain::commands(&step.operation),
        }
    }
}

fn steps(plan: &Plan) -> Vec<StepJson> {
    plan.steps.iter().map(StepJson::from).collect()
}

/// What was changed.
pub(super) fn changed(report: &Report) -> String {
    let recovered: Vec<_> = report.recovered.iter().map(ToString::to_string).collect();
    render(&json!({
        "changed": !report.done.is_empty(),
        "steps": steps(&report.done),
        "recovered": recovered,
    }))
}

/// What would be changed.
pub(super) fn plan(plan: &Plan) -> String {
    render(&json!({ "would_change": !plan.is_empty(), "steps": steps(plan) }))
}

/// Addresses by link.
pub(super) fn addresses(stack: &Stack) -> String {
    let links = stack
        .links
        .iter()
        .map(|(name, link)| json!({ "link": name.as_str(), "up": link.up, "addresses": link.addresses }));
    render(&Value::Array(links.collect()))
}

/// Routes.
pub(super) fn routes(stack: &Stack) -> String {
    let routes = stack.routes.iter().map(|route| {
        json!({
            "destination": if route.is_default() { "default".to_owned() } else { route.destination.to_string() },
            "gateway": route.gateway,
            "link": route.link.as_ref().map(netns_engine::name::LinkName::as_str),
            "metric": route.metric,
            "protocol": route.protocol.number(),
        })
    });
    render(&Value::Array(routes.collect()))
}

/// A command line.
pub(super) fn command(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    render(&json!({ "command": words }))
}

/// Anything that is to be seen: the engine's views are made for being shown.
pub(super) fn view(view: &impl Serialize) -> String {
    serde_json::to_string(view).unwrap_or_else(|error| json!({ "error": error.to_string() }).to_string())
}

/// Why the command failed.
pub(super) fn failure(error: &Error, hint: Option<&str>, code: Code) -> String {
    let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    let left_behind: Vec<_> = match error.downcast_ref() {
        Some(error::Error::Apply(apply)) => {
            apply.undone().left_behind.iter().map(|(operation, _)| operation.to_string()).collect()
        }
        _ => Vec::new(),
    };
    render(&json!({
        "error": {
            "message": error.to_string(),
            "causes": causes,
            "hint": hint,
            "left_behind": left_behind,
            "exit_code": code as u8,
        }
    }))
}

/// What is wrong with the command line.
pub(super) fn usage(message: &str) -> String {
    render(&json!({
        "error": {
            "message": message,
            "causes": [],
            "hint": super::human::USAGE_HINT,
            "left_behind": [],
            "exit_code": Code::Usage as u8,
        }
    }))
}

fn render(value: &Value) -> String {
    value.to_string()
}
