// SPDX-License-Identifier: GPL-2.0

//! Broken hardware on demand, in test builds only (`--cfg pciback_faults`), for what no emulated
//! device does: a reset that reports success and resets nothing, a device that doesn't come back,
//! a device whose reset Xen refuses to hear of.

use crate::pure::{reset_plan::Rung, sbdf::Sbdf};
use kernel::prelude::*;

/// Tells whether resets by this rung are to be skipped, and reported as successful (`skip_reset`,
/// a rung's word).
#[cfg(pciback_faults)]
pub(super) fn skips(rung: Rung) -> bool {
    crate::SKIP_RESET.value() == rung.name().as_bytes()
}

/// Fails for devices that are to look as if they didn't come back (`lost`, in the form of `hide`).
///
/// # Errors
///
/// - `ETIMEDOUT`: the device is one of those.
#[cfg(pciback_faults)]
pub(super) fn come_back(sbdf: Sbdf) -> Result {
    listed(crate::LOST.value(), sbdf, ETIMEDOUT)
}

/// Fails for devices of whose resets Xen is to refuse to hear (`refused`, in the form of `hide`).
///
/// # Errors
///
/// - `EDOM`: the device is one of those.
#[cfg(pciback_faults)]
pub(super) fn tell(sbdf: Sbdf) -> Result {
    listed(crate::REFUSED.value(), sbdf, EDOM)
}

#[cfg(pciback_faults)]
fn listed(list: &[u8], sbdf: Sbdf, error: Error) -> Result {
    let mut patterns = crate::pure::bdf_grammar::HideList::new(list);
    if patterns.any(|pattern| pattern.is_ok_and(|pattern| pattern.covers(sbdf))) {
        return Err(error);
    }
    Ok(())
}

/// Nothing is skipped: this is not a test build.
#[cfg(not(pciback_faults))]
pub(super) const fn skips(_: Rung) -> bool {
    false
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(super) const fn come_back(_: Sbdf) -> Result {
    Ok(())
}

/// Does nothing: this is not a test build.
///
/// # Errors
///
/// None.
#[cfg(not(pciback_faults))]
pub(super) const fn tell(_: Sbdf) -> Result {
    Ok(())
}
