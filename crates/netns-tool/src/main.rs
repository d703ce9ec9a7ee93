//! `netns-tool`: network namespaces with one command each, and whole networks from one file.
//!
//! Parse, call the engine, render, exit.

mod cli;
mod commands;
mod exit_code;
mod hint;
mod options;
mod output;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::{cli::Cli, commands::Context, output::Output};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let output = Output::new(&cli.global);
    let context = Context { global: &cli.global, output: &output, grammar: Cli::command };
    match cli.command.run(context) {
        Ok(code) => code,
        Err(error) => {
            output.failure(&error);
            exit_code::of(&error).into()
        }
    }
}
