// SPDX-License-Identifier: GPL-2.0

//! Where the MSI-X table of a device is, and how the driver makes Xen hold it.

use crate::{
    hypercall::msix::{
        Hold,
        TableEntry, //
    },
    kapi::{
        fault,
        pci::Locked,
        xen::Dom0, //
    },
};
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

/// Offset of the Message Control register in the capability (PCIe r6.0 sec 7.9.2.2), its bit that
/// masks all vectors, and its bits with the number of entries less one.
const CONTROL: c_int = bindings::PCI_MSIX_FLAGS as c_int;
const MASK_ALL: u16 = bindings::PCI_MSIX_FLAGS_MASKALL as u16;
const SIZE: u16 = bindings::PCI_MSIX_FLAGS_QSIZE as u16;
/// Offset of the register that says where the table is (PCIe r6.0 sec 7.9.2.3), and the bits in it
/// that name a BAR.
const TABLE: c_int = bindings::PCI_MSIX_TABLE as c_int;
const BAR: u32 = bindings::PCI_MSIX_TABLE_BIR;

/// An MSI-X table, as the capability describes it (PCIe r6.0 sec 7.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MsixTable {
    /// The address of the BAR that holds it, on the bus.
    pub(crate) bar: u64,
    /// Where it begins in the BAR, in bytes.
    pub(crate) offset: u32,
    /// The number of its entries: 1 to 2048.
    pub(crate) entries: u16,
}

impl MsixTable {
    /// Reads the capability.
    ///
    /// # Errors
    ///
    /// - `EIO`: the device doesn't answer, has no such capability, or names a BAR that isn't
    ///   memory.
    pub(crate) fn read(locked: &Locked<'_>) -> Result<Self> {
        fault::point("read of MSI-X")?;
        let capability = locked.msix_capability().ok_or(EIO)?;
        let control = locked.read_u16(capability.saturating_add(CONTROL));
        let entries = (control & SIZE).saturating_add(1);
        // All ones, from a device that doesn't answer, names no BAR.
        let table = locked.read_u32(capability.saturating_add(TABLE));
        let offset = table & !BAR;
        // CAST: The bits are the lowest three.
        let memory = locked.memory((table & BAR) as u8).ok_or(EIO)?;
        let bar = *memory.start();
        let size = u64::from(entries).saturating_mul(u64::from(bindings::PCI_MSIX_ENTRY_SIZE));
        let end = bar.saturating_add(u64::from(offset)).saturating_add(size);
        // Xen would write to whatever is there.
        if end.saturating_sub(1) > *memory.end() {
            return Err(EIO);
        }
        Ok(Self {
            bar,
            offset,
            entries,
        })
    }

    /// Makes Xen hold the table by its last entry: the one that guests are least likely to use.
    /// MSI-X stays off. [`Hold::new`] says what must hold before, and what `None` means.
    ///
    /// # Errors
    ///
    /// - Those of [`Hold::new`].
    pub(crate) fn hold(&self, dom0: Dom0, locked: &Locked<'_>) -> Result<Option<Hold>> {
        let last = TableEntry {
            bar: self.bar,
            index: self.entries.saturating_sub(1),
        };
        let hold = Hold::new(dom0, locked, last)?;
        if hold.is_some() {
            unmask(locked);
        }
        Ok(hold)
    }
}

/// Clears the bit that masks all vectors.
///
/// When Xen maps a vector it sets the bit again if dom0 left it set, however long ago, and it
/// assigns no device that has it set (`pci_reset_msix_state()`). Reading the bit doesn't help: vPCI
/// answers from its own copy, which the notification of a reset clears. vPCI writes to the device
/// only when that copy changes, so the bit is written as set first.
fn unmask(locked: &Locked<'_>) {
    let Some(capability) = locked.msix_capability() else {
        return;
    };
    let offset = capability.saturating_add(CONTROL);
    let control = locked.read_u16(offset);
    // All ones: the device is gone.
    if control != u16::MAX {
        locked.write_u16(offset, control | MASK_ALL);
        locked.write_u16(offset, control & !MASK_ALL);
    }
}
