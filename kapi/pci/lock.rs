// SPDX-License-Identifier: GPL-2.0

//! Locks of a PCI device, and the tokens that prove that they are held.
//!
//! UPSTREAM(device-core): a lock should yield a `Device<Core>`.

use super::{
    raw,
    raw_dev, //
};
use core::{
    marker::PhantomData,
    ops::Deref, //
};
use kernel::{
    bindings,
    device::Core,
    pci,
    prelude::*,
    sync::aref::ARef, //
};

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

    /// For callbacks that the kernel makes with the lock held.
    ///
    /// # Safety
    ///
    /// The caller, or its caller, holds the device's lock for as long as the result lives.
    pub(in crate::kapi) unsafe fn assume(device: &'a pci::Device) -> Self {
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

    /// Marks the device as given to a guest, or takes the mark away. Other parts of the kernel
    /// (SR-IOV of its physical function) keep off a marked device.
    pub(crate) fn set_assigned(&self, assigned: bool) {
        // CAST: The flag is in the lower bits.
        let flag = bindings::pci_dev_flags_PCI_DEV_FLAGS_ASSIGNED as bindings::pci_dev_flags_t;
        // SAFETY: The device is valid. The other flags are written when the device is found; this
        // one only by the device's driver, and its lock is held.
        unsafe {
            if assigned {
                (*raw(self.device())).dev_flags |= flag;
            } else {
                (*raw(self.device())).dev_flags &= !flag;
            }
        }
    }
}

/// A device that nobody else touches: its lock is held, and user space's accesses to its
/// configuration space wait. It is what a reset needs.
pub(crate) struct CfgLocked<'a>(Locked<'a>);

impl<'a> CfgLocked<'a> {
    /// For callbacks that the kernel makes in the middle of a reset of its own.
    ///
    /// # Safety
    ///
    /// The caller, or its caller, holds what `pci_dev_lock()` takes of the device, for as long as
    /// the result lives.
    pub(in crate::kapi) unsafe fn assume(device: &'a pci::Device) -> Self {
        Self(Locked::held(device))
    }

    /// Returns a second token for the same device; both end with the lock.
    pub(crate) fn share(&self) -> Self {
        Self(Locked::held(self.device()))
    }
}

impl<'a> Deref for CfgLocked<'a> {
    type Target = Locked<'a>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// The lock of one device (`device_lock()`). User space goes on accessing its configuration space.
///
/// # Examples
///
/// ```ignore
/// let lock = DeviceLock::new(&device);
/// lock.locked().set_master(false);
/// ```
pub(crate) struct DeviceLock<'a> {
    device: &'a pci::Device,
    _not_send: PhantomData<*mut ()>,
}

impl<'a> DeviceLock<'a> {
    /// Takes the lock. Sleeps until it is free, which may take as long as a reset or a driver's
    /// probe under way.
    pub(crate) fn new(device: &'a pci::Device) -> Self {
        // SAFETY: The device is valid, and so is the lock in it.
        unsafe { bindings::mutex_lock(&raw mut (*raw_dev(device)).mutex) };
        Self {
            device,
            _not_send: PhantomData,
        }
    }

    /// Returns the device, as long as the lock is held.
    pub(crate) fn locked(&self) -> Locked<'_> {
        Locked::held(self.device)
    }
}

impl Drop for DeviceLock<'_> {
    fn drop(&mut self) {
        // SAFETY: `new` took the lock in this thread.
        unsafe { bindings::mutex_unlock(&raw mut (*raw_dev(self.device)).mutex) };
    }
}

/// The locks of several devices, and their user-space configuration accesses held back, as the
/// kernel takes them for resets of a bus (`pci_bus_lock()`).
///
/// # Examples
///
/// ```ignore
/// let locks = DeviceLocks::new(devices); // The bridge, then what is below it.
/// for device in locks.iter() {
///     device.wake()?;
/// }
/// ```
pub(crate) struct DeviceLocks {
    devices: KVec<ARef<pci::Device>>,
    _not_send: PhantomData<*mut ()>,
}

impl DeviceLocks {
    /// Takes the locks in the order given, which must be bridges before what is below them and
    /// physical before virtual functions, each device once. Sleeps until they are free, which may
    /// take as long as a reset or a driver's probe under way.
    pub(crate) fn new(devices: KVec<ARef<pci::Device>>) -> Self {
        for device in &devices {
            // SAFETY: The device is valid.
            unsafe { bindings::pci_dev_lock(raw(device)) };
        }
        Self {
            devices,
            _not_send: PhantomData,
        }
    }

    /// Returns the devices in that order, as long as the locks are held.
    pub(crate) fn iter(&self) -> impl Iterator<Item = CfgLocked<'_>> {
        self.devices
            .iter()
            .map(|device| CfgLocked(Locked::held(device)))
    }

    /// Returns one of the devices by its index.
    pub(crate) fn get(&self, index: usize) -> Option<CfgLocked<'_>> {
        self.devices
            .get(index)
            .map(|device| CfgLocked(Locked::held(device)))
    }
}

impl Drop for DeviceLocks {
    fn drop(&mut self) {
        for device in self.devices.iter().rev() {
            // SAFETY: `new` took the lock in this thread.
            unsafe { bindings::pci_dev_unlock(raw(device)) };
        }
    }
}

/// While this lives, user space's accesses to the device's configuration space wait.
///
/// For resets in driver callbacks, where the driver core holds the device's lock but nobody keeps
/// user space from the registers of a device in reset. ([`DeviceLocks`] include this.) It holds on
/// to the [`Locked`] that it was made of, and like that can't leave the thread that has the lock.
///
/// # Examples
///
/// ```ignore
/// let access = ConfigAccess::block(&locked);
/// let device: CfgLocked<'_> = access.cfg_locked();
/// ```
pub(crate) struct ConfigAccess<'a> {
    locked: &'a Locked<'a>,
}

impl<'a> ConfigAccess<'a> {
    /// Waits for accesses under way and blocks new ones.
    pub(crate) fn block(locked: &'a Locked<'_>) -> Self {
        // SAFETY: The device is valid; this may sleep, and does so under the device's lock like
        // `pci_dev_lock()`.
        unsafe { bindings::pci_cfg_access_lock(raw(locked.device())) };
        Self { locked }
    }

    /// Returns the device, whose lock is held as long as this lives.
    pub(crate) fn cfg_locked(&self) -> CfgLocked<'_> {
        CfgLocked(Locked::held(self.locked.device()))
    }
}

impl Drop for ConfigAccess<'_> {
    fn drop(&mut self) {
        // SAFETY: `block` took it.
        unsafe { bindings::pci_cfg_access_unlock(raw(self.locked.device())) };
    }
}
