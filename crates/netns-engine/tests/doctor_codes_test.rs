//! The doctor's codes, their pages, and the chapter of the book that is made of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::tests_outside_test_module, reason = "all of this file is tests")]

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use netns_engine::diagnose::{checks::codes, finding::Code};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn every_code_has_a_name_of_its_own_and_a_whole_page() {
    let mut names = BTreeSet::new();
    for code in codes() {
        assert!(names.insert(code.name), "'{}' stands for two things", code.name);
        assert!(is_kebab_case(code.name), "'{}' is more than small letters and hyphens", code.name);
        for (part, text) in parts(code) {
            assert!(!text.trim().is_empty(), "{} has no {part}", code.name);
            assert!(text.lines().all(|line| line.trim_end() == line), "{}: blanks in {part}", code.name);
        }
        assert!(!code.title.ends_with('.'), "{}: a title is no sentence", code.name);
        for (part, text) in parts(code).into_iter().filter(|(part, _)| ["cause", "remedy"].contains(part)) {
            assert!(text.ends_with('.'), "{}: {part} ends without a full stop", code.name);
        }
    }
}

#[test]
fn every_example_asks_the_doctor_and_names_what_it_finds() {
    for code in codes() {
        let asks = code.example.lines().filter(|line| line.contains("netns-tool doctor"));
        let names_it = asks.clone().any(|line| {
            let found = line.split_once("# ").map_or("", |(_, comment)| comment);
            found.split([' ', ',']).any(|word| word == code.name)
        });
        assert!(names_it, "{}: {}", code.name, code.example);
    }
}

#[test]
fn the_chapter_of_codes_is_the_committed_one() {
    let path = root().join("docs/src/doctor-codes.md");
    let made = chapter();
    if std::env::var_os("SNAPSHOTS").is_some_and(|wish| wish == "overwrite") {
        fs::write(&path, &made).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(made == committed, "{} is old; SNAPSHOTS=overwrite writes it anew", path.display());
}

/// A link into the chapter of codes, or a code where a diagnosis is shown, names one that there is.
#[test]
fn every_code_that_the_documents_name_exists() {
    let known: BTreeSet<_> = codes().map(|code| code.name).collect();
    let mut named = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let marks = [("doctor-codes.md#", ")"), ("error[", "]"), ("warning[", "]"), ("note[", "]")];
        let mut mentioned: Vec<_> =
            marks.iter().flat_map(|(before, after)| between(&text, before, after)).collect();
        mentioned.extend(text.split("doctor --explain ").skip(1).filter_map(first_word));
        for code in mentioned {
            assert!(known.contains(code), "{} names the code '{code}'", path.display());
            named += 1;
        }
    }
    assert!(named > 30, "codes were found in the documents");
}

fn chapter() -> String {
    let mut chapter = String::from(
        "# The doctor's codes\n\n<!-- Made from the checks in crates/netns-engine/src/diagnose/checks by doctor_codes_test; \
         SNAPSHOTS=overwrite writes it anew. -->\n\nWhat `netns-tool doctor` may find. `netns-tool doctor --explain CODE` prints \
         the same page. The examples are for a lab\nlike that of [the chapter before](doctor.md): netns `red` \
         (192.168.100.2) and `blue` on bridge `br0` (192.168.100.1), uplink `eth0`.\nType them on a machine that nobody needs: some cut it off.\n\n| code | what is wrong |\n|---|---|\n",
    );
    for code in codes() {
        writeln!(chapter, "| [{0}](#{0}) | {1} |", code.name, escaped(code.title)).unwrap();
    }
    for code in codes() {
        write!(
            chapter,
            "\n## {}\n\n{}.\n\n**Symptom.** {}\n\n**Cause.** {}\n\n**Remedy.** {}\n\n```sh\n{}\n```\n",
            code.name,
            escaped(code.title),
            escaped(code.symptom),
            escaped(code.cause),
            escaped(code.remedy),
            code.example
        )
        .unwrap();
    }
    chapter
}

/// What is quoted is code; outside of it, a star is a star.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    let mut quoted = false;
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        let opens = !quoted && !before.is_alphanumeric() && !next.is_whitespace();
        let closes = quoted && !next.is_alphanumeric() && !before.is_whitespace();
        match char {
            '\'' if opens || closes => {
                quoted = !quoted;
                escaped.push('`');
            }
            '*' | '<' if !quoted => escaped.extend(['\\', char]),
            char => escaped.push(char),
        }
        before = char;
    }
    escaped
}

fn parts(code: &Code) -> [(&'static str, &'static str); 5] {
    [
        ("title", code.title),
        ("symptom", code.symptom),
        ("cause", code.cause),
        ("remedy", code.remedy),
        ("example", code.example),
    ]
}

fn is_kebab_case(name: &str) -> bool {
    name.split('-').all(|word| {
        !word.is_empty() && word.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit())
    })
}

fn documents() -> Vec<PathBuf> {
    let chapters = fs::read_dir(root().join("docs/src")).unwrap().map(|entry| entry.unwrap().path());
    let pages = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| root().join(name));
    chapters.chain(pages).filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split_once(after)).map(|(inside, _)| inside).collect()
}

/// The word that a command names, unless it names a kind of word.
fn first_word(rest: &str) -> Option<&str> {
    let word = rest.split(|char: char| !char.is_ascii_alphanumeric() && char != '-').next()?;
    (!word.is_empty() && word.chars().all(|char| !char.is_ascii_uppercase())).then_some(word)
}
