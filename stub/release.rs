// SPDX-License-Identifier: GPL-2.0

//! Giving a device back: to its native driver, or because it or the module goes.

use super::{
    claim::Claim,
    guest_interrupts,
    journal::{Chapter, Level},
    registry,
};
use crate::{
    hypercall::msix,
    kapi::pci::{ConfigAccess, DeviceExt, Header, Locked},
    pure::{device_state::Holder, reset_plan::Unproven},
    reset::{function_level, Failed},
};
use kernel::{device::Core, pci, prelude::*};

/// Releases the device. Called by the driver core, which holds the device's lock.
///
/// Nothing can stop a release, so each step that fails is logged and the next is taken.
pub(super) fn release(device: &pci::Device<Core<'_>>, claim: &Claim) {
    let locked = Locked::by_driver_core(device);
    let lines = Chapter::open();
    // From here on nobody finds the device any more; who found it before takes its lock and looks
    // again.
    registry::leave(claim.claimed.sbdf);
    claim.claimed.errors.end();
    let holder = claim.claimed.release();
    if matches!(holder, Holder::Domain(_) | Holder::Assigned) {
        registry::remember_in_use(claim.claimed.sbdf);
    }
    if let Holder::Domain(domain) = holder {
        lines.write(
            Level::Warning,
            device,
            fmt!("released while domain {domain} uses it, which may still reach it"),
        );
    }
    let present = locked.is_present();
    if present {
        clean(&locked, claim, &lines);
    }
    // Also of a device that is gone: Xen keeps its own books.
    if let Some(hold) = &claim.hold {
        hold.let_go();
        if present && locked.has_addresses() && hold.is_lost() {
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
            enabled.leave(&locked);
        } else {
            enabled.disable(&locked);
        }
    }
    locked.set_assigned(false);
    let gone = if present { "" } else { ": the device is gone" };
    lines.write(Level::Info, device, fmt!("released{gone}"));
}

/// Resets the device, if it can be, and restores it as it was when it was claimed.
fn clean(locked: &Locked<'_>, claim: &Claim, lines: &Chapter) {
    let device = locked.device();
    // A bridge was not touched, and what is below it may be in use.
    if device.header() != Header::Normal {
        return;
    }
    let claimed = &claim.claimed;
    let access = ConfigAccess::block(locked);
    let exclusive = access.exclusive();
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
            function_level::tell(&mut outcome.record, claimed.dom0, device)
                .map_err(Failed::at("notify"))
        }
        _ => {
            let quiet = exclusive.quiesce();
            let restored = claimed.saved.restore(&exclusive, quiet);
            restored.map_err(Failed::at("restore"))
        }
    }
    .unwrap_or_else(log);
}
