//! A mistake in a topology file, shown where it is.

use std::fmt;

use serde::Serialize;

use super::{
    Position,
    mistake::{Flaw, FlawAt, Mistake},
};

/// What is wrong with a topology file, and where.
///
/// ```
/// let error = netns_engine::topology::read("name: lab\nnodse: {}\n").unwrap_err();
/// assert_eq!(error.to_string(), "\
/// unknown key 'nodse'
///  --> line 2, column 1
///   |
/// 2 | nodse: {}
///   | ^^^^^
///   = did you mean 'nodes'?");
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopologyError {
    /// Where it is.
    pub position: Position,
    /// The line it is in, or the part around it.
    pub line: Excerpt,
    /// What is wrong.
    pub mistake: Box<Mistake>,
    /// What may have been meant.
    pub suggestion: Option<String>,
}

/// The part of a line that something is wrong in, safe to print.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Excerpt {
    /// The text.
    pub text: String,
    /// How many characters stand before the wrong ones.
    pub before: usize,
    /// How many characters are wrong.
    pub width: usize,
}

impl Excerpt {
    /// Cuts out what surrounds a place of `text`.
    fn of(text: &str, at: Position) -> Self {
        const BEFORE: usize = 60;
        const MOST: usize = 100;
        let line_number = (at.line as usize).saturating_sub(1);
        let Some(line) = text.lines().nth(line_number) else { return Self::default() };
        let column = (at.column as usize).saturating_sub(1);
        let start = column.saturating_sub(BEFORE);
        let shown: String =
            line.chars().skip(start).take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let before = column - start;
        let word = shown.chars().skip(before);
        let ends = |c: &char| c.is_whitespace() || matches!(c, ',' | '"' | ']' | '}' | '#');
        let quoted = usize::from(shown.chars().nth(before) == Some('"'));
        let width = quoted * 2 + word.skip(quoted).take_while(|c| !ends(c)).count();
        let colon =
            usize::from(quoted == 0 && shown.chars().nth((before + width).saturating_sub(1)) == Some(':'));
        Self { text: shown.trim_end().to_owned(), before, width: width.saturating_sub(colon).max(1) }
    }
}

impl TopologyError {
    pub(super) fn new(flaw: Flaw, text: &str) -> Self {
        let FlawAt { at, mistake, suggestion } = flaw.into_parts();
        Self { position: at, line: Excerpt::of(text, at), mistake: Box::new(mistake), suggestion }
    }
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&cut(self.mistake.to_string()))?;
        if self.position.line > 0 {
            let number = self.position.line.to_string();
            let margin = " ".repeat(number.len());
            let Excerpt { text, before, width } = &self.line;
            write!(f, "\n{margin}--> {}\n{margin} |\n{number} | {text}", self.position)?;
            write!(f, "\n{margin} | {}{}", " ".repeat(*before), "^".repeat(*width))?;
            if let Some(suggestion) = &self.suggestion {
                write!(f, "\n{margin} = {}", cut(suggestion.clone()))?;
            }
        } else if let Some(suggestion) = &self.suggestion {
            write!(f, "\n  = {}", cut(suggestion.clone()))?;
        }
        Ok(())
    }
}

/// Cuts what a hostile file has made long.
fn cut(mut text: String) -> String {
    const MOST: usize = 300;
    if let Some((end, _)) = text.char_indices().nth(MOST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl std::error::Error for TopologyError {}
