//! What the doctor says, as JSON.

use std::collections::BTreeSet;

use netns_testkit::{Ended, Sandbox, sh};
use serde_json::Value;

/// What `doctor --json` said, and how it ended.
pub(crate) struct Diagnosis {
    ended: Ended,
    told: Value,
}

/// Asks the doctor.
#[track_caller]
pub(crate) fn doctor(host: &Sandbox, question: &str) -> Diagnosis {
    of(&host.netns_tool(&format!("doctor {question} --json --timeout 0.3")))
}

/// Reads what the doctor said.
#[track_caller]
pub(crate) fn of(ended: &Ended) -> Diagnosis {
    let told = serde_json::from_str(ended.stdout());
    let told = told.unwrap_or_else(|error| panic!("no JSON: {error}\n{ended:?}"));
    Diagnosis { ended: ended.clone(), told }
}

impl Diagnosis {
    /// Insists that the first finding is of the kind `code`, and says how that is known and what to do.
    #[track_caller]
    pub(crate) fn names_first(&self, code: &str) {
        let first = self.findings().first();
        let first = first.unwrap_or_else(|| panic!("nothing is found, not even {code}\n{}", self.account()));
        assert_eq!(first["code"], code, "\n{}", self.account());
        assert!(is_filled(&first["evidence"]), "no evidence\n{}", self.account());
        assert!(is_filled(&first["what"]) && is_filled(&first["why"]), "no words\n{}", self.account());
        assert!(is_filled(&first["remedy"]), "no remedy\n{}", self.account());
    }

    /// Insists that a finding of the kind `code` is among all.
    #[track_caller]
    pub(crate) fn names(&self, code: &str) {
        assert!(self.codes().contains(&code), "{code} is not named\n{}", self.account());
    }

    /// Insists that a finding of the kind `code` has `phrase` among its words.
    #[track_caller]
    pub(crate) fn shows(&self, code: &str, phrase: &str) {
        let mut found = self.findings().iter().filter(|finding| finding["code"] == code);
        let shown = found.any(|finding| finding.to_string().contains(phrase));
        assert!(shown, "{code} does not show '{phrase}'\n{}", self.account());
    }

    /// Insists that it ended as not healthy, with a finding that is an error.
    #[track_caller]
    pub(crate) fn is_ill(&self) {
        assert_eq!(self.told["healthy"], false, "\n{}", self.account());
        assert_eq!(self.ended.code(), Some(9), "\n{}", self.account());
        assert!(self.severities().contains(&"error"), "\n{}", self.account());
    }

    /// Insists that it ended as healthy, without any finding that is an error.
    #[track_caller]
    pub(crate) fn is_healthy(&self) {
        assert!(!self.severities().contains(&"error"), "a false alarm\n{}", self.account());
        assert_eq!(self.told["healthy"], true, "\n{}", self.account());
        assert_eq!(self.ended.code(), Some(0), "\n{}", self.account());
    }

    /// Types, for each finding that is as severe as the first, the commands of the first remedy that has
    /// any: as they stand, but each once. Never what would end processes: trials beside this one are seen, too.
    #[track_caller]
    pub(crate) fn type_remedy(&self, host: &Sandbox) {
        let tool = host.tool().path().parent().expect("a program is in a folder").display().to_string();
        let mut typed = BTreeSet::new();
        let found: Vec<_> =
            self.findings().iter().filter(|finding| finding["code"] != "netns-undead").collect();
        let worst = found.first().map(|finding| &finding["severity"]);
        for finding in found.iter().filter(|finding| Some(&finding["severity"]) == worst) {
            for command in commands_of(finding) {
                if typed.insert(command) {
                    sh(&format!("PATH=$PATH:{tool}; {command}"));
                }
            }
        }
        assert!(!typed.is_empty(), "nothing to type\n{}", self.account());
    }

    fn findings(&self) -> &[Value] {
        self.told["findings"].as_array().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn codes(&self) -> Vec<&str> {
        self.findings().iter().filter_map(|finding| finding["code"].as_str()).collect()
    }

    fn severities(&self) -> Vec<&str> {
        self.findings().iter().filter_map(|finding| finding["severity"].as_str()).collect()
    }

    fn account(&self) -> String {
        let shown = serde_json::to_string_pretty(&self.told).expect("it was JSON");
        format!("codes: {:?}\n{shown}\n{}", self.codes(), self.ended.stderr())
    }
}

/// The commands of a finding's first remedy that has any.
fn commands_of(finding: &Value) -> Vec<&str> {
    let remedies = finding["remedy"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let commands = remedies.iter().filter_map(|remedy| remedy["commands"].as_array());
    let commands = commands.into_iter().find(|commands| !commands.is_empty());
    commands.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn is_filled(value: &Value) -> bool {
    let empty_text = value.as_str().is_some_and(str::is_empty);
    let empty_list = value.as_array().is_some_and(Vec::is_empty);
    !value.is_null() && !empty_text && !empty_list
}
