// SPDX-License-Identifier: GPL-2.0

//! Locks of a PCI device, and the tokens that prove that they are held.

use super::{raw, DeviceExt};
use core::{marker::PhantomData, ops::Deref};
use kernel::{bindings, device::Core, pci, sync::aref::ARef};

/// A device whose lock (`struct device.mutex`) is held: no driver is bound or unbound, and no other
/// holder resets it.
pub(crate) struct Locked<'a> {
    device: &'a pci::Device,
    // A mutex is released by the thread that took it.
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Locked<'a> {
    /// The driver core holds the lock while it calls a driver.
    pub(crate) fn by_driver_core(device: &'a pci::Device<Core<'_>>) -> Self {
        Self::held(device)
    }

    /// For the types here that hold the lock.
    fn held(device: &'a pci::Device) -> Self {
        Self {
            device,
            _not_send: PhantomData,
        }
    }

    /// Returns the device.
    pub(crate) fn device(&self) -> &'a pci::Device {
        self.device
    }
}

/// A device that nobody else touches: its lock is held, and user space's accesses to its
/// configuration space wait. It is what a reset needs.
pub(crate) struct Exclusive<'a>(Locked<'a>);

impl<'a> Deref for Exclusive<'a> {
    type Target = Locked<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The lock of a device and of the bridge above it, and their user-space configuration accesses
/// held back, as `pci_reset_function()` takes them.
pub(crate) struct DeviceLock {
    device: ARef<pci::Device>,
    bridge: Option<ARef<pci::Device>>,
    _not_send: PhantomData<*mut ()>,
}

impl DeviceLock {
    /// Takes the locks, bridge first. Sleeps until they are free, which may take as long as a
    /// reset or a driver's probe under way.
    pub(crate) fn new(device: &pci::Device) -> Self {
        let bridge = device.upstream_bridge().map(ARef::from);
        if let Some(bridge) = &bridge {
            // SAFETY: The bridge is valid.
            unsafe { bindings::pci_dev_lock(raw(bridge)) };
        }
        // SAFETY: The device is valid.
        unsafe { bindings::pci_dev_lock(raw(device)) };
        Self {
            device: device.into(),
            bridge,
            _not_send: PhantomData,
        }
    }

    /// Returns the device, as long as the lock is held.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        Exclusive(Locked::held(&self.device))
    }
}

impl Drop for DeviceLock {
    fn drop(&mut self) {
        // SAFETY: `new` took the locks in this thread.
        unsafe { bindings::pci_dev_unlock(raw(&self.device)) };
        if let Some(bridge) = &self.bridge {
            // SAFETY: As above.
            unsafe { bindings::pci_dev_unlock(raw(bridge)) };
        }
    }
}

/// While this lives, user space's accesses to the device's configuration space wait.
///
/// For resets in driver callbacks, where the driver core holds the device's lock but nobody keeps
/// user space from the registers of a device in reset. (A [`DeviceLock`] includes this.)
pub(crate) struct ConfigAccess<'a> {
    device: &'a pci::Device,
}

impl<'a> ConfigAccess<'a> {
    /// Waits for accesses under way and blocks new ones.
    pub(crate) fn block(locked: &'a Locked<'_>) -> Self {
        let device = locked.device();
        // SAFETY: The device is valid; this may sleep, and does so under the device's lock like
        // `pci_dev_lock()`.
        unsafe { bindings::pci_cfg_access_lock(raw(device)) };
        Self { device }
    }

    /// Returns the device, whose lock is held as long as this lives.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        Exclusive(Locked::held(self.device))
    }
}

impl Drop for ConfigAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: `block` took it.
        unsafe { bindings::pci_cfg_access_unlock(raw(self.device)) };
    }
}
