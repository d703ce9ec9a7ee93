//! Rules in the words of `iptables -S` and `iptables-save`.

mod condition;
mod target;

use std::iter::Peekable;

use self::condition::Reader;
use super::{Field, Match, Rule, Values, Verdict};
use crate::address::Family;

impl Rule {
    /// Understands a rule as iptables spells it: `-A FORWARD -i br0 -j ACCEPT`, the `number`th of its chain.
    ///
    /// What is not understood becomes a condition that may be met.
    #[must_use]
    pub fn from_words(family: Family, number: usize, line: &str) -> Self {
        let all = split(line);
        let mut words = Words(all.iter().map(String::as_str).collect::<Vec<_>>().into_iter().peekable());
        let mut reader = Reader::new(family);
        let mut verdict = Verdict::Continue;
        let mut marks = false;
        let mut negated = false;
        while let Some(word) = words.0.next() {
            match word {
                "-A" => drop(words.0.next()),
                "!" => negated = true,
                "-j" | "-g" => {
                    let name = words.0.next().unwrap_or_default();
                    let options = words.rest();
                    marks = target::marks(name, &options);
                    verdict = if word == "-g" {
                        Verdict::Goto(name.to_owned())
                    } else {
                        target::read(name, &options)
                    };
                }
                option => {
                    let is_not = std::mem::take(&mut negated);
                    reader.option(option, if is_not { Sense::IsNot } else { Sense::Is }, &mut words);
                }
            }
        }
        Self { number, handle: None, text: line.to_owned(), matches: reader.finish(), marks, verdict }
    }
}

/// Whether a condition is to be met or not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Sense {
    Is,
    IsNot,
}

/// The words of a rule that are still to be read.
struct Words<'a>(Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        self.0.next().unwrap_or_default()
    }

    /// Takes all words up to the next option.
    fn values(&mut self) -> Vec<&'a str> {
        std::iter::from_fn(|| self.0.next_if(|word| !is_option(word))).collect()
    }

    fn rest(&mut self) -> Vec<&'a str> {
        self.0.by_ref().collect()
    }
}

fn is_option(word: &str) -> bool {
    word == "!"
        || (word.starts_with('-') && word.len() > 1 && !word.starts_with(|c: char| c.is_ascii_digit()))
}

/// Splits at blanks, but not within quotes, in which a backslash takes away the next character's meaning
/// (`xtables_save_string` of iptables).
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

impl Sense {
    fn opposite(self) -> Self {
        match self {
            Self::Is => Self::IsNot,
            Self::IsNot => Self::Is,
        }
    }

    /// Makes a condition of a field and its values.
    fn condition(self, field: Field, values: Values) -> Match {
        match self {
            Self::Is => Match::Is(field, values),
            Self::IsNot => Match::IsNot(field, values),
        }
    }
}
