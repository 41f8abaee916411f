// SPDX-License-Identifier: GPL-2.0

//! Faults on demand, in test builds only (`--cfg pciback_faults`), for what no emulated device
//! does: a step of a claim that fails, a reset that reports success and resets nothing, a device
//! that doesn't come back, a reset of which Xen refuses the notification.
//!
//! Calls into the kernel and Xen fail by [`crate::kapi::fault`].

#![deny(unsafe_code)]

#[cfg(pciback_faults)]
use crate::kapi::param::{
    number_param,
    string_param, //
};
use crate::pure::{
    claim_step::ClaimStep,
    reset_plan::Rung,
    sbdf::Sbdf, //
};
use kernel::prelude::*;
#[cfg(pciback_faults)]
use kernel::time::{
    delay::fsleep,
    Delta, //
};

#[cfg(pciback_faults)]
string_param!(
    /// See [`before`].
    FAIL_STEP,
    "fail_step",
    "test build: the step of a claim that fails"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`skips`].
    SKIP_RESET,
    "skip_reset",
    "test build: the reset method that does nothing and reports success"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`come_back`].
    LOST,
    "lost",
    "test build: devices that do not come back from a reset"
);

#[cfg(pciback_faults)]
string_param!(
    /// See [`notify_xen`].
    REFUSED,
    "refused",
    "test build: devices of whose resets Xen refuses to hear"
);

#[cfg(pciback_faults)]
number_param!(
    /// See [`planned`].
    PAUSE_PLANNED,
    "pause_planned",
    "test build: milliseconds between the plan of a reset and its locks"
);

#[cfg(pciback_faults)]
number_param!(
    /// See [`before`].
    PAUSE_CLAIM,
    "pause_claim",
    "test build: milliseconds between the reset of a claim and its end"
);

/// Fails where `fail_step` names this step of a claim; before the last one, waits for as long as
/// `pause_claim` says.
///
/// # Errors
///
/// - `EDOM`: an errno that no real step returns.
#[cfg(pciback_faults)]
pub(crate) fn before(step: ClaimStep) -> Result {
    if matches!(step, ClaimStep::Record) {
        pause(PAUSE_CLAIM.value(), "a claim pauses");
    }
    if FAIL_STEP.value() == step.name().as_bytes() {
        return Err(EDOM);
    }
    Ok(())
}

/// Returns `true` if resets by this rung are to be skipped, and reported as successful
/// (`skip_reset`, a rung's word).
#[cfg(pciback_faults)]
pub(crate) fn skips(rung: Rung) -> bool {
    SKIP_RESET.value() == rung.name().as_bytes()
}

/// Waits between the plan of a reset and its locks, for as long as `pause_planned` says, so that a
/// test can change what was planned on.
#[cfg(pciback_faults)]
pub(crate) fn planned() {
    pause(PAUSE_PLANNED.value(), "a reset was planned");
}

/// Waits so many milliseconds, unless they are 0, and says so before.
#[cfg(pciback_faults)]
fn pause(millis: u32, why: &str) {
    if millis != 0 {
        pr_info!("fault: {why}\n");
        fsleep(Delta::from_millis(millis.into()));
    }
}

/// Fails for devices that are to look as if they didn't come back (`lost`, in the form of `hide`).
///
/// # Errors
///
/// - `ETIMEDOUT`: the device is one of those.
#[cfg(pciback_faults)]
pub(crate) fn come_back(sbdf: Sbdf) -> Result {
    listed(LOST.value(), sbdf, ETIMEDOUT)
}

/// Fails for devices for which Xen is to refuse the notification of a reset (`refused`, in the form
/// of `hide`).
///
/// # Errors
///
/// - `EDOM`: the device is one of those.
#[cfg(pciback_faults)]
pub(crate) fn notify_xen(sbdf: Sbdf) -> Result {
    listed(REFUSED.value(), sbdf, EDOM)
}

#[cfg(pciback_faults)]
fn listed(list: &[u8], sbdf: Sbdf, error: Error) -> Result {
    let mut patterns = crate::pure::bdf_grammar::HideList::new(list);
    if patterns.any(|pattern| pattern.is_ok_and(|pattern| pattern.covers(sbdf))) {
        return Err(error);
    }
    Ok(())
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(crate) const fn before(_: ClaimStep) -> Result {
    Ok(())
}

/// Does nothing: this is not a test build.
#[cfg(not(pciback_faults))]
pub(crate) const fn planned() {}

/// Returns `false`: this is not a test build.
#[cfg(not(pciback_faults))]
pub(crate) const fn skips(_: Rung) -> bool {
    false
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(crate) const fn come_back(_: Sbdf) -> Result {
    Ok(())
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(crate) const fn notify_xen(_: Sbdf) -> Result {
    Ok(())
}
