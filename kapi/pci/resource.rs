// SPDX-License-Identifier: GPL-2.0

//! The addresses that the kernel gave to a device.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use super::{
    raw,
    Locked, //
};
use crate::pure::base_address::Space;
use kernel::bindings;

/// What a Base Address Register is for, and the address that it should hold.
pub(crate) struct Assigned {
    /// The kind of addresses.
    pub(crate) space: Space,
    /// The address, as the bus sees it.
    pub(crate) address: u64,
}

impl Locked<'_> {
    /// Returns what the kernel assigned to a Base Address Register; `None` where there is no such
    /// register, where it is the upper half of the one before, or where its address is not the
    /// kernel's to give.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// if let Some(Assigned { space, address }) = locked.assigned(0) {
    ///     // What BAR 0 must hold.
    /// }
    /// ```
    pub(crate) fn assigned(&self, bar: u8) -> Option<Assigned> {
        if u32::from(bar) >= bindings::PCI_STD_NUM_BARS {
            return None;
        }
        let device = raw(self.device());
        // SAFETY: The device is valid, and has more resources than registers. Its driver, whose
        // lock is held, and nobody else gives its resources other addresses.
        let resource = unsafe {
            (&raw mut (*device).resource)
                .cast::<bindings::resource>()
                .add(usize::from(bar))
        };
        // SAFETY: As above.
        let flags = unsafe { (*resource).flags };
        // CAST: usize is at least as wide.
        let has = |flag: u32| flags & flag as usize != 0;
        let space = if has(bindings::IORESOURCE_IO) {
            Space::Io
        } else if has(bindings::IORESOURCE_MEM_64) {
            Space::Memory64
        } else if has(bindings::IORESOURCE_MEM) {
            Space::Memory
        } else {
            return None;
        };
        if has(bindings::IORESOURCE_UNSET) || has(bindings::IORESOURCE_PCI_FIXED) {
            return None;
        }
        let mut region = bindings::pci_bus_region { start: 0, end: 0 };
        // SAFETY: The device holds a reference to its bus; the resource is read, the region
        // written.
        unsafe { bindings::pcibios_resource_to_bus((*device).bus, &mut region, resource) };
        Some(Assigned {
            space,
            address: region.start,
        })
    }
}
