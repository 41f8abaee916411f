// SPDX-License-Identifier: GPL-2.0

//! Resetting devices, see Documentation/reset.md.
//!
//! [`request`] is where user space comes in: it finds out which devices are meant, and has them
//! reset together or [at the same time](crate::device::workers). For each, [`ladder`] goes from
//! rung to rung: [`snapshot`] shows the hierarchy to the planner in [`crate::pure::reset_plan`],
//! [`scope`] is what the plan reaches, [`crate::device::reservation`] the right to reset that, and
//! [`execute`] does it. [`function_level`] is the short way for a device that is being claimed or
//! released.

#![deny(unsafe_code)]

pub(crate) mod blockers;
mod execute;
pub(crate) mod function_level;
pub(crate) mod kernel_reset;
mod ladder;
mod notify;
pub(crate) mod request;
mod scope;
pub(crate) mod snapshot;

pub(crate) use self::execute::{
    settling,
    Failed, //
};
