// SPDX-License-Identifier: GPL-2.0

//! Saying why a device is not reset.

use super::{blockers::Blockers, snapshot::Snapshot};
use crate::{
    device::claimed::Claimed,
    kapi::log::log_limited,
    pure::{
        bdf_grammar::Pattern,
        reset_plan::{Plan, Rung, Rungs},
        sbdf::Sbdf,
    },
};
use kernel::prelude::*;

/// Says that no device of ours has that address.
pub(super) fn not_claimed(sbdf: Sbdf) -> Error {
    log_limited!(pr_warn, "reset_device: {sbdf} is not claimed\n");
    ENODEV
}

/// Says that no device of ours has an address of that form.
pub(super) fn nothing_claimed(pattern: Pattern) -> Error {
    log_limited!(pr_warn, "reset_device: {pattern} is not claimed\n");
    ENODEV
}

/// Says why there is no way to go on, and returns the error for the writer: that of what was tried
/// and failed, if anything was.
pub(super) fn refuse(
    target: &Claimed,
    plan: Plan,
    snapshot: &Snapshot,
    tried: Rungs,
    failure: Option<Error>,
) -> Error {
    let device = &target.device;
    match plan {
        Plan::Blocked(reset) => {
            let error = failure.unwrap_or(EBUSY);
            // Before it is printed: it takes memory, and a log line is put together where nobody
            // may sleep.
            let blockers = Blockers::new(snapshot, reset, device).to_text();
            let blockers = blockers.as_ref().map_or("others", |text| {
                core::str::from_utf8(text.to_bytes()).unwrap_or("others")
            });
            log_limited!(
                dev_warn,
                device,
                "reset_device: not reset: a {} reset would reach {blockers} ({})\n",
                reset.rung(),
                error.to_errno()
            );
            error
        }
        Plan::Nothing | Plan::Reset(_) => match failure {
            Some(error) => error, // Said when it failed.
            None => {
                log_limited!(
                    dev_warn,
                    device,
                    "reset_device: {} ({})\n",
                    if !target.is_endpoint() {
                        "bridges are not reset"
                    } else if !tried.is_empty() {
                        "no other reset method"
                    } else {
                        "no reset method"
                    },
                    ENOTTY.to_errno()
                );
                ENOTTY
            }
        },
    }
}

/// Says that the device went through a weak reset only.
pub(super) fn weak(target: &Claimed, rung: Rung) {
    log_limited!(
        dev_warn,
        &target.device,
        "reset_device: a {rung} reset is weak: the device may not be clean ({})\n",
        ENOTTY.to_errno()
    );
}

/// Says that the device's last guest is still giving it back.
pub(super) fn still_leaving(target: &Claimed) -> Error {
    log_limited!(
        dev_warn,
        &target.device,
        "reset_device: its last guest's use has not ended: try again ({})\n",
        EAGAIN.to_errno()
    );
    EAGAIN
}
