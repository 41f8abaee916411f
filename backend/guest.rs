// SPDX-License-Identifier: GPL-2.0

//! One guest: its directory, its device on xenbus, and the devices that it uses.
//!
//! Most guests also have a device on xenbus, which links the directory with the frontend's; only
//! those are answered. The devices count as the guest's either way.

use super::{
    export::Export,
    frontend::Frontend, //
};
use crate::{
    kapi::{
        module_ref::ModuleRef,
        xenbus::XenbusDevice, //
    },
    pure::{
        domid::DomId,
        sbdf::Sbdf, //
    },
};
use kernel::{
    impl_has_work,
    new_mutex,
    new_work,
    prelude::*,
    str::CString,
    sync::{
        atomic::{
            Acquire,
            Atomic, //
        },
        Arc,
        Mutex, //
    },
    workqueue::Work, //
};

/// A guest.
///
/// One thread at a time reconciles it: its work item, or whoever can't wait for that.
#[pin_data]
pub(super) struct Guest {
    /// Its directory: `backend/pci/DOMAIN/NUMBER`, below dom0's own.
    pub(super) node: CString,
    pub(super) domain: DomId,
    /// The device on xenbus, while the driver is bound to it. It may be written to under this lock.
    #[pin]
    pub(super) device: Mutex<Option<XenbusDevice>>,
    /// The connection to its frontend, if that is one with operations.
    pub(super) frontend: Frontend,
    /// Held while the guest is reconciled.
    #[pin]
    pub(super) uses: Mutex<Uses>,
    /// The guest waits for a listed device that another guest still has.
    pub(super) waits: Atomic<bool>,
    #[pin]
    work: Work<Self>,
}

/// What a guest uses.
pub(super) struct Uses {
    pub(super) exports: KVec<Export>,
    /// Listed devices that were refused, with the errno: each is logged once.
    pub(super) refused: KVec<(Option<Sbdf>, i32)>,
    /// Keeps the module loaded while there are exports: without it nobody would know of them.
    pub(super) module: Option<ModuleRef>,
    /// The guest is no longer in the table.
    pub(super) retired: bool,
}

impl_has_work! {
    impl HasWork<Self> for Guest { self.work }
}

impl Guest {
    /// Makes a guest that uses nothing yet.
    pub(super) fn new(node: &CStr, domain: DomId) -> Result<Arc<Self>> {
        let node = CString::try_from(node)?;
        let frontend = Frontend::new()?;
        let uses = Uses {
            exports: KVec::new(),
            refused: KVec::new(),
            module: None,
            retired: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                node,
                domain,
                device <- new_mutex!(None),
                frontend,
                uses <- new_mutex!(uses),
                waits: Atomic::new(false),
                work <- new_work!("pciback_guest"),
            }),
            GFP_KERNEL,
        )
    }

    /// Returns its directory.
    pub(super) fn node(&self) -> &CStr {
        &self.node
    }

    /// Returns the domain.
    pub(super) fn domain(&self) -> DomId {
        self.domain
    }

    /// Returns `true` if it waits for a device that another guest still has.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Acquire)
    }

    /// Xenbus gives the directory to the driver.
    pub(super) fn bind(&self, device: XenbusDevice) {
        *self.device.lock() = Some(device);
    }

    /// Returns `true` if xenbus has given the directory to the driver.
    pub(super) fn is_bound(&self) -> bool {
        self.device.lock().is_some()
    }

    /// Does something to the device on xenbus, if the driver is bound to it.
    pub(super) fn while_bound(&self, action: impl FnOnce(&mut XenbusDevice) -> Result) -> Result {
        match &mut *self.device.lock() {
            Some(device) => action(device),
            None => Ok(()),
        }
    }
}
