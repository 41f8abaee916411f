// SPDX-License-Identifier: GPL-2.0

//! Calls into the kernel and Xen that fail on demand, in test builds only (`--cfg pciback_faults`).
//!
//! Each call here that can fail passes a [`point`] first. The module parameter `fail_call` counts
//! them: when N is written to it, the Nth call from then on fails with `fail_errno`, and
//! `fail_call` reads 0 afterwards. So a test fails each call of an operation in turn, until none is
//! left. (It is the kernel's `fail-nth` for calls that aren't allocations.)
//!
//! The hypercall number `fail_physdev_op` answers with `fail_errno` each time. With `xen_accepts`
//! the others succeed, and Xen isn't asked.
//!
//! UPSTREAM(error-injection): `ALLOW_ERROR_INJECTION` does this for C functions.

#![deny(unsafe_code)]

#[cfg(pciback_faults)]
use super::param::number_param;
use kernel::{
    ffi::c_int,
    prelude::*, //
};

#[cfg(pciback_faults)]
number_param!(
    /// The number of calls up to the one that fails, which is counted; 0: none fails.
    FAIL_CALL,
    "fail_call",
    "test build: the how-many-th call from now on fails"
);

#[cfg(pciback_faults)]
number_param!(
    /// The errno, positive; 0 stands for one that no real call returns.
    FAIL_ERRNO,
    "fail_errno",
    "test build: with which errno (33)"
);

#[cfg(pciback_faults)]
number_param!(
    /// The `physdev_op` that Xen seems to refuse; 0: none.
    FAIL_PHYSDEV_OP,
    "fail_physdev_op",
    "test build: the number of the hypercall that Xen refuses, with fail_errno"
);

#[cfg(pciback_faults)]
number_param!(
    /// Not 0: each `physdev_op` seems to succeed.
    XEN_ACCEPTS,
    "xen_accepts",
    "test build: hypercalls about devices succeed, and Xen isn't asked"
);

#[cfg(pciback_faults)]
number_param!(
    /// How many interrupts in a second are a storm; 0: as many as in other builds.
    STORM,
    "storm_limit",
    "test build: how many interrupts of a shared line in a second are too many"
);

/// Returns how many interrupts in a second are a storm: `usual`, unless a test says it.
#[cfg(pciback_faults)]
pub(crate) fn storm(usual: u32) -> u32 {
    match STORM.value() {
        0 => usual,
        storm => storm,
    }
}

/// Returns `usual`: this is not a test build.
#[cfg(not(pciback_faults))]
#[inline(always)]
pub(crate) const fn storm(usual: u32) -> u32 {
    usual
}

/// Returns the error that was asked for.
#[cfg(pciback_faults)]
fn error() -> Error {
    match c_int::try_from(FAIL_ERRNO.value()) {
        Ok(errno @ 1..=4095) => Error::from_errno(errno.wrapping_neg()),
        _ => EDOM,
    }
}

/// Fails if it is this call's turn. `call` is its name for the log.
///
/// # Examples
///
/// ```ignore
/// fault::point("pci_enable_device")?;
/// // And then the call of that function.
/// ```
///
/// # Errors
///
/// - `fail_errno`: it is.
#[cfg(pciback_faults)]
pub(crate) fn point(call: &'static str) -> Result {
    match FAIL_CALL.count_down() {
        Some(0) => {
            let error = error();
            pr_info!("fault: {call} ({})\n", error.to_errno());
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
#[inline(always)]
pub(crate) const fn point(_: &'static str) -> Result {
    Ok(())
}

/// Returns the answer, 0 or a negative errno, where Xen isn't to be asked.
#[cfg(pciback_faults)]
pub(super) fn answer_of_xen(operation: c_int) -> Option<c_int> {
    let refused = FAIL_PHYSDEV_OP.value();
    if c_int::try_from(refused) == Ok(operation) {
        return Some(error().to_errno());
    }
    match point("physdev_op") {
        Err(error) => Some(error.to_errno()),
        Ok(()) => (XEN_ACCEPTS.value() != 0).then_some(0),
    }
}

/// Xen is asked: this is not a test build.
#[cfg(not(pciback_faults))]
#[inline(always)]
pub(super) const fn answer_of_xen(_: c_int) -> Option<c_int> {
    None
}
