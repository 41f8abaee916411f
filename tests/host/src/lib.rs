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
mod grammar;
#[cfg(test)]
mod slots;
