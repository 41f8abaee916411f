// SPDX-License-Identifier: GPL-2.0

//! Locks of a PCI device, and the token that proves that its driver cannot change.

use super::{raw, DeviceExt};
use core::marker::PhantomData;
use kernel::{bindings, device::Core, pci, sync::aref::ARef};

/// Proof that the device's lock (`struct device.mutex`) is held: no driver is bound or unbound,
/// and no other holder of the proof resets the device.
pub(crate) struct Locked<'a> {
    _held: PhantomData<&'a ()>,
    // A mutex is released by the thread that took it.
    _not_send: PhantomData<*mut ()>,
}

impl<'a> Locked<'a> {
    /// The driver core holds the lock while it calls a driver.
    pub(crate) fn by_driver_core(_device: &'a pci::Device<Core<'_>>) -> Self {
        Self::held()
    }

    /// For the types here that hold the lock.
    const fn held() -> Self {
        Self {
            _held: PhantomData,
            _not_send: PhantomData,
        }
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

    /// Returns the proof that nobody else touches the device.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        Exclusive(Locked::held())
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

/// Proof that nobody else touches the device's registers: its lock is held and user space's accesses
/// to its configuration space wait. It is what a reset needs.
pub(crate) struct Exclusive<'a>(Locked<'a>);

impl<'a> core::ops::Deref for Exclusive<'a> {
    type Target = Locked<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
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
    pub(crate) fn block(device: &'a pci::Device, _: &'a Locked<'_>) -> Self {
        // SAFETY: The device is valid; this may sleep, and does so under the device's lock like
        // `pci_dev_lock()`.
        unsafe { bindings::pci_cfg_access_lock(raw(device)) };
        Self { device }
    }

    /// Returns the proof; the device's lock is held as long as this lives.
    pub(crate) fn exclusive(&self) -> Exclusive<'_> {
        Exclusive(Locked::held())
    }
}

impl Drop for ConfigAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: `block` took it.
        unsafe { bindings::pci_cfg_access_unlock(raw(self.device)) };
    }
}
