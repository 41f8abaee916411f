// SPDX-License-Identifier: GPL-2.0

//! `kernel::pci` and `crate::kapi::pci`.

use super::{
    alloc::KVec,
    bindings::{self, Embedded, Lock},
    context::might_sleep,
    saved_state::Quiet,
    sync::aref::ARef,
};
use crate::pure::{domid::DomId, sbdf::Sbdf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A PCI device.
#[derive(Clone)]
pub(crate) struct Device(Arc<Inner>);

struct Inner {
    sbdf: Sbdf,
    /// Who uses it by the kernel's list. (The lock is none of shuttle's: nobody else runs meanwhile.)
    owner: Mutex<Option<DomId>>,
    /// That of `struct device`.
    lock: Lock,
    dev: Embedded,
}

impl Device {
    pub(crate) fn new(sbdf: Sbdf) -> Self {
        Self(Arc::new(Inner {
            sbdf,
            owner: Mutex::new(None),
            lock: Lock::new(),
            dev: Embedded::new(),
        }))
    }

    pub(crate) fn owner(&self) -> MutexGuard<'_, Option<DomId>> {
        self.0.owner.lock().expect("no holder has failed")
    }

    pub(crate) fn sbdf(&self) -> Sbdf {
        self.0.sbdf
    }

    pub(crate) fn header(&self) -> Header {
        Header::Normal
    }

    fn lock(&self) -> &Lock {
        &self.0.lock
    }

    pub(crate) fn is_virtual_function(&self) -> bool {
        false
    }
}

/// Returns the C structure of a device.
pub(crate) fn raw_dev(device: &Device) -> *mut bindings::device {
    device.0.dev.get()
}

/// A device whose lock is held.
pub(crate) struct Locked<'a>(&'a Device);

impl<'a> Locked<'a> {
    pub(crate) fn of(device: &'a Device) -> Self {
        Self(device)
    }

    pub(crate) fn device(&self) -> &'a Device {
        self.0
    }

    pub(crate) fn quiesce(&self) -> Quiet {
        Quiet
    }

    pub(crate) fn set_assigned(&self, _: bool) {}
}

/// The locks of several devices.
pub(crate) struct DeviceLocks(KVec<ARef<Device>>);

impl DeviceLocks {
    pub(crate) fn new(devices: KVec<ARef<Device>>) -> Self {
        for device in &devices {
            might_sleep();
            device.lock().take();
        }
        Self(devices)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Locked<'_>> {
        self.0.iter().map(|device| Locked(device))
    }
}

impl Drop for DeviceLocks {
    fn drop(&mut self) {
        for device in self.0.iter().rev() {
            device.lock().give_back();
        }
    }
}

#[derive(PartialEq, Eq)]
pub(crate) enum Header {
    Normal,
}

pub(crate) trait DeviceExt {}

pub(crate) trait Unlocked {}
