//! ufw as Debian and Ubuntu ship it, switched on.

use libtest_mimic::Trial;
use netns_testkit::{Missing, Sandbox, sh, trials};

use super::{own_copies, require};
use crate::{
    diagnosis::doctor,
    exchange::{Exchange, PUBLISHED, RED, RED_FETCHES, tcp},
    lab::Lab,
    servers::{Served, Servers},
};

pub(super) fn trials() -> Vec<Trial> {
    trials!(online:
        doctor_names_the_real_ufw,
        doctor_names_the_real_ufw_before_a_published_port,
        doctor_names_the_real_ufw_before_the_host,
    )
}

fn doctor_names_the_real_ufw(host: &Sandbox) -> Result<(), Missing> {
    is_named(host, Served::Everywhere, "red", RED_FETCHES)
}

fn doctor_names_the_real_ufw_before_a_published_port(host: &Sandbox) -> Result<(), Missing> {
    is_named(host, Served::Everywhere, "8080", PUBLISHED)
}

/// Not what is forwarded, but what is for the host: its own web server, a name server on the bridge.
fn doctor_names_the_real_ufw_before_the_host(host: &Sandbox) -> Result<(), Missing> {
    is_named(host, Served::TheHost, "red 192.168.100.1:80", tcp(RED, "192.168.100.1:80"))
}

fn is_named(host: &Sandbox, served: Served, asks: &str, exchange: Exchange) -> Result<(), Missing> {
    require(&["ufw"])?;
    own_copies(&["ufw", "default"])?;
    drop(Lab::ByIptables.build(host));
    let _servers = Servers::start(host, served);
    exchange.must_work(host, "without ufw");
    sh("ufw --force enable");
    exchange.must_fail(host, "though ufw is on");
    let diagnosis = doctor(host, asks);
    diagnosis.names_first("ufw-drops");
    diagnosis.is_ill();
    diagnosis.type_remedy(host);
    exchange.must_work(host, "with the remedy");
    Ok(())
}
