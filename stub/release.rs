// SPDX-License-Identifier: GPL-2.0

//! Giving a device back: to its native driver, or because it or the module goes.

use super::{claim::Claim, registry};
use crate::{
    hypercall,
    kapi::pci::{ConfigAccess, DeviceExt, Header, Locked},
    reset::{function_level, Failed},
};
use kernel::{device::Core, pci, prelude::*};

/// Releases the device. Called by the driver core, which holds the device's lock.
///
/// Nothing can stop a release, so each step that fails is logged and the next is taken.
pub(super) fn release(device: &pci::Device<Core<'_>>, claim: &Claim) {
    let locked = Locked::by_driver_core(device);
    // From here on nobody finds the device any more; who found it before takes its lock and looks
    // again.
    registry::leave(claim.claimed.sbdf);
    if let Some(domain) = claim.claimed.end_use() {
        dev_warn!(
            device,
            "released while domain {domain} uses it, which may still reach it\n"
        );
    }
    let present = locked.is_present();
    if present {
        clean(&locked, claim);
    }
    // Also of a device that is gone: Xen keeps its own books.
    match hypercall::release_msix(device) {
        Err(error) if present => {
            dev_warn!(
                device,
                "release: MSI-X table not released ({})\n",
                error.to_errno()
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
    if present {
        dev_info!(device, "released\n");
    } else {
        dev_info!(device, "released: the device is gone\n");
    }
}

/// Resets the device, if it can be, and restores it as it was when it was claimed.
fn clean(locked: &Locked<'_>, claim: &Claim) {
    let device = locked.device();
    // A bridge was not touched, and what is below it may be in use.
    if device.header() != Header::Normal {
        return;
    }
    let claimed = &claim.claimed;
    let access = ConfigAccess::block(locked);
    let exclusive = access.exclusive();
    let log = |Failed { step, error }| {
        dev_err!(device, "release: {step} failed ({})\n", error.to_errno());
    };
    let reset = function_level::reset(&exclusive, &claimed.state).map_err(log);
    match reset {
        // A reset has restored the device.
        Ok(mut outcome) if outcome.record.by.is_some() => {
            function_level::tell(&mut outcome.record, claimed.dom0, device)
                .map_err(Failed::at("notify"))
        }
        _ => {
            let quiet = exclusive.quiesce();
            let restored = claimed.state.restore(&exclusive, quiet);
            restored.map_err(Failed::at("restore"))
        }
    }
    .unwrap_or_else(log);
}
