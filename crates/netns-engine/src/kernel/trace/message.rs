//! One message of the kernel about a traced packet (`NFT_MSG_TRACE` of `linux/netfilter/nf_tables.h`).

use super::chains::policy_of;
use crate::{
    diagnose::{
        firewall::{ChainFamily, Policy},
        trace::TraceVerdict,
    },
    kernel::netfilter::{Subsystem, attribute, body, family_of, number_in, text_in},
};

/// What the kernel said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Told {
    /// Tells the packet from others of the same time.
    pub(super) packet: u32,
    pub(super) family: ChainFamily,
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) what: What,
    pub(super) mark: u32,
    /// Told once per base chain.
    pub(super) looks: Option<Looks>,
}

/// What happened to the packet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum What {
    Rule(u64, TraceVerdict),
    End,
    Policy(Policy),
}

/// The packet itself, and its links by index; zero is none.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Looks {
    pub(super) network: Vec<u8>,
    pub(super) transport: Vec<u8>,
    pub(super) incoming: u32,
    pub(super) outgoing: u32,
}

/// Reads a message; none if it is another kind of message, or about a table of unknown kind.
pub(super) fn read(kind: u16, payload: &[u8]) -> Option<Told> {
    const TRACE: u16 = 17;
    if kind != Subsystem::Nftables.message(TRACE) {
        return None;
    }
    let family = family_of(*payload.first()?)?;
    // `enum nft_trace_attributes`.
    let value = |kind| attribute(body(payload), kind);
    let number = |kind| value(kind).and_then(number_in);
    Some(Told {
        packet: number(6)?,
        family,
        table: text_in(value(1)?),
        chain: text_in(value(2)?),
        what: what(number(4)?, value(3), value(5), number(16))?,
        mark: number(14).unwrap_or_default(),
        looks: value(8).map(|network| Looks {
            network: network.to_vec(),
            transport: value(9).unwrap_or_default().to_vec(),
            incoming: number(10).unwrap_or_default(),
            outgoing: number(12).unwrap_or_default(),
        }),
    })
}

/// `enum nft_trace_types`: the end of a chain has no rule, `return` has one.
fn what(kind: u32, handle: Option<&[u8]>, decided: Option<&[u8]>, policy: Option<u32>) -> Option<What> {
    const POLICY: u32 = 1;
    if kind == POLICY {
        return Some(What::Policy(policy_of(policy?)));
    }
    match handle {
        None => Some(What::End),
        Some(handle) => Some(What::Rule(
            u64::from_be_bytes(handle.try_into().ok()?),
            verdict(decided.unwrap_or_default())?,
        )),
    }
}

/// `NFTA_VERDICT_CODE` and `NFTA_VERDICT_CHAIN`; `enum nft_verdicts`, and `NF_*` of `linux/netfilter.h`.
fn verdict(attributes: &[u8]) -> Option<TraceVerdict> {
    /// `NF_VERDICT_MASK`: a queue's number lies above, with an errno beside a drop.
    const MASK: u32 = 0xff;
    let code = attribute(attributes, 1).and_then(number_in)?;
    let chain = || attribute(attributes, 2).map(text_in).unwrap_or_default();
    Some(match code.cast_signed() {
        -1 => TraceVerdict::Continue,
        -3 => TraceVerdict::Jump(chain()),
        -4 => TraceVerdict::Goto(chain()),
        -5 => TraceVerdict::Return,
        other => match code & MASK {
            0 => TraceVerdict::Drop,
            1 => TraceVerdict::Accept,
            3 => TraceVerdict::Queue,
            _ => TraceVerdict::Other(other),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netfilter::Attributes;

    fn message(attributes: Attributes) -> Option<Told> {
        read(Subsystem::Nftables.message(17), &attributes.message(2))
    }

    fn of_a_rule(verdict: &Attributes) -> Attributes {
        let named = Attributes::new().text(1, "filter").text(2, "FORWARD").number(6, 7);
        named.bytes(3, &5_u64.to_be_bytes()).number(4, 3).nested(5, verdict)
    }

    #[test]
    fn a_rule_is_told_with_its_handle_and_verdict() {
        let told = message(of_a_rule(&Attributes::new().number(1, 0))).unwrap();
        assert_eq!(told.what, What::Rule(5, TraceVerdict::Drop));
        assert_eq!((told.family, told.packet), (ChainFamily::Ip, 7));
        let jump = Attributes::new().number(1, (-3_i32).cast_unsigned()).text(2, "DOCKER-USER");
        let told = message(of_a_rule(&jump)).unwrap();
        assert_eq!(told.what, What::Rule(5, TraceVerdict::Jump("DOCKER-USER".to_owned())));
    }

    #[test]
    fn what_is_cut_short_is_no_message() {
        let whole = of_a_rule(&Attributes::new().number(1, 0)).message(2);
        for length in 0..whole.len() {
            drop(read(Subsystem::Nftables.message(17), &whole[..length]));
        }
        assert_eq!(message(Attributes::new().text(1, "filter")), None);
        assert_eq!(read(0, &whole), None);
    }
}
