// SPDX-License-Identifier: GPL-2.0

//! Where a device has its MSI-X table, and whether all of its vectors are masked.

use super::{raw, Locked};
use crate::kapi::fault;
use kernel::{bindings, prelude::*};

/// The bit that masks all vectors, in the Message Control register (PCIe r6.0 sec 7.9.2.2).
const MASK_ALL: u16 = bindings::PCI_MSIX_FLAGS_MASKALL as u16;

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
    /// - `EIO`: the device doesn't answer, has no such capability, or says that the table is where
    ///   none of its memory is.
    pub(crate) fn read(locked: &Locked<'_>) -> Result<Self> {
        let device = locked.device();
        fault::point("read of MSI-X")?;
        // SAFETY: The device is valid. The function answers -EINVAL where there is no capability.
        let entries = unsafe { bindings::pci_msix_vec_count(raw(device)) };
        let entries = u16::try_from(entries).map_err(|_| EIO)?;
        let mut table = u32::MAX;
        // SAFETY: The device is valid. A failed access leaves all ones, which names no BAR.
        unsafe {
            bindings::pci_read_config_dword(
                raw(device),
                Self::register(locked, bindings::PCI_MSIX_TABLE),
                &mut table,
            )
        };
        let offset = table & !bindings::PCI_MSIX_TABLE_BIR;
        let (bar, length) = locked
            .memory_bar(table & bindings::PCI_MSIX_TABLE_BIR)
            .ok_or(EIO)?;
        let size = u64::from(entries).saturating_mul(u64::from(bindings::PCI_MSIX_ENTRY_SIZE));
        // Xen would write to whatever is there.
        if size == 0 || u64::from(offset).saturating_add(size) > length {
            return Err(EIO);
        }
        Ok(Self {
            bar,
            offset,
            entries,
        })
    }

    /// Returns the index of the last entry.
    pub(crate) fn last(&self) -> u16 {
        self.entries.saturating_sub(1)
    }

    /// Clears the bit that masks all vectors.
    ///
    /// When Xen maps a vector it sets the bit if dom0 had set it last, be that long ago, and it
    /// assigns no device that has it set (`pci_reset_msix_state()`). Reading says nothing: vPCI
    /// answers from a copy of its own, which the notification of a reset clears. It passes on changes
    /// of that copy only, so the bit is written as set first.
    pub(crate) fn unmask(&self, locked: &Locked<'_>) {
        let offset = Self::register(locked, bindings::PCI_MSIX_FLAGS);
        let mut control = u16::MAX;
        // SAFETY: The device is valid. A failed access leaves all ones, as one that is gone reads.
        unsafe { bindings::pci_read_config_word(raw(locked.device()), offset, &mut control) };
        if control == u16::MAX {
            return;
        }
        for value in [control | MASK_ALL, control & !MASK_ALL] {
            // SAFETY: The device is valid, and its lock keeps drivers from writing at the same time.
            unsafe { bindings::pci_write_config_word(raw(locked.device()), offset, value) };
        }
    }

    /// Returns where a register of the capability is in configuration space.
    fn register(locked: &Locked<'_>, offset: u32) -> i32 {
        // SAFETY: The device is valid; the field is set when it is found.
        let capability = i32::from(unsafe { (*raw(locked.device())).msix_cap });
        // CAST: Offsets in a capability are small.
        capability.saturating_add(offset as i32)
    }
}
