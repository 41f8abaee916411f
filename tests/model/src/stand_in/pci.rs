// SPDX-License-Identifier: GPL-2.0

//! `kernel::pci` and `crate::kapi::pci`.

use crate::pure::{domid::DomId, sbdf::Sbdf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A PCI device, with who uses it by the kernel's list. (The lock is none of shuttle's: nobody else
/// runs meanwhile.)
#[derive(Clone)]
pub(crate) struct Device(Arc<(Sbdf, Mutex<Option<DomId>>)>);

impl Device {
    pub(crate) fn new(sbdf: Sbdf) -> Self {
        Self(Arc::new((sbdf, Mutex::new(None))))
    }

    pub(crate) fn owner(&self) -> MutexGuard<'_, Option<DomId>> {
        self.0 .1.lock().expect("no holder has failed")
    }

    pub(crate) fn sbdf(&self) -> Sbdf {
        self.0 .0
    }

    pub(crate) fn header(&self) -> Header {
        Header::Normal
    }
}

#[derive(PartialEq, Eq)]
pub(crate) enum Header {
    Normal,
}

pub(crate) trait DeviceExt {}

pub(crate) trait Unlocked {}
