// SPDX-License-Identifier: GPL-2.0

//! Giving a device back: to its native driver, or because it or the module goes.

use super::{claim::Claim, registry};
use crate::{
    hypercall::{self, ResetKind},
    kapi::pci::{quiesce, ConfigAccess, DeviceExt, Header, Locked},
    reset::function_level::{self, Failed},
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
    if device.is_present() {
        clean(device, claim, &locked);
        if let Err(error) = hypercall::release_msix(device) {
            dev_warn!(
                device,
                "release: MSI-X table not released ({})\n",
                error.to_errno()
            );
        }
        claim.enabled.undo(&locked);
        dev_info!(device, "released\n");
    } else {
        dev_info!(device, "released: the device is gone\n");
    }
    device.set_assigned(&locked, false);
}

/// Resets the device, if it can be, and restores it as it was when it was claimed.
fn clean(device: &pci::Device, claim: &Claim, locked: &Locked<'_>) {
    // A bridge was not touched, and what is below it may be in use.
    if device.header() != Header::Normal {
        return;
    }
    let claimed = &claim.claimed;
    let access = ConfigAccess::block(device, locked);
    let result = match function_level::plan(device) {
        Some(how) => function_level::reset(device, how, &claimed.state, &access.exclusive())
            .and_then(|_| {
                hypercall::reset_done(claimed.dom0, device, ResetKind::Flr).map_err(|error| {
                    Failed {
                        step: "notify",
                        error,
                    }
                })
            }),
        None => {
            quiesce(device, locked);
            function_level::restore(device, &claimed.state, &access.exclusive())
                .map_err(|error| Failed {
                    step: "restore",
                    error,
                })
                .map(|()| hypercall::Told::NotNeeded)
        }
    };
    if let Err(failed) = result {
        dev_err!(
            device,
            "release: {} failed ({})\n",
            failed.step,
            failed.error.to_errno()
        );
    }
}
