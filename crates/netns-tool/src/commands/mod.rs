//! One file per noun: arguments in, a desired state out, and the words to say afterwards.

pub(crate) mod address;
pub(crate) mod bridge;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod dns;
pub(crate) mod exec;
pub(crate) mod gc;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod nat;
pub(crate) mod netns;
pub(crate) mod playground;
pub(crate) mod publish;
pub(crate) mod route;
pub(crate) mod shell;
pub(crate) mod veth;

use std::process::ExitCode;

use anyhow::Result;
use netns_engine::{
    change::{self, Report},
    kernel::LinuxKernel,
    plan::Desired,
};

use crate::{
    cli::{Command, Global},
    output::Output,
};

/// What a command may use: the options every command takes, and the way to the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
}

/// Runs the command that was asked for.
pub(crate) fn run(command: Command, global: &Global, output: &Output) -> Result<ExitCode> {
    let context = Context { global, output };
    match command {
        Command::Create(create) => create.run(context),
        Command::Delete(delete) => delete.run(context),
        Command::Veth(veth) => veth.run(context),
        Command::Bridge(bridge) => bridge.run(context),
        Command::Connect(connect) => connect.run(context),
        Command::Link(link) => link.run(context),
        Command::Nat(nat) => nat.run(context),
        Command::Snat(snat) => snat.run(context),
        Command::Address(address) => address.run(context),
        Command::Demo(demo) => demo.run(context),
        Command::Playground(playground) => playground.run(context),
        Command::Route(route) => route.run(context),
        Command::Dns(dns) => dns.run(context),
        Command::List(list) => list.run(context),
        Command::Show(show) => show.run(context),
        Command::Exec(exec) => exec.run(context),
        Command::Gc(gc) => gc.run(context),
        Command::Publish(publish) => publish.run(context),
        Command::Unpublish(unpublish) => unpublish.run(context),
        Command::Completions(completions) => completions.run(context),
        Command::Man(man) => man.run(context),
    }
}

/// Makes the machine as desired, or shows what that would take, as the options say.
///
/// `say` gives the lines for a person, and is only asked when the change was really made.
pub(crate) fn change(
    desired: &dyn Desired,
    context: Context<'_>,
    say: impl FnOnce(&Report) -> Vec<String>,
) -> Result<ExitCode> {
    let mut kernel = LinuxKernel::default();
    let Context { global, output } = context;
    if global.dry_run {
        output.dry_run(&change::plan(desired, &mut kernel)?);
    } else if global.explain {
        output.explain(&change::plan(desired, &mut kernel)?);
    } else {
        let report = change::make(desired, &mut kernel)?;
        output.changed(&report, say);
    }
    Ok(ExitCode::SUCCESS)
}
