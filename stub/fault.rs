// SPDX-License-Identifier: GPL-2.0

//! Faults on demand, in test builds only (`--cfg pciback_faults`): the module parameter
//! `fail_step` names the step of a claim that shall fail.

use crate::pure::claim_step::ClaimStep;
use kernel::prelude::*;

/// Fails where `fail_step` names this step.
///
/// # Errors
///
/// - `EDOM`: an errno that no real step returns.
#[cfg(pciback_faults)]
pub(super) fn before(step: ClaimStep) -> Result {
    if crate::FAIL_STEP.value() == step.name().as_bytes() {
        return Err(EDOM);
    }
    Ok(())
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(super) const fn before(_: ClaimStep) -> Result {
    Ok(())
}
