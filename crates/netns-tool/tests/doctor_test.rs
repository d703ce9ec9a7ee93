//! `doctor`: what is broken is named first, what works is called healthy, what it claims to mend works.
//!
//! The judges are real TCP and UDP exchanges, `ping`, `getent`, and what `ip`, `nft` and
//! `iptables-save` tell of the host.

#![expect(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::process::ExitCode;

#[path = "doctor_test/breakage.rs"]
mod breakage;
#[path = "doctor_test/breakages/mod.rs"]
mod breakages;
#[path = "publish_test/cost.rs"]
mod cost;
#[path = "doctor_test/crowd.rs"]
mod crowd;
#[path = "doctor_test/diagnosis.rs"]
mod diagnosis;
#[path = "doctor_test/exchange.rs"]
mod exchange;
#[path = "doctor_test/healthy.rs"]
mod healthy;
#[path = "doctor_test/lab.rs"]
mod lab;
#[path = "doctor_test/mended.rs"]
mod mended;
#[path = "doctor_test/pairs.rs"]
mod pairs;
#[path = "doctor_test/profiles/mod.rs"]
mod profiles;
#[path = "doctor_test/rarities.rs"]
mod rarities;
#[path = "doctor_test/servers.rs"]
mod servers;
#[path = "doctor_test/trace.rs"]
mod trace;
#[path = "doctor_test/unchanged.rs"]
mod unchanged;
#[path = "doctor_test/variants.rs"]
mod variants;
#[path = "doctor_test/whole_host.rs"]
mod whole_host;

use breakage::Breakage;

fn main() -> ExitCode {
    let trials = [
        breakages::all().into_iter().map(Breakage::trial).collect(),
        pairs::trials(),
        profiles::trials(),
        healthy::trials(),
        whole_host::trials(),
        rarities::trials(),
        mended::trials(),
        trace::trials(),
        unchanged::trials(),
        crowd::trials(),
    ];
    netns_testkit::main(trials.into_iter().flatten().collect())
}
