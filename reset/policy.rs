// SPDX-License-Identifier: GPL-2.0

//! Whether a guest may have a device.

use crate::{kapi::xen, pure::cleanness::Verdict, stub::claimed::Claimed, STRICT_RESET};

/// Judges by the last reset and the parameter `strict_reset`. A device that a domain uses was
/// given to it already; what keeps it from others must not keep it from being taken away. Doesn't
/// sleep.
pub(crate) fn verdict(claimed: &Claimed) -> Verdict {
    if xen::domain_of(&claimed.device).is_some() {
        return Verdict::Yes;
    }
    let cleanness = claimed.last_reset().cleanness;
    cleanness.verdict(STRICT_RESET.is_on())
}
