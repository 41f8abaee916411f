// SPDX-License-Identifier: GPL-2.0

//! Where a function decodes memory and I/O.

use crate::{
    kapi::{
        fault,
        pci::{
            Assigned,
            DeviceExt,
            Locked, //
        },
    },
    pure::base_address::holds, //
};
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

/// How many Base Address Registers an endpoint has (PCI 3.0 sec 6.2.5).
const COUNT: usize = 6;

/// The Base Address Registers, as they read. (All ones from a device that doesn't answer, all zero
/// from a virtual function, and after many resets until they are restored.)
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bars([u32; COUNT]);

impl Bars {
    /// Reads them.
    pub(crate) fn read(locked: &Locked<'_>) -> Self {
        let mut bars = [u32::MAX; COUNT];
        let first = bindings::PCI_BASE_ADDRESS_0 as c_int;
        for (offset, bar) in (first..).step_by(4).zip(&mut bars) {
            *bar = locked.read_u32(offset);
        }
        Self(bars)
    }

    /// Returns `true` if the registers hold what the kernel gave to the device
    /// (`pci_std_update_resource()` writes it).
    fn are_as_assigned(self, locked: &Locked<'_>) -> bool {
        let Self(bars) = self;
        (0u8..)
            .zip(bars.iter().enumerate())
            .all(|(bar, (index, low))| {
                let Some(Assigned { space, address }) = locked.assigned(bar) else {
                    return true;
                };
                let high = bars.get(index.saturating_add(1)).copied().unwrap_or(0);
                holds(space, *low, high, address)
            })
    }
}

impl Locked<'_> {
    /// Wakes the device and checks that its BARs hold the addresses that the kernel gave it: a
    /// reset that failed may have cleared them.
    ///
    /// # Errors
    ///
    /// - `EIO`: it doesn't answer, or its BARs hold something else.
    /// - Any other errno of waking it up.
    pub(crate) fn check_addresses(&self) -> Result {
        self.wake()?;
        fault::point("address registers")?;
        self.has_addresses().then_some(()).ok_or(EIO)
    }

    /// Returns `true` if the device, which is awake, has the addresses that the kernel gave it.
    pub(crate) fn has_addresses(&self) -> bool {
        // A virtual function's addresses are in its physical function.
        self.device().is_virtual_function() || Bars::read(self).are_as_assigned(self)
    }
}
