// SPDX-License-Identifier: GPL-2.0

//! Releasing a device: for its native driver, or because the device or the module goes.

use super::{
    claim::Claim,
    guest_interrupts, //
};
use crate::{
    device::{
        ordered_log::{
            Level,
            LogBatch, //
        },
        registry,
        sender, //
    },
    hypercall::msix,
    kapi::pci::{
        ConfigAccess,
        DeviceExt,
        Header,
        Locked, //
    },
    pure::{
        device_state::Holder,
        reset_plan::Unproven, //
    },
    reset::{
        function_level,
        Failed, //
    },
};
use kernel::{
    device::Core,
    pci,
    prelude::*, //
};

/// Releases the device. Called by the driver core, which holds the device's lock.
///
/// Nothing can stop a release, so a step that fails is logged and the next one is taken.
pub(super) fn release(device: &pci::Device<Core<'_>>, claim: &Claim) {
    let locked = Locked::by_driver_core(device);
    let lines = LogBatch::open();
    // From here on nobody finds the device any more; who found it before takes its lock and looks
    // again.
    registry::leave(claim.claimed.sbdf);
    claim.claimed.aer.end();
    let holder = claim.claimed.release();
    if matches!(holder, Holder::Domain(_) | Holder::Assigned) {
        let listed = matches!(holder, Holder::Domain(_));
        registry::remember_in_use(claim.claimed.sbdf, listed);
    }
    if let Holder::Domain(domain) = holder {
        lines.write(
            Level::Warning,
            device,
            fmt!("released while domain {domain} uses it, which may still reach it"),
        );
    }
    // Before anything by which Xen could free their interrupts, also for a device that is gone.
    sender::end(&claim.claimed, &locked);
    let present = locked.is_present();
    let mut is_restored = present && clean(&locked, claim, &lines);
    // Also for a device that is gone: Xen still has its record.
    if let Some(hold) = &claim.hold {
        hold.let_go();
        if present && (is_restored || locked.has_addresses()) && hold.is_lost() {
            is_restored = false; // Xen writes to its registers when it records it.
            guest_interrupts::mend(
                &locked,
                claim.claimed.dom0,
                claim.claimed.last_user(),
                &lines,
            );
        }
    }
    match msix::release(claim.claimed.dom0, device) {
        Err(error) if present => {
            let errno = error.to_errno();
            lines.write(
                Level::Warning,
                device,
                fmt!("release: MSI-X table not released ({errno})"),
            );
        }
        _ => {}
    }
    if let Some(enabled) = &claim.enabled {
        if present {
            enabled.leave(&locked, is_restored);
        } else {
            enabled.disable(&locked);
        }
    }
    locked.set_assigned(false);
    let gone = if present { "" } else { ": the device is gone" };
    lines.write(Level::Info, device, fmt!("released{gone}"));
}

/// Resets the device, which answers, if it can be, and restores it as it was when it was claimed.
/// Returns `true` if it has taken that.
fn clean(locked: &Locked<'_>, claim: &Claim, lines: &LogBatch) -> bool {
    let device = locked.device();
    // A bridge wasn't touched, and what is below it may be in use.
    if device.header() != Header::Normal {
        return false;
    }
    let claimed = &claim.claimed;
    let access = ConfigAccess::block(locked);
    let exclusive = access.cfg_locked();
    let log = |Failed { step, error }| {
        let errno = error.to_errno();
        lines.write(
            Level::Error,
            device,
            fmt!("release: {step} failed ({errno})"),
        );
    };
    let unproven = |rung| lines.write(Level::Warning, device, fmt!("{}", Unproven(rung)));
    let reset = function_level::reset(&exclusive, &claimed.saved, unproven).map_err(log);
    match reset {
        // A reset has restored the device.
        Ok(mut outcome) if outcome.record.by.is_some() => {
            function_level::notify_xen(&mut outcome.record, claimed.dom0, locked)
                .map_err(Failed::at("notify"))
                .unwrap_or_else(log);
            true
        }
        _ => {
            let quiet = exclusive.quiesce();
            let restored = claimed.saved.restore(&exclusive, quiet);
            restored.map_err(Failed::at("restore")).map_err(log).is_ok()
        }
    }
}
