// SPDX-License-Identifier: GPL-2.0

//! Claiming and releasing many devices at the same time.
//!
//! The driver core does that by itself for devices that appear. Here it is done when the module is
//! loaded, on request, and when the module goes.

use crate::{
    device::{
        ordered_log::LogBatch,
        registry,
        slots,
        workers::{
            for_all,
            Wait, //
        },
        NAME, //
    },
    kapi::{
        global::global,
        log::log_limited,
        pci::{
            attach,
            release_driver,
            DeviceExt,
            DriverKind,
            PciDevices,
            PortDriver,
            Unlocked, //
        },
    },
    pure::{
        bdf_grammar::Pattern,
        positions::{
            self,
            Position, //
        },
        sbdf::Sbdf, //
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// Claims the listed devices without a driver that the addresses cover. What is claimed
/// already is left as it is.
///
/// Sleeps for as long as the claims take.
///
/// # Errors
///
/// Where some claims fail, the others are completed all the same.
///
/// - `ENODEV`: an address covers no device that is listed by itself.
/// - `EBUSY`: an address without wildcards is that of a device with another driver.
/// - `ENOMEM`: no memory.
/// - The errno of the first claim, by address, that failed.
pub(crate) fn claim_listed(patterns: impl Iterator<Item = Pattern>) -> Result {
    let listed = listed_devices()?;
    let mut result = Ok(());
    let mut wanted: KVec<ARef<pci::Device>> = KVec::new();
    for pattern in patterns {
        if let Err(error) = collect(pattern, &listed, &mut wanted)? {
            let why = match error {
                EBUSY => "has another driver",
                _ => "covers no listed device that could be claimed",
            };
            let errno = error.to_errno();
            log_limited!(pr_warn, "probe: {pattern} {why} ({errno})\n");
            result = Err(error);
        }
    }
    result.and(claim_all(&in_order(wanted)?))
}

/// Claims the devices.
///
/// # Errors
///
/// - `ENOMEM`: no memory; nothing was claimed.
/// - The errno of the first claim that failed.
fn claim_all(devices: &[ARef<pci::Device>]) -> Result {
    let claim = |device: &ARef<pci::Device>| match attach(device, NAME) {
        // Somebody else has claimed it meanwhile.
        Err(EBUSY) if registry::find(device.sbdf()).is_some() => Ok(()),
        result => result,
    };
    let _lines = LogBatch::open();
    for_all(devices, Wait::ToTheEnd, claim)
}

global! {
    /// While the driver is being registered, what is to be claimed then.
    static DEFERRED(DEFERRED_DEVICES): Mutex<Option<KVec<ARef<pci::Device>>>> = None;
}

/// While this lives no device is claimed; the wanted ones are collected.
pub(crate) struct DeferredClaims(());

impl DeferredClaims {
    /// Begins to collect.
    pub(crate) fn begin() -> Self {
        *DEFERRED.lock() = Some(KVec::new());
        Self(())
    }

    /// Ends it, and claims what was collected. What fails is in the log.
    pub(crate) fn claim(self) {
        let devices = DEFERRED.lock().take().unwrap_or_default();
        drop(self);
        if let Err(ENOMEM) = in_order(devices).and_then(|devices| claim_all(&devices)) {
            pr_err!(
                "hide=: some devices may not have been claimed ({})\n",
                ENOMEM.to_errno()
            );
        }
    }
}

impl Drop for DeferredClaims {
    fn drop(&mut self) {
        let devices = DEFERRED.lock().take();
        drop(devices);
    }
}

/// Collects a wanted device while devices are collected; returns `true` if they are.
pub(super) fn defer(device: &pci::Device) -> bool {
    let mut guard = DEFERRED.lock();
    let Some(devices) = guard.as_mut() else {
        return false;
    };
    if let Err(error) = devices.push(device.into(), GFP_KERNEL) {
        let error = Error::from(error);
        dev_err!(device, "not claimed ({})\n", error.to_errno());
    }
    true
}

/// A listed device, and what is to be done with it.
struct Listed {
    device: ARef<pci::Device>,
    sbdf: Sbdf,
    state: State,
}

/// What is to be done with a listed device.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It can be claimed.
    Free,
    /// It is claimed.
    Claimed,
    /// Another driver has it.
    Taken,
}

/// Returns all listed devices. (Some may come twice.)
///
/// # Errors
///
/// - `ENOMEM`: no memory.
fn listed_devices() -> Result<KVec<Listed>> {
    let ports = PortDriver::find();
    let mut all = KVec::new();
    for device in PciDevices::while_they_change() {
        let sbdf = device.sbdf();
        if !slots::contains(sbdf) {
            continue;
        }
        let state = if registry::find(sbdf).is_some() {
            State::Claimed
        } else if device.driver(ports) != DriverKind::None {
            State::Taken
        } else {
            State::Free
        };
        let listed = Listed {
            device,
            sbdf,
            state,
        };
        all.push(listed, GFP_KERNEL)?;
    }
    Ok(all)
}

/// Adds the devices that a pattern covers and that are to be claimed. The outer error says that the
/// search failed, the inner one that it found nothing.
fn collect(
    pattern: Pattern,
    listed: &[Listed],
    wanted: &mut KVec<ARef<pci::Device>>,
) -> Result<Result> {
    let mut found = Err(ENODEV);
    for one in listed.iter().filter(|one| pattern.covers(one.sbdf)) {
        match one.state {
            State::Claimed => found = Ok(()),
            State::Taken if pattern.single().is_some() => found = Err(EBUSY),
            State::Taken => {}
            State::Free => {
                found = Ok(());
                wanted.push(one.device.clone(), GFP_KERNEL)?;
            }
        }
    }
    Ok(found)
}

/// Returns the devices in ascending order of their addresses, each once.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
fn in_order(devices: KVec<ARef<pci::Device>>) -> Result<KVec<ARef<pci::Device>>> {
    let mut positions = KVec::with_capacity(devices.len(), GFP_KERNEL)?;
    for (index, device) in devices.iter().enumerate() {
        let key = device.sbdf().rank();
        positions.push(Position { key, index }, GFP_KERNEL)?;
    }
    positions::sort(&mut positions);
    let mut ordered: KVec<ARef<pci::Device>> = KVec::with_capacity(devices.len(), GFP_KERNEL)?;
    for position in positions {
        let Some(device) = devices.get(position.index) else {
            continue;
        };
        if ordered.last().is_none_or(|last| !last.is(device)) {
            ordered.push(device.clone(), GFP_KERNEL)?;
        }
    }
    Ok(ordered)
}

/// While this lives, devices are claimed. Dropping it releases all of them at the same time.
pub(crate) struct BulkRelease(());

impl BulkRelease {
    /// To be made before the first claim.
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl Drop for BulkRelease {
    fn drop(&mut self) {
        let _lines = LogBatch::open();
        // Without memory the driver core releases them, one after the other.
        if let Ok(all) = registry::all() {
            let release = |claimed: &kernel::sync::Arc<crate::device::claimed::Claimed>| {
                // By now it may have another driver.
                if registry::has(claimed) {
                    release_driver(&claimed.device);
                }
                Ok(())
            };
            let _ = for_all(&all, Wait::ToTheEnd, release);
        }
    }
}
