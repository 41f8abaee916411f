// SPDX-License-Identifier: GPL-2.0

//! Where a function decodes memory and I/O.

use super::{raw, DeviceExt, Locked};
use crate::{
    kapi::fault,
    pure::base_address::{holds, Space},
};
use kernel::{bindings, prelude::*};

/// How many Base Address Registers an endpoint has (PCI 3.0 sec 6.2.5).
const COUNT: usize = 6;

/// The Base Address Registers, as they read. (All ones from a device that doesn't answer, all zero
/// from a virtual function, and after many resets until they are restored.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bars([u32; COUNT]);

impl Bars {
    /// Reads them.
    pub(super) fn read(locked: &Locked<'_>) -> Self {
        let mut bars = [u32::MAX; COUNT];
        let first = bindings::PCI_BASE_ADDRESS_0 as i32;
        for (offset, bar) in (first..).step_by(4).zip(&mut bars) {
            // SAFETY: The device is valid. A failed access leaves all ones.
            unsafe { bindings::pci_read_config_dword(raw(locked.device()), offset, bar) };
        }
        Self(bars)
    }

    /// Tells whether the registers hold what the kernel gave to the device
    /// (`pci_std_update_resource()` writes it).
    fn are_as_assigned(self, locked: &Locked<'_>) -> bool {
        let Self(bars) = self;
        let device = raw(locked.device());
        // SAFETY: The device is valid; its driver, which this is about to be, and nobody else gives
        // its resources other addresses.
        let resources = unsafe { &raw mut (*device).resource }.cast::<bindings::resource>();
        bars.iter().enumerate().all(|(place, low)| {
            // SAFETY: A device has more resources than registers.
            let resource = unsafe { resources.add(place) };
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
                return true; // There is no such register, or it is half of the one before.
            };
            if has(bindings::IORESOURCE_UNSET) || has(bindings::IORESOURCE_PCI_FIXED) {
                return true;
            }
            let mut region = bindings::pci_bus_region { start: 0, end: 0 };
            // SAFETY: The device holds a reference to its bus; the resource is read, the region
            // written.
            unsafe { bindings::pcibios_resource_to_bus((*device).bus, &mut region, resource) };
            let high = bars.get(place.saturating_add(1)).copied().unwrap_or(0);
            holds(space, *low, high, region.start)
        })
    }
}

impl Locked<'_> {
    /// Returns where the memory BAR with that index is on the bus, and how long it is; `None` if there
    /// is no such BAR, or it has no address.
    pub(super) fn memory_bar(&self, index: u32) -> Option<(u64, u64)> {
        let place = usize::try_from(index).ok().filter(|place| *place < COUNT)?;
        let device = raw(self.device());
        // SAFETY: The device is valid, and has more resources than registers.
        let resource = unsafe {
            (&raw mut (*device).resource)
                .cast::<bindings::resource>()
                .add(place)
        };
        // SAFETY: The device is valid; nobody gives its resources other addresses while it is locked.
        let (flags, start, end) =
            unsafe { ((*resource).flags, (*resource).start, (*resource).end) };
        // CAST: usize is at least as wide.
        let has = |flag: u32| flags & flag as usize != 0;
        if !has(bindings::IORESOURCE_MEM) || has(bindings::IORESOURCE_UNSET) || start == 0 {
            return None;
        }
        let mut region = bindings::pci_bus_region { start: 0, end: 0 };
        // SAFETY: The device holds a reference to its bus; the resource is read, the region written.
        unsafe { bindings::pcibios_resource_to_bus((*device).bus, &mut region, resource) };
        let length = end.checked_sub(start)?.checked_add(1)?;
        Some((region.start, length))
    }

    /// Sees to it that the device is awake and has the addresses that the kernel gave it. A reset
    /// that failed may have left it without.
    ///
    /// # Errors
    ///
    /// - `EIO`: it isn't, or hasn't.
    /// - Any other errno of waking it up.
    pub(crate) fn check_addresses(&self) -> Result {
        self.wake()?;
        fault::point("address registers")?;
        self.has_addresses().then_some(()).ok_or(EIO)
    }

    /// Tells whether the device, which is awake, has the addresses that the kernel gave it.
    pub(crate) fn has_addresses(&self) -> bool {
        // Those of a virtual function are its physical one's.
        self.device().is_virtual_function() || Bars::read(self).are_as_assigned(self)
    }
}
