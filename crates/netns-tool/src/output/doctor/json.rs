//! One JSON document.

use netns_engine::{
    diagnose::{
        Diagnosis,
        case::Followed,
        finding::{Code, Finding},
        question::Question,
    },
    plan::Operation,
};
use serde_json::{Value, json};

use super::{hops, target};
use crate::output::check::outcome_in_json;

/// The diagnosis; `mended` only where mending was asked for.
pub(in crate::output) fn diagnosis(diagnosis: &Diagnosis<'_>, mended: Option<&[Operation]>) -> Value {
    let mut document = json!({
        "question": question(diagnosis.case.question),
        "healthy": diagnosis.is_healthy(),
        "probes": diagnosis.case.ways.iter().filter_map(|way| probe(diagnosis, way)).collect::<Vec<_>>(),
        "findings": diagnosis.findings.iter().map(|found| finding(diagnosis, found)).collect::<Vec<_>>(),
    });
    if let Some(mended) = mended {
        document["mended"] = mended.iter().map(ToString::to_string).collect();
    }
    document
}

fn question(question: &Question) -> String {
    match question {
        Question::Host => "the host".to_owned(),
        Question::Path(path) => path.to_string(),
        Question::Port(port) => port.to_string(),
    }
}

fn probe(diagnosis: &Diagnosis<'_>, followed: &Followed) -> Option<Value> {
    let outcome = followed.outcome.as_ref()?;
    let scene = diagnosis.case.scene;
    let mut probe = outcome_in_json(outcome);
    probe["from"] = scene.stack(followed.way.from).entrance.to_string().into();
    probe["to"] = target(&followed.way).into();
    probe["purpose"] = json!(followed.way.purpose);
    probe["hops"] = hops::json(scene, followed);
    Some(probe)
}

fn finding(diagnosis: &Diagnosis<'_>, finding: &Finding) -> Value {
    json!({
        "code": finding.code.name,
        "severity": finding.severity,
        "where": diagnosis.case.scene.stack(finding.stack).entrance.to_string(),
        "what": finding.what,
        "evidence": finding.evidence,
        "why": finding.why,
        "remedy": finding.remedy,
        "fixable": !finding.mend.is_empty(),
    })
}

/// The page of a code.
pub(in crate::output) fn page(code: &Code) -> Value {
    json!({
        "code": code.name,
        "title": code.title,
        "symptom": code.symptom,
        "cause": code.cause,
        "remedy": code.remedy,
        "example": code.example,
    })
}

/// All codes with their pages.
pub(in crate::output) fn codes(codes: &[&Code]) -> Value {
    codes.iter().map(|code| page(code)).collect()
}
