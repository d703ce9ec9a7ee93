//! Why can't it reach that? Findings from an observed state, pure.
//!
//! ```text
//!   question ─┐
//!             ├─> scene ─> ways ─┬─> journeys ─┐
//!   kernel ───┘                  └─> tries ────┴─> checks ─> findings
//! ```
//!
//! In reading order:
//!
//! 1. [`question`]: what is asked. [`scene`]: what there is to see. [`way`]: what the question comes
//!    down to.
//! 2. [`packet`], [`firewall`]: a packet, and what filters do with it.
//! 3. [`journey`]: its way there and back, leg by leg; what is broken is passed as if it were mended,
//!    so that what comes behind it is found as well.
//! 4. [`checks`]: one file per question, each a pure function from a [`case`] to findings.
//! 5. [`finding`]: what is wrong, how that is known, why it matters, what mends it ([`mend`]).
//! 6. [`trace`]: the way one packet really took, as the kernel told it.

pub mod case;
pub mod checks;
pub mod finding;
pub mod firewall;
pub mod journey;
pub mod mend;
pub mod packet;
pub mod question;
pub mod scene;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod way;
mod words;

use self::{
    case::{Case, Followed},
    checks::{CHECKS, CONSEQUENCES, Look},
    finding::{Effect, Finding, Severity},
    mend::Mend,
    way::Purpose,
};

/// What a diagnosis comes to.
#[derive(Clone, Debug)]
pub struct Diagnosis<'a> {
    /// What it was made from.
    pub case: Case<'a>,
    /// What is wrong, the first broken hop first.
    pub findings: Vec<Finding>,
}

/// Asks every check about a case.
#[must_use]
pub fn diagnose(case: Case<'_>) -> Diagnosis<'_> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in CHECKS {
        let found = match check.look {
            Look::Along(look) => {
                case.ways.iter().flat_map(|way| believable(look(case.scene, way), way)).collect()
            }
            Look::Around(look) => look(&case),
            Look::Afterwards(look) => look(&case, &findings),
        };
        for finding in found {
            if !findings.iter().any(|known| known.is_same(&finding)) {
                findings.push(finding);
            }
        }
    }
    let mut findings = without_consequences(&findings);
    findings.sort_by_key(Finding::rank);
    Diagnosis { case, findings }
}

fn without_consequences(findings: &[Finding]) -> Vec<Finding> {
    let follows = |finding: &Finding| {
        CONSEQUENCES.iter().filter(|(_, follows)| *follows == finding.code.name).any(|(cause, _)| {
            findings.iter().any(|known| known.code.name == *cause && known.stack == finding.stack)
        })
    };
    findings.iter().filter(|finding| !follows(finding)).cloned().collect()
}

/// A way that works disproves whatever would stop it.
fn believable(found: Vec<Finding>, way: &Followed) -> impl Iterator<Item = Finding> {
    let works = way.works();
    found.into_iter().filter(move |finding| !works || finding.effect == Effect::Degrades)
}

impl Diagnosis<'_> {
    /// Returns whether every way that was tried works, and nothing is broken.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let broken = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        !broken && self.silent_ways().next().is_none()
    }

    /// Returns what this tool can do about errors and warnings, each once, in the order that it must be done in:
    /// a route needs its address, and that its link.
    #[must_use]
    pub fn mends(&self) -> Vec<Mend> {
        let mut mends: Vec<Mend> = Vec::new();
        for mend in
            self.findings.iter().filter(|finding| finding.severity > Severity::Note).flat_map(|it| &it.mend)
        {
            if !mends.contains(mend) {
                mends.push(mend.clone());
            }
        }
        if mends.iter().any(|mend| matches!(mend, Mend::Nat { .. })) {
            // NAT switches forwarding on as well, and remembers that it was off.
            mends.retain(|mend| !mend.is_forwarding_of_the_host());
        }
        mends.sort_by_key(Mend::turn);
        mends
    }

    /// Returns the ways that were tried in vain.
    pub fn silent_ways(&self) -> impl Iterator<Item = &Followed> {
        let tried = self.case.ways.iter().filter(|way| way.way.purpose != Purpose::Control);
        tried.filter(|way| way.outcome.is_some() && !way.works())
    }
}
