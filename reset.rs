// SPDX-License-Identifier: GPL-2.0

//! Resetting devices, see Documentation/reset.md.
//!
//! [`request`] is where user space comes in: it finds out which devices are meant, and has them
//! reset together or [at the same time](crate::parallel). For each, [`ladder`] goes from rung to rung:
//! [`snapshot`] shows the hierarchy to the planner in [`crate::pure::reset_plan`], [`reach`] is
//! what the plan reaches, [`reservation`] the right to reset that, and [`carry_out`] does it.
//! [`function_level`] is the short way for a device that is being claimed or released.

#![deny(unsafe_code)]

mod blockers;
mod carry_out;
mod event;
pub(crate) mod explain;
mod fault;
pub(crate) mod function_level;
pub(crate) mod kernels;
mod ladder;
mod reach;
pub(crate) mod record;
mod refusal;
pub(crate) mod request;
pub(crate) mod reservation;
pub(crate) mod snapshot;
mod tell;

pub(crate) use self::carry_out::{settling, Failed};
