// SPDX-License-Identifier: GPL-2.0

//! The addresses that the kernel gave to a device.
//!
//! C header: [`include/linux/ioport.h`](srctree/include/linux/ioport.h)

use super::{
    raw,
    Locked, //
};
use crate::pure::base_address::Space;
use core::ops::RangeInclusive;
use kernel::{
    bindings,
    ffi::c_ulong, //
};

/// What a Base Address Register is for, and the address that it should hold.
pub(crate) struct Assigned {
    /// The kind of addresses.
    pub(crate) space: Space,
    /// The address, as the bus sees it.
    pub(crate) address: u64,
}

/// Addresses that a Base Address Register, or that of the ROM, is for.
pub(crate) struct Region {
    /// The kind of addresses.
    pub(crate) space: Space,
    /// The first one, as the bus sees it.
    pub(crate) address: u64,
    /// How many there are.
    pub(crate) size: u64,
    /// The lowest four bits of the register (`PCI_REGION_FLAG_MASK`).
    pub(crate) flags: u8,
}

/// A resource of a device.
struct Resource {
    flags: c_ulong,
    /// Its address for the processor.
    start: bindings::resource_size_t,
    /// Its addresses on the bus.
    region: bindings::pci_bus_region,
}

impl Resource {
    fn has(&self, flag: u32) -> bool {
        // CAST: It is at least as wide.
        self.flags & flag as c_ulong != 0
    }

    /// Returns the kind of its addresses, if it has some.
    fn space(&self) -> Option<Space> {
        if self.has(bindings::IORESOURCE_IO) {
            Some(Space::Io)
        } else if self.has(bindings::IORESOURCE_MEM_64) {
            Some(Space::Memory64)
        } else if self.has(bindings::IORESOURCE_MEM) {
            Some(Space::Memory)
        } else {
            None
        }
    }
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
        let resource = self.resource(bar).filter(|_| bar < Self::ROM)?;
        let space = resource.space()?;
        if resource.has(bindings::IORESOURCE_PCI_FIXED) {
            return None;
        }
        Some(Assigned {
            space,
            address: resource.region.start,
        })
    }

    /// Returns the addresses of the device's memory that a Base Address Register is for, as the bus
    /// sees them: first and last. `None` if there is no such register, it is for I/O, or the memory
    /// has no address.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let (first, last) = locked.memory(0).ok_or(EIO)?.into_inner();
    /// ```
    pub(crate) fn memory(&self, bar: u8) -> Option<RangeInclusive<u64>> {
        let resource = self.resource(bar).filter(|_| bar < Self::ROM)?;
        (resource.has(bindings::IORESOURCE_MEM) && resource.start != 0)
            .then_some(resource.region.start..=resource.region.end)
    }

    /// Returns the addresses that a register is for, 0 to 5, or [`ROM`](Self::ROM); `None` where
    /// there is no such register, it is the upper half of the one before, the device's addresses
    /// aren't to be used, are used in this domain, or the device may have been removed.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let rom = locked.region(Locked::ROM);
    /// ```
    pub(crate) fn region(&self, register: u8) -> Option<Region> {
        let resource = self.resource(register)?;
        if resource.has(bindings::IORESOURCE_DISABLED | bindings::IORESOURCE_BUSY) {
            return None;
        }
        // CAST: Only these bits.
        let flags = (resource.flags & 0xf) as u8;
        Some(Region {
            space: resource.space()?,
            address: resource.region.start,
            size: (resource.region.end)
                .wrapping_sub(resource.region.start)
                .wrapping_add(1),
            flags,
        })
    }

    /// Returns `true` if the kernel knows of a Base Address Register, or of the upper half of the
    /// one before, whether or not it has given it an address.
    ///
    /// # Examples
    ///
    /// ```ignore
    /// if locked.has_register(1) {
    ///     // It, or register 0 together with it, can hold an address.
    /// }
    /// ```
    pub(crate) fn has_register(&self, bar: u8) -> bool {
        let flags = |bar: u8| {
            // SAFETY: The device is valid; which registers it has is known when it is found.
            let resources = unsafe { &(*raw(self.device())).resource };
            let resource = resources.get(usize::from(bar)).filter(|_| bar < Self::ROM);
            resource.map_or(0, |resource| resource.flags)
        };
        // CAST: It is at least as wide.
        let is_wide = |bar: u8| flags(bar) & bindings::IORESOURCE_MEM_64 as c_ulong != 0;
        flags(bar) != 0 || bar.checked_sub(1).is_some_and(is_wide)
    }

    /// The number of the ROM's register among those of addresses.
    pub(crate) const ROM: u8 = bindings::PCI_ROM_RESOURCE as u8;

    /// Returns what the kernel knows of the register for some addresses; `None` where there is
    /// none, where it has no address, or where the device may have been removed.
    fn resource(&self, bar: u8) -> Option<Resource> {
        if bar > Self::ROM || self.check_there().is_err() {
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
        let mut region = bindings::pci_bus_region { start: 0, end: 0 };
        // SAFETY: As above. The device is there, so its bus and those above are; the resource is
        // read, the region written.
        let (flags, start) = unsafe {
            bindings::pcibios_resource_to_bus((*device).bus, &mut region, resource);
            ((*resource).flags, (*resource).start)
        };
        let found = Resource {
            flags,
            start,
            region,
        };
        (!found.has(bindings::IORESOURCE_UNSET)).then_some(found)
    }
}
