//! One file per noun: arguments in, a desired state out, and the words to say afterwards.

pub(crate) mod address;
pub(crate) mod bridge;
pub(crate) mod check;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod dns;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod gc;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod nat;
pub(crate) mod netns;
mod patience;
pub(crate) mod playground;
pub(crate) mod publish;
pub(crate) mod route;
pub(crate) mod shell;
pub(crate) mod topology;
pub(crate) mod veth;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use netns_engine::{
    change::{self, Report},
    kernel::LinuxKernel,
    plan::{Desired, Plan},
};

use crate::{options::Global, output::Output};

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Create(netns::Create),
    Delete(netns::Delete),
    Bridge(bridge::Bridge),
    Connect(connect::Connect),
    Veth(veth::Veth),
    Link(link::Link),
    Address(address::Address),
    Route(route::Route),
    Nat(nat::Nat),
    Snat(nat::Snat),
    Publish(publish::Publish),
    Unpublish(publish::Unpublish),
    Dns(dns::Dns),
    Up(topology::Up),
    Down(topology::Down),
    Plan(topology::PlanFile),
    Status(topology::Status),
    Enable(topology::Enable),
    Disable(topology::Disable),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Import(import::Import),
    List(list::List),
    Show(list::Show),
    Exec(exec::Exec),
    Shell(exec::Shell),
    Logs(logs::Logs),
    Graph(graph::Graph),
    Gc(gc::Gc),
    Demo(demo::Demo),
    Playground(playground::Playground),
    #[command(hide = true)]
    Watch(topology::Watch),
    Completions(shell::Completions),
    Man(shell::Man),
}

/// What a command may use: the options every command takes, and the way to the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) global: &'a Global,
    pub(crate) output: &'a Output,
    /// The whole command line, for those who describe it.
    pub(crate) grammar: fn() -> clap::Command,
}

impl Command {
    /// Does what was asked for.
    pub(crate) fn run(self, context: Context<'_>) -> Result<ExitCode> {
        match self {
            Self::Create(create) => create.run(context),
            Self::Delete(delete) => delete.run(context),
            Self::Bridge(bridge) => bridge.run(context),
            Self::Connect(connect) => connect.run(context),
            Self::Veth(veth) => veth.run(context),
            Self::Link(link) => link.run(context),
            Self::Address(address) => address.run(context),
            Self::Route(route) => route.run(context),
            Self::Nat(nat) => nat.run(context),
            Self::Snat(snat) => snat.run(context),
            Self::Publish(publish) => publish.run(context),
            Self::Unpublish(unpublish) => unpublish.run(context),
            Self::Dns(dns) => dns.run(context),
            Self::Up(up) => up.run(context),
            Self::Down(down) => down.run(context),
            Self::Plan(plan) => plan.run(context),
            Self::Status(status) => status.run(context),
            Self::Enable(enable) => enable.run(context),
            Self::Disable(disable) => disable.run(context),
            Self::Check(check) => check.run(context),
            Self::Doctor(doctor) => doctor.run(context),
            Self::Import(import) => import.run(context),
            Self::List(list) => list.run(context),
            Self::Show(show) => show.run(context),
            Self::Exec(exec) => exec.run(context),
            Self::Shell(shell) => shell.run(context),
            Self::Logs(logs) => logs.run(context),
            Self::Watch(watch) => watch.run(context),
            Self::Graph(graph) => graph.run(context),
            Self::Gc(gc) => gc.run(context),
            Self::Demo(demo) => demo.run(context),
            Self::Playground(playground) => playground.run(context),
            Self::Completions(completions) => completions.run(context),
            Self::Man(man) => man.run(context),
        }
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
    if context.global.only_shows() {
        show(&change::plan(desired, &mut kernel)?, context);
    } else {
        context.output.changed(&change::make(desired, &mut kernel)?, say);
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what a change would take: as a shell script if that is asked for, else step by step.
pub(crate) fn show(plan: &Plan, context: Context<'_>) {
    if context.global.explain {
        context.output.explain(plan);
    } else {
        context.output.dry_run(plan);
    }
}
