//! Diagnoses of states written by hand, without a kernel.

mod journeys;
pub(super) mod lab;
