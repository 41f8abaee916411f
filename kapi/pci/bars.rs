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
        bars.iter().enumerate().all(|(place, low)| {
            let Some(given) = Given::at(locked, place) else {
                return true; // There is no such register.
            };
            let space = if given.has(bindings::IORESOURCE_IO) {
                Space::Io
            } else if given.has(bindings::IORESOURCE_MEM_64) {
                Space::Memory64
            } else if given.has(bindings::IORESOURCE_MEM) {
                Space::Memory
            } else {
                return true; // There is no such register, or it is half of the one before.
            };
            if given.has(bindings::IORESOURCE_UNSET) || given.has(bindings::IORESOURCE_PCI_FIXED) {
                return true;
            }
            let high = bars.get(place.saturating_add(1)).copied().unwrap_or(0);
            holds(space, *low, high, given.bus.start)
        })
    }
}

/// What the kernel gave to a Base Address Register.
struct Given {
    flags: usize,
    /// Whether there is an address at all: none begins at 0.
    somewhere: bool,
    /// The addresses on the bus.
    bus: bindings::pci_bus_region,
}

impl Given {
    /// Looks at the register's resource; `None` if an endpoint has no such register.
    fn at(locked: &Locked<'_>, place: usize) -> Option<Self> {
        if place >= COUNT {
            return None;
        }
        let device = raw(locked.device());
        // SAFETY: The device is valid, and has more resources than registers.
        let resource = unsafe {
            (&raw mut (*device).resource)
                .cast::<bindings::resource>()
                .add(place)
        };
        // SAFETY: The device is valid; its driver, which this is about to be, and nobody else gives
        // its resources other addresses.
        let (flags, start) = unsafe { ((*resource).flags, (*resource).start) };
        let mut bus = bindings::pci_bus_region { start: 0, end: 0 };
        // SAFETY: The device holds a reference to its bus; the resource is read, the region written.
        unsafe { bindings::pcibios_resource_to_bus((*device).bus, &mut bus, resource) };
        Some(Self {
            flags,
            somewhere: start != 0,
            bus,
        })
    }

    /// Tells whether a flag (`IORESOURCE_*`) is set.
    fn has(&self, flag: u32) -> bool {
        // CAST: usize is at least as wide.
        self.flags & flag as usize != 0
    }
}

impl Locked<'_> {
    /// Returns where the memory BAR with that index is on the bus, and how long it is; `None` if there
    /// is no such BAR, or it has no address.
    pub(super) fn memory_bar(&self, index: u32) -> Option<(u64, u64)> {
        let given = Given::at(self, usize::try_from(index).ok()?)?;
        if !given.has(bindings::IORESOURCE_MEM)
            || given.has(bindings::IORESOURCE_UNSET)
            || !given.somewhere
        {
            return None;
        }
        let length = given.bus.end.checked_sub(given.bus.start)?.checked_add(1)?;
        Some((given.bus.start, length))
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
