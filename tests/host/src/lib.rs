// SPDX-License-Identifier: GPL-2.0

//! Compiles `pure.rs` of the driver for the host, with the unit tests in it, and adds tests with
//! generated inputs.

// What only the module calls is unused here.
#![allow(dead_code)]

#[path = "../../.."]
mod driver {
    pub(crate) mod pure;
}
#[cfg(test)]
use driver::pure;

#[cfg(test)]
mod batch;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod planner;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod worlds;

/// Returns the settings of a test with so many generated inputs, or as many times that as
/// `PCIBACK_FUZZ` says (tools/fuzz). Under Miri, where each takes seconds, two must do, and there is
/// no folder to keep those that fail in.
#[cfg(test)]
fn cases(many: u32) -> proptest::test_runner::Config {
    let times = std::env::var("PCIBACK_FUZZ").map_or(1, |times| times.parse().expect("a number"));
    let mut config = proptest::test_runner::Config::with_cases(many.saturating_mul(times));
    if cfg!(miri) {
        config.cases = 2;
        config.failure_persistence = None;
    }
    config
}
