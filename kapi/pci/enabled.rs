// SPDX-License-Identifier: GPL-2.0

//! An enabled PCI device.

use super::{raw, Command, Locked};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{bindings, error::to_result, pci, prelude::*, sync::aref::ARef};

/// A device on which `pci_enable_device()` was called, and how its Command register was before.
pub(crate) struct Enabled {
    device: ARef<pci::Device>,
    found: Command,
    counted: AtomicBool,
}

impl Enabled {
    /// Enables the device: power, I/O and memory decode, and its interrupt's route.
    ///
    /// # Errors
    ///
    /// - The errno of `pci_enable_device()`, such as `EINVAL` for a device whose BARs have no
    ///   addresses.
    pub(crate) fn new(device: &pci::Device, _: &Locked<'_>) -> Result<Self> {
        let found = Command::read(device);
        // SAFETY: The device is valid and its lock is held.
        to_result(unsafe { bindings::pci_enable_device(raw(device)) })?;
        Ok(Self {
            device: device.into(),
            found,
            counted: AtomicBool::new(true),
        })
    }

    /// Turns bus mastering off and gives the enable count back; the decode stays on (turning it
    /// off under a guest or Xen is what XSA-120 was about).
    /// May be called again, to no effect.
    pub(crate) fn disable(&self, locked: &Locked<'_>) {
        if self.counted.swap(false, Ordering::Relaxed) {
            // SAFETY: Pairs with the successful `pci_enable_device()` of `new`.
            unsafe { bindings::pci_disable_device(raw(&self.device)) };
        }
        // `pci_disable_device()` leaves the register alone while others have the device enabled.
        let now = Command::read(&self.device);
        if now != now.without_master() {
            now.without_master().write(&self.device, locked);
        }
    }

    /// Disables the device and sets the Command register as it was found.
    pub(crate) fn undo(&self, locked: &Locked<'_>) {
        self.disable(locked);
        self.found.write(&self.device, locked);
    }
}
