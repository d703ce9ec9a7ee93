//! Limits of what leaves through a link.

use std::{net::UdpSocket, time::Duration};

use libtest_mimic::Trial;
use netns_engine::{
    apply::{ApplyError, Progress, apply},
    kernel::{Kernel, KernelOption, LinuxKernel, Refusal, RefusalKind},
    observed::{Asked, Scope},
    place::Place,
    plan::{LinkChange, LinkLimits, Operation, Plan, Step},
    topology::{Loss, Shaping},
};
use netns_testkit::{Missing, Sandbox, Snapshot, sh, trials};
use serde_json::Value;

use crate::{address, cable, create, details, host, link, netns, perform, up};

pub(crate) fn trials() -> Vec<Trial> {
    trials!(bare:
        a_rate_is_as_asked,
        a_rate_beyond_32_bits_is_as_asked,
        what_is_too_much_is_dropped,
        a_full_packet_gets_through_at_any_rate,
        limits_of_others_are_not_ours,
        limits_are_read_only_where_asked_for,
        delay_and_loss_are_as_asked,
        delay_with_a_rate_is_as_asked,
        a_rate_turns_into_delay_and_back,
        a_kernel_without_netem_leaves_nothing_behind,
    )
}

fn a_rate_is_as_asked(_: &Sandbox) {
    perform(&[cable(&Place::Host, &Place::Host), limited(rate(10_000_000))]);
    let qdisc = details("tc -j qdisc show dev va");
    assert_eq!(
        (&qdisc["kind"], &qdisc["handle"], &qdisc["root"]),
        (&"tbf".into(), &"1:".into(), &true.into())
    );
    let options = &qdisc["options"];
    // Bytes a second, and microseconds.
    assert_eq!((&options["rate"], &options["lat"]), (&1_250_000.into(), &50_000.into()));
    assert!(options["burst"].to_string().contains("6250"), "{options}");
    assert_eq!(Snapshot::take().about("host: limits").len(), 1);
}

fn a_rate_beyond_32_bits_is_as_asked(_: &Sandbox) {
    perform(&[cable(&Place::Host, &Place::Host), limited(rate(40_000_000_000))]);
    assert_eq!(details("tc -j qdisc show dev va")["options"]["rate"], 5_000_000_000_u64);
}

/// At 1,000 bytes a second, with 3,200 bytes at once and as many waiting, most of 30,000 bytes have no place.
fn what_is_too_much_is_dropped(_: &Sandbox) {
    let inner = netns("red").link(&link("vb"));
    perform(&[create("red"), cable(&Place::Host, &netns("red")), limited(rate(8_000))]);
    perform(&[
        address(host("va"), "10.0.0.1/24"),
        address(inner.clone(), "10.0.0.2/24"),
        up(host("va")),
        up(inner),
    ]);
    // Neighbours are found first: packets that wait for that do not get here.
    sh("ping -c 1 -W 5 10.0.0.2");
    let socket = UdpSocket::bind("10.0.0.1:0").unwrap();
    for _ in 0..30 {
        socket.send_to(&[0; 1000], "10.0.0.2:9").unwrap();
    }
    let dropped = details("tc -j -s qdisc show dev va")["drops"].as_u64().expect("a number");
    assert!(dropped > 10, "{dropped} packets were dropped");
}

/// What may leave at once, 5 ms of the rate, is here less than one packet.
fn a_full_packet_gets_through_at_any_rate(_: &Sandbox) {
    const MTU: u32 = 9000;
    let inner = netns("red").link(&link("vb"));
    let limits = LinkLimits { shaping: rate(2_000_000), mtu_bytes: MTU };
    let mut prepare = vec![create("red"), cable(&Place::Host, &netns("red"))];
    for (at, own) in [(host("va"), "10.0.0.1/24"), (inner, "10.0.0.2/24")] {
        prepare.push(Operation::SetLink(at.clone(), LinkChange::Mtu(MTU)));
        prepare.push(Operation::SetShaping(at.clone(), limits.clone()));
        prepare.extend([address(at.clone(), own), up(at)]);
    }
    perform(&prepare);
    // 20 bytes of IP and 8 of ICMP make a packet of 9,000 bytes that must not be cut.
    sh("ping -c 1 -W 5 -M do -s 8972 10.0.0.2");
}

fn limits_of_others_are_not_ours(_: &Sandbox) {
    perform(&[cable(&Place::Host, &Place::Host)]);
    sh("tc qdisc add dev va root handle 7: tbf rate 1mbit burst 5000 latency 50ms");
    let before = Snapshot::take();
    assert_eq!(shaping_of_va(), None);
    let refusal = LinuxKernel::default().perform(&Operation::ClearShaping(host("va"))).unwrap_err();
    assert_eq!(refusal.errno().raw_os_error(), 2, "{refusal}");
    before.assert_same(&Snapshot::take(), "clearing limits that another program made");
}

fn limits_are_read_only_where_asked_for(_: &Sandbox) {
    perform(&[cable(&Place::Host, &Place::Host), limited(rate(10_000_000))]);
    let unasked = LinuxKernel::default().observe(&Scope::default().with_link(&host("va"))).unwrap();
    assert_eq!(unasked.link(&host("va")).unwrap().shaping, None);
    assert_eq!(shaping_of_va(), Some(rate(10_000_000)));
}

fn delay_and_loss_are_as_asked(_: &Sandbox) -> Result<(), Missing> {
    needs_netem()?;
    perform(&[limited(lossy())]);
    let qdisc = details("tc -j qdisc show dev va");
    assert_eq!((&qdisc["kind"], &qdisc["handle"]), (&"netem".into(), &"2:".into()));
    let delay = &qdisc["options"]["delay"];
    assert_close(&delay["delay"], 0.005);
    assert_close(&delay["jitter"], 0.001);
    assert_close(&qdisc["options"]["loss-random"]["loss"], 0.001);
    assert_eq!(shaping_of_va(), Some(lossy()));
    Ok(())
}

fn delay_with_a_rate_is_as_asked(_: &Sandbox) -> Result<(), Missing> {
    needs_netem()?;
    let both = Shaping { rate_bits: Some(10_000_000), ..lossy() };
    perform(&[limited(both.clone())]);
    assert_eq!(shaping_of_va(), Some(both));
    let listed: Value = serde_json::from_str(&sh("tc -j qdisc show dev va")).unwrap();
    let kinds: Vec<_> = listed.as_array().unwrap().iter().map(|qdisc| qdisc["kind"].clone()).collect();
    assert_eq!(kinds, ["netem", "tbf"]);
    Ok(())
}

fn a_rate_turns_into_delay_and_back(_: &Sandbox) -> Result<(), Missing> {
    needs_netem()?;
    let both = || Shaping { rate_bits: Some(20_000_000), ..lossy() };
    for shaping in [rate(10_000_000), lossy(), both(), lossy(), rate(8_000), both(), rate(10_000_000)] {
        perform(&[limited(shaping.clone())]);
        assert_eq!(shaping_of_va(), Some(shaping));
    }
    perform(&[Operation::ClearShaping(host("va"))]);
    assert_eq!(shaping_of_va(), None);
    Ok(())
}

fn a_kernel_without_netem_leaves_nothing_behind(_: &Sandbox) -> Result<(), Missing> {
    if needs_netem().is_ok() {
        return Err(Missing("a kernel without CONFIG_NET_SCH_NETEM".to_owned()));
    }
    perform(&[limited(rate(10_000_000))]);
    let before = Snapshot::take();
    let asked = [create("red"), limited(rate(20_000_000)), limited(lossy())];
    let error = apply(&planned(&asked), &mut LinuxKernel::default(), &mut Unwatched).unwrap_err();
    before.assert_same(&Snapshot::take(), "a delay that the kernel cannot give");
    let ApplyError::Refused { cause, undone, .. } = error else { panic!("{error}") };
    assert!(undone.left_behind.is_empty(), "{undone:?}");
    assert_eq!(cause.kind(), RefusalKind::Lacks(KernelOption::Netem));
    assert_eq!(cause.to_string(), "this kernel has no netem (CONFIG_NET_SCH_NETEM) (ENOENT)");
    Ok(())
}

/// Tries it on a cable, which it leaves there.
fn needs_netem() -> Result<(), Missing> {
    perform(&[cable(&Place::Host, &Place::Host)]);
    match LinuxKernel::default().perform(&limited(lossy())) {
        Ok(()) => Ok(()),
        Err(refusal) if refusal.kind() == RefusalKind::Lacks(KernelOption::Netem) => {
            Err(Missing("a kernel with CONFIG_NET_SCH_NETEM".to_owned()))
        }
        Err(refusal) => panic!("{refusal}"),
    }
}

fn planned(operations: &[Operation]) -> Plan {
    let scope = Scope::covering(operations);
    let mut expected = LinuxKernel::default().observe(&scope).unwrap();
    let mut steps = Vec::new();
    for operation in operations {
        let undo = expected.undo_of(operation);
        expected.project(operation).unwrap();
        steps.push(Step { operation: operation.clone(), undo, why: String::new() });
    }
    Plan { steps, expected }
}

fn shaping_of_va() -> Option<Shaping> {
    let scope = Scope { shaping: Asked::Yes, ..Scope::default().with_link(&host("va")) };
    LinuxKernel::default().observe(&scope).unwrap().link(&host("va")).unwrap().shaping.clone()
}

fn limited(shaping: Shaping) -> Operation {
    Operation::SetShaping(host("va"), LinkLimits { shaping, mtu_bytes: 1500 })
}

fn rate(rate_bits: u64) -> Shaping {
    Shaping { rate_bits: Some(rate_bits), ..Shaping::default() }
}

fn lossy() -> Shaping {
    Shaping {
        rate_bits: None,
        delay: Some(Duration::from_millis(5)),
        jitter: Some(Duration::from_millis(1)),
        loss: Some(Loss { per_million: 1000 }),
    }
}

#[track_caller]
fn assert_close(told: &Value, asked: f64) {
    let told = told.as_f64().unwrap_or_else(|| panic!("{told} is no number"));
    assert!((told - asked).abs() < asked / 1000.0, "{told} instead of {asked}");
}

/// Nobody is killed here, so nobody needs to know how far it got.
struct Unwatched;

impl Progress for Unwatched {
    fn about_to(&mut self, _index: usize) -> Result<(), Refusal> {
        Ok(())
    }
}
