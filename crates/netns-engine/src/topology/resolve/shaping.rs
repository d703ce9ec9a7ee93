//! Limits of a cable, in both directions.

use super::{Found, words};
use crate::topology::{
    Mistake, Shaping,
    file::{LinkBody, Membership, NetworkBody, Text},
    mistake::Flaw,
};

/// The four keys, wherever they stand.
#[derive(Clone, Copy)]
pub(super) struct Limits<'a> {
    pub(super) rate: Option<&'a Text>,
    pub(super) delay: Option<&'a Text>,
    pub(super) jitter: Option<&'a Text>,
    pub(super) loss: Option<&'a Text>,
}

macro_rules! limits_of {
    ($($body:ident),*) => {
        $(impl<'a> From<&'a $body> for Limits<'a> {
            fn from(body: &'a $body) -> Self {
                Self {
                    rate: body.rate.as_ref(),
                    delay: body.delay.as_ref(),
                    jitter: body.jitter.as_ref(),
                    loss: body.loss.as_ref(),
                }
            }
        })*
    };
}

limits_of!(LinkBody, Membership, NetworkBody);

impl Limits<'_> {
    /// Reads them; what is not given comes from `otherwise`.
    pub(super) fn read(self, otherwise: Option<&Shaping>) -> Found<Option<Shaping>> {
        let mut shaping = otherwise.cloned().unwrap_or_default();
        if let Some(rate) = self.rate {
            shaping.rate_bits = Some(words::rate(rate)?);
        }
        if let Some(delay) = self.delay {
            shaping.delay = Some(words::time(delay)?);
        }
        if let Some(jitter) = self.jitter {
            shaping.jitter = Some(words::time(jitter)?);
            if shaping.delay.is_none() {
                return Err(Flaw::new(jitter.at, Mistake::KeyNeedsKey { key: "jitter", other: "delay" }));
            }
        }
        if let Some(loss) = self.loss {
            shaping.loss = Some(words::share(loss)?);
        }
        Ok(Some(shaping).filter(|shaping| *shaping != Shaping::default()))
    }
}
