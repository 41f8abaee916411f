// SPDX-License-Identifier: GPL-2.0

//! Listed devices that appear while the driver is there: no other driver gets them first.
//!
//! The driver core probes devices for this driver in threads ([`crate::kapi::pci_driver`]). It
//! offers a new device to the drivers that it probes synchronously first, and one of these could
//! take it. So a new endpoint that is listed gets a `driver_override`, until it is claimed or no
//! longer listed.

use crate::{
    device::{
        slots,
        NAME, //
    },
    kapi::{
        global::global,
        notifier::{
            BusListener,
            BusRegistration, //
        },
        pci::{
            override_driver,
            withdraw_override,
            DeviceExt,
            Header,
            Override,
            Registered,
            Unlocked, //
        },
    },
    pure::sbdf::Sbdf, //
};
use kernel::{
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// A device that this driver has reserved for itself.
struct Reserved {
    device: ARef<pci::Device>,
    /// The listed address for which it was.
    listed: Sbdf,
    /// What keeps others away.
    by: Override,
}

impl Reserved {
    /// Ends the reservation.
    fn end(self) {
        withdraw_override(&self.device, NAME, self.by);
    }
}

global! {
    /// The reserved devices that are not claimed yet; `None` while none may be reserved.
    static RESERVED(RESERVED_DEVICES): Mutex<Option<KVec<Reserved>>> = None;
}

/// The reservations, held as long as the driver is; dropping it ends them.
///
/// The fields are dropped in this order: the notifier, still registered then, reserves nothing.
#[pin_data]
pub(crate) struct HotplugReserve {
    _open: Open,
    #[pin]
    _notifier: BusRegistration<HotplugWatcher>,
}

impl HotplugReserve {
    /// Begins to reserve.
    ///
    /// # Errors
    ///
    /// - The errno of the notifier's registration.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _open: Open::new(),
            _notifier <- BusRegistration::new(),
        })
    }
}

/// While this lives, devices are reserved.
struct Open(());

impl Open {
    fn new() -> Self {
        *RESERVED.lock() = Some(KVec::new());
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let reserved = RESERVED.lock().take();
        for one in reserved.into_iter().flatten() {
            one.end();
        }
    }
}

/// Sees devices come and go.
pub(crate) struct HotplugWatcher;

impl BusListener for HotplugWatcher {
    fn added(device: Registered<'_>) {
        // Bridges keep their driver: what is below them needs it.
        if device.header() != Header::Normal {
            return;
        }
        let Some(listed) = listed_for(&device, device.physical_function()) else {
            return;
        };
        if let Err(error) = reserve(&device, listed) {
            dev_warn!(
                device,
                "listed, but driver_override not set: another driver may bind first ({})\n",
                error.to_errno()
            );
        }
    }

    fn removing(device: &pci::Device) {
        drop(take(|one| one.device.is(device)));
    }
}

/// Reserves a device, unless it has a `driver_override`, as vfio sets one for virtual functions.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
fn reserve(device: &pci::Device, listed: Sbdf) -> Result {
    let mut guard = RESERVED.lock();
    let Some(reserved) = guard.as_mut() else {
        return Ok(());
    };
    // It may have been taken off the list meanwhile, after `release_unlisted` looked here.
    if !slots::contains(listed) {
        return Ok(());
    }
    reserved.reserve(1, GFP_KERNEL)?;
    let Some(by) = override_driver(device, NAME)? else {
        dev_info!(
            device,
            "listed, but it has a driver_override already, which stays\n"
        );
        return Ok(());
    };
    let device = device.into();
    reserved.push_within_capacity(Reserved { device, listed, by })?;
    Ok(())
}

/// Takes out the first reservation that fits.
fn take(fits: impl Fn(&Reserved) -> bool) -> Option<Reserved> {
    let mut guard = RESERVED.lock();
    let reserved = guard.as_mut()?;
    let index = reserved.iter().position(fits)?;
    reserved.remove(index).ok()
}

/// Ends the reservation of a device that was claimed. After its release any driver may have it.
pub(super) fn end_reserve(device: &pci::Device) {
    if let Some(one) = take(|one| one.device.is(device)) {
        one.end();
    }
}

/// Ends the reservations of devices whose slots are no longer listed.
pub(crate) fn release_unlisted() {
    while let Some(one) = take(|one| !slots::contains(one.listed)) {
        one.end();
    }
}

/// Returns the listed address for which a device is meant for this driver: its own, that of the
/// `physical` function that it is a virtual one of, or that of a bridge above.
pub(super) fn listed_for(device: &pci::Device, physical: Option<&pci::Device>) -> Option<Sbdf> {
    let listed = |sbdf: &Sbdf| slots::contains(*sbdf);
    let above = physical.unwrap_or(device).towards_root();
    let own = Some(device.sbdf()).filter(listed);
    own.or_else(|| above.map(DeviceExt::sbdf).find(listed))
}
