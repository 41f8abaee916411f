// SPDX-License-Identifier: GPL-2.0

//! Lets the kernel's printing macros take the types of the pure part.
//!
//! Those types implement `core::fmt::Display`, because they also build outside the kernel; the
//! kernel's macros ask for its own copy of that trait.

#![deny(unsafe_code)]

use crate::pure::{
    bdf_grammar::Pattern,
    claim_step::ClaimStep,
    domid::DomId,
    guest_interrupts::GuestInterrupts,
    reset_plan::{Rung, Unproven},
    sbdf::Sbdf,
};

macro_rules! forward_display {
    ($($ty:ty),* $(,)?) => {
        $(
            impl kernel::fmt::Display for $ty {
                fn fmt(&self, f: &mut kernel::fmt::Formatter<'_>) -> kernel::fmt::Result {
                    core::fmt::Display::fmt(self, f)
                }
            }
        )*
    };
}

forward_display!(
    ClaimStep,
    DomId,
    GuestInterrupts,
    Pattern,
    Rung,
    Sbdf,
    Unproven
);
