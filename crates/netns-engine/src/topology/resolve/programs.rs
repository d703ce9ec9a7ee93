//! What runs in a node.

use super::{Found, words::malformed};
use crate::topology::{
    Program,
    file::{Command, Located, Run},
};

/// Reads `run`: a line for the shell, one program as a list of words, or a list of lines and lists of words.
pub(super) fn programs(run: Option<&Located<Run>>) -> Found<Vec<Program>> {
    let Some(run) = run else { return Ok(Vec::new()) };
    match &run.value {
        Run::Line(line) => Ok(vec![by_shell(line, run.at)?]),
        Run::List(items) if items.iter().any(|item| matches!(item.value, Command::Words(_))) => {
            let each = items.iter().map(|item| match &item.value {
                Command::Line(line) => by_shell(line, item.at),
                Command::Words(words) => of_words(words.clone(), item.at),
            });
            each.collect()
        }
        Run::List(items) => {
            let words = items.iter().map(|item| match &item.value {
                Command::Line(word) => word.clone(),
                Command::Words(_) => String::new(),
            });
            Ok(vec![of_words(words.collect(), run.at)?])
        }
    }
}

fn by_shell(line: &str, at: crate::topology::Position) -> Found<Program> {
    if line.trim().is_empty() || line.contains('\0') {
        return Err(malformed(&Located::new(line.to_owned(), at), "a command"));
    }
    Ok(Program { command: ["sh", "-c", line].map(str::to_owned).to_vec() })
}

fn of_words(command: Vec<String>, at: crate::topology::Position) -> Found<Program> {
    let first = command.first().map_or("", String::as_str);
    let refuse = |expected| Err(malformed(&Located::new(first.to_owned(), at), expected));
    if first.contains(char::is_whitespace) {
        let flaw = malformed(
            &Located::new(first.to_owned(), at),
            "the name of a program: a list of texts is one program and its arguments",
        );
        return Err(flaw.or_rather("for several programs write a list of lists: [[a, b], [c]]"));
    }
    if first.is_empty() || command.iter().any(|word| word.contains('\0')) {
        return refuse("a command");
    }
    Ok(Program { command })
}
