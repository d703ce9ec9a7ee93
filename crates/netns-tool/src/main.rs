//! `netns-tool`: network namespaces with one command each.
//!
//! Parse, call the engine, render, exit.

mod cli;
mod commands;
mod exit_code;
mod hint;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::{cli::Cli, output::Output};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    let output = Output::new(&cli.global);
    match commands::run(cli.command, &cli.global, &output) {
        Ok(code) => code,
        Err(error) => {
            output.failure(&error);
            exit_code::of(&error).into()
        }
    }
}
