// SPDX-License-Identifier: GPL-2.0

//! What Xen must know of a device's MSI-X table before a guest gets the device.
//!
//! Xen records where the table is, and write-protects it, while dom0 owns the device: a guest's
//! device model can't have it record that later. A PV dom0 asks for it ([`prepare`]). Xen refuses
//! that to a PVH dom0, which maps one entry of the table for itself instead: Xen then records the
//! table as well ([`Hold`]). Documentation/msix.md has the whole argument.

use super::{told, xen_name, Told};
use crate::{
    kapi::{
        pci::{DeviceExt, Locked, MsixTable},
        physdev::{self, physdev_op, MapPirq, UnmapPirq},
        xen::Dom0,
    },
    pure::hypercall_answer as answer,
};
use core::sync::atomic::{AtomicBool, Ordering};
use kernel::{ffi::c_int, pci, prelude::*, sync::aref::ARef};

/// `DOMID_SELF` (xen/interface/xen.h).
const SELF: u16 = 0x7ff0;

/// `-ENODATA`: Xen doesn't know where the table is.
pub(crate) const ENODATA: c_int = -61;

/// Has Xen record the device's MSI-X table, as a PV dom0 does before a guest gets the device. Does
/// nothing for a device without MSI-X. Returns [`Told::Impossible`] where Xen refuses it to this
/// kind of dom0; that every Xen refuses it to a PVH dom0 is no news for the log.
///
/// # Errors
///
/// - Xen's errno, such as `EBUSY` for a table that is in use.
pub(crate) fn prepare(dom0: Dom0, device: &pci::Device) -> Result<Told> {
    operate(device, |name| {
        physdev_op(dom0, &mut physdev::PrepareMsix(name))
    })
}

/// Undoes [`prepare`].
///
/// # Errors
///
/// - Xen's errno.
pub(crate) fn release(dom0: Dom0, device: &pci::Device) -> Result<Told> {
    operate(device, |name| {
        physdev_op(dom0, &mut physdev::ReleaseMsix(name))
    })
}

fn operate(
    device: &pci::Device,
    operation: impl FnOnce(physdev::PciDevice) -> c_int,
) -> Result<Told> {
    if !device.has_msix() {
        return Ok(Told::NotNeeded);
    }
    let Some(name) = xen_name(device) else {
        return Ok(Told::Impossible);
    };
    told(answer::plain(operation(name)))
}

/// The last entry of a device's MSI-X table, mapped for dom0; while it is, Xen knows the table and
/// write-protects it. Dropping it lets go.
pub(crate) struct Hold {
    dom0: Dom0,
    device: ARef<pci::Device>,
    table: MsixTable,
    pirq: i32,
    held: AtomicBool,
}

impl Hold {
    /// Maps the last entry: the one that guests are least likely to use. Xen must take the device
    /// for dom0's, and it must decode memory. MSI-X stays off. Returns `None` where that can't be
    /// asked: Xen is older than 4.20, or the device has no name in its interface.
    ///
    /// # Errors
    ///
    /// - Xen's errno: `ENODEV` when it takes the device for another domain's, `ENOSPC` when dom0 has
    ///   no PIRQ left, `EINVAL` when there is no interrupt vector left, `ENOMEM`, `ENODATA` when it
    ///   has lost the table (see [`is_lost`](Self::is_lost)).
    pub(crate) fn new(dom0: Dom0, locked: &Locked<'_>, table: MsixTable) -> Result<Option<Self>> {
        let device = locked.device();
        let Some(pirq) = map(dom0, device, table)? else {
            return Ok(None);
        };
        table.unmask(locked);
        Ok(Some(Self {
            dom0,
            device: device.into(),
            table,
            pirq,
            held: AtomicBool::new(true),
        }))
    }

    /// Lets go of the table. The device should decode memory, or Xen leaves all of its MSI-X masked.
    /// May be called again, to no effect: a release calls it, and then the value is dropped.
    pub(crate) fn let_go(&self) {
        if self.held.swap(false, Ordering::Relaxed) {
            self.unmap(self.pirq);
        }
    }

    /// Returns `true` if Xen has lost the table, once it was let go of: maps an entry once more to
    /// see. The device must be there, with its addresses.
    ///
    /// That is so if a guest used MSI: Xen then takes the hold for the guest's own MSI-X, stops it,
    /// and loses count of the table's users (`__pci_enable_msi()` of xen/arch/x86/msi.c). Of a device
    /// that Xen takes for another domain's nothing can be said.
    pub(crate) fn is_lost(&self) -> bool {
        match map(self.dom0, &self.device, self.table) {
            Ok(Some(pirq)) => {
                self.unmap(pirq);
                false
            }
            Ok(None) => false,
            Err(error) => error.to_errno() == ENODATA,
        }
    }

    fn unmap(&self, pirq: i32) {
        let ret = physdev_op(self.dom0, &mut UnmapPirq { domid: SELF, pirq });
        if ret < 0 {
            dev_warn!(
                self.device,
                "PIRQ {pirq} not unmapped ({ret}): Xen goes on holding the MSI-X table\n"
            );
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Maps the last entry of the table for dom0; returns the PIRQ.
fn map(dom0: Dom0, device: &pci::Device, table: MsixTable) -> Result<Option<i32>> {
    let Some(name) = xen_name(device) else {
        return Ok(None);
    };
    let mut map = MapPirq {
        domid: SELF,
        kind: MapPirq::MSI_SEG,
        index: -1,
        pirq: -1,
        bus: u32::from(name.seg) << 16 | u32::from(name.bus),
        devfn: i32::from(name.devfn),
        entry_nr: i32::from(table.last()),
        table_base: table.bar,
    };
    match told(answer::plain(physdev_op(dom0, &mut map)))? {
        Told::Done if map.pirq < 0 => Err(EIO),
        Told::Done => Ok(Some(map.pirq)),
        Told::Impossible | Told::NotNeeded => Ok(None),
    }
}
