// SPDX-License-Identifier: GPL-2.0

//! Compiles `pure.rs` of the driver for the host, with the unit tests in it, and adds tests with
//! generated inputs.

// What only the module calls is unused here.
#![allow(dead_code, unused_imports)]

#[path = "../../.."]
mod driver {
    pub(crate) mod pure;
}
#[cfg(test)]
use driver::pure;

// What parts of the driver that are not pure are compiled with here: `kernel` is this crate.
#[cfg(test)]
extern crate self as kernel;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
pub(crate) use stand_in::{kapi, prelude, rbtree};

#[cfg(test)]
mod batch;
#[cfg(test)]
mod faulty_devices;
#[cfg(test)]
mod frontend;
#[cfg(test)]
mod frontend_device;
#[cfg(test)]
mod frontend_headers;
#[cfg(test)]
mod frontend_oracle;
#[cfg(test)]
mod frontend_ring;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod guests;
#[cfg(test)]
mod hide;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod part;
#[cfg(test)]
mod planner;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod tally;
#[cfg(test)]
mod tangles;
#[cfg(test)]
mod words;
#[cfg(test)]
mod worlds;
#[cfg(test)]
mod writes;

/// Returns the settings of a test with so many generated inputs, or as many times that as
/// `PCIBACK_FUZZ` says (tools/fuzz); then they are counted. `PCIBACK_CASES` are the most that there
/// may be, where the same tests run again and again (tools/mutants): then those that fail are not
/// kept for the next time. Under Miri, where each takes seconds, two must do, and there is no folder
/// to keep them in.
#[cfg(test)]
fn cases(many: u32) -> proptest::test_runner::Config {
    let times = std::env::var("PCIBACK_FUZZ").map(|times| times.parse().expect("a number"));
    let many = many.saturating_mul(*times.as_ref().unwrap_or(&1));
    let mut config = proptest::test_runner::Config::with_cases(many);
    if times.is_ok() {
        config.result_cache = tally::tally;
    }
    let most = std::env::var("PCIBACK_CASES").map(|most| most.parse().expect("a number"));
    let most = if cfg!(miri) { Some(2) } else { most.ok() };
    if let Some(most) = most {
        config.cases = config.cases.min(most);
        config.failure_persistence = None;
    }
    config
}
