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

/// Returns the settings of a test with so many generated inputs. Under Miri, where each takes
/// seconds, two must do, and there is no folder to keep those that fail in.
#[cfg(test)]
fn cases(many: u32) -> proptest::test_runner::Config {
    let mut config = proptest::test_runner::Config::with_cases(many);
    if cfg!(miri) {
        config.cases = 2;
        config.failure_persistence = None;
    }
    config
}
