// SPDX-License-Identifier: GPL-2.0

//! What Xen must know of a device's MSI-X table before a guest gets the device.
//!
//! Xen can record where the table is, and write-protect it, only while dom0 owns the device: a
//! guest's device model can't do that later. A PV dom0 asks for it ([`prepare`]). Xen refuses that
//! to a PVH dom0, which maps one entry of the table for itself instead: Xen then records the table
//! as well ([`Hold`]). Documentation/msix.md has the whole argument.

use super::{
    notified,
    xen_name,
    Notified, //
};
use crate::{
    kapi::{
        pci::{
            DeviceExt,
            Locked, //
        },
        physdev::{
            self,
            physdev_op,
            MapPirq,
            UnmapPirq, //
        },
        xen::Dom0, //
    },
    pure::hypercall_answer as answer, //
};
use kernel::{
    ffi::c_int,
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
    },
};

/// `DOMID_SELF` (xen/interface/xen.h).
const SELF: u16 = 0x7ff0;

/// `-ENODATA`: Xen doesn't know where the table is.
pub(crate) const ENODATA: c_int = -61;

/// Makes Xen record the device's MSI-X table, as a PV dom0 does before a guest gets the device.
/// Does nothing for a device without MSI-X. Returns [`Notified::Impossible`] where Xen refuses it
/// to this kind of dom0. (That isn't logged: every Xen refuses it to a PVH dom0.)
///
/// # Errors
///
/// - Xen's errno, such as `EBUSY` for a table that is in use.
pub(crate) fn prepare(dom0: Dom0, device: &pci::Device) -> Result<Notified> {
    operate(device, |name| {
        physdev_op(dom0, &mut physdev::PrepareMsix(name))
    })
}

/// Undoes [`prepare`].
///
/// # Errors
///
/// - Xen's errno.
pub(crate) fn release(dom0: Dom0, device: &pci::Device) -> Result<Notified> {
    operate(device, |name| {
        physdev_op(dom0, &mut physdev::ReleaseMsix(name))
    })
}

fn operate(
    device: &pci::Device,
    operation: impl FnOnce(physdev::PciDevice) -> c_int,
) -> Result<Notified> {
    if !device.has_msix() {
        return Ok(Notified::NotNeeded);
    }
    let Some(name) = xen_name(device) else {
        return Ok(Notified::Impossible);
    };
    notified(answer::plain(operation(name)))
}

/// An entry of a device's MSI-X table.
#[derive(Clone, Copy)]
pub(crate) struct TableEntry {
    /// The address of the BAR that holds the table, on the bus.
    pub(crate) bar: u64,
    /// Which entry it is.
    pub(crate) index: u16,
}

/// An entry of a device's MSI-X table, mapped for dom0; while it is, Xen knows the table and
/// write-protects it. Dropping it lets go.
pub(crate) struct Hold {
    dom0: Dom0,
    device: ARef<pci::Device>,
    entry: TableEntry,
    pirq: i32,
    held: Atomic<bool>,
}

impl Hold {
    /// Maps the entry. Xen must take the device for dom0's, and it must decode memory. MSI-X stays
    /// off. Returns `None` where that can't be asked: Xen is older than 4.20, or the device has no
    /// name in its interface.
    ///
    /// # Errors
    ///
    /// - Xen's errno: `ENODEV` when it takes the device for another domain's, `ENOSPC` when dom0
    ///   has no PIRQ left, `EINVAL` when there is no interrupt vector left, `ENOMEM`, `ENODATA`
    ///   when it has lost the table (see [`is_lost`](Self::is_lost)).
    pub(crate) fn new(dom0: Dom0, locked: &Locked<'_>, entry: TableEntry) -> Result<Option<Self>> {
        let device = locked.device();
        let pirq = map(dom0, device, entry)?;
        Ok(pirq.map(|pirq| Self {
            dom0,
            device: device.into(),
            entry,
            pirq,
            held: Atomic::new(true),
        }))
    }

    /// Lets go of the table. The device should decode memory, or Xen leaves all of its MSI-X
    /// masked. May be called again, to no effect: a release calls it, and then the value is
    /// dropped.
    pub(crate) fn let_go(&self) {
        if self.held.xchg(false, Relaxed) {
            self.unmap(self.pirq);
        }
    }

    /// Returns `true` if Xen has lost the table, once it was let go of: maps an entry once more to
    /// see. The device must be there, with its addresses.
    ///
    /// It loses the table if a guest used MSI: it takes the hold for MSI-X of that guest, disables
    /// it, and loses count of the table's users (`__pci_enable_msi()` of xen/arch/x86/msi.c). The
    /// answer is `false` for a device that another domain still has, because then it can't be
    /// known.
    pub(crate) fn is_lost(&self) -> bool {
        match map(self.dom0, &self.device, self.entry) {
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

/// Maps an entry of the table for dom0; returns the PIRQ.
fn map(dom0: Dom0, device: &pci::Device, entry: TableEntry) -> Result<Option<i32>> {
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
        entry_nr: i32::from(entry.index),
        table_base: entry.bar,
    };
    match notified(answer::plain(physdev_op(dom0, &mut map)))? {
        Notified::Done if map.pirq < 0 => Err(EIO),
        Notified::Done => Ok(Some(map.pirq)),
        Notified::Impossible | Notified::NotNeeded => Ok(None),
    }
}
