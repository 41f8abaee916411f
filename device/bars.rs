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
    pure::base_address::{
        holds,
        Space, //
    },
};
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

/// How many Base Address Registers an endpoint has (PCI 3.0 sec 6.2.5).
const COUNT: usize = 6;

/// What the Base Address Registers held when the configuration was saved (all zero in a virtual
/// function).
#[derive(Clone, Copy)]
pub(crate) struct Bars([u32; COUNT]);

impl Bars {
    /// Takes them from the registers of a header.
    pub(crate) fn of(header: &[u32]) -> Self {
        let mut bars = [0; COUNT];
        let first = bindings::PCI_BASE_ADDRESS_0 as usize / 4;
        for (bar, saved) in bars.iter_mut().zip(header.iter().skip(first)) {
            *bar = *saved;
        }
        Self(bars)
    }

    /// Returns `true` if the registers hold the same now. What is no register isn't read: it reads
    /// as 0 at any time (PCI 3.0 sec 6.2.5.1), as all of them do in a virtual function (PCIe r6.0
    /// sec 9.3.4.1).
    pub(crate) fn are_in(&self, locked: &Locked<'_>) -> bool {
        let own = !locked.device().is_virtual_function();
        (0u8..).zip(self.0).all(|(bar, saved)| {
            let exists = saved != 0 || own && locked.has_register(bar);
            !exists || read(locked, bar) == saved
        })
    }
}

/// Reads a register: all ones from a device that doesn't answer.
fn read(locked: &Locked<'_>, bar: u8) -> u32 {
    locked.read_u32(offset(bar))
}

fn offset(bar: u8) -> c_int {
    let offset = c_int::from(bar).saturating_mul(4);
    offset.saturating_add(bindings::PCI_BASE_ADDRESS_0 as c_int)
}

/// Returns `true` if the registers hold what the kernel gave to the device
/// (`pci_std_update_resource()` writes it).
fn are_as_assigned(locked: &Locked<'_>) -> bool {
    (0u8..).take(COUNT).all(|bar| {
        let Some(Assigned { space, address }) = locked.assigned(bar) else {
            return true;
        };
        let high = match space {
            Space::Memory64 => read(locked, bar.saturating_add(1)),
            Space::Io | Space::Memory => 0,
        };
        holds(space, read(locked, bar), high, address)
    })
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
        // Of a device that a driver has let go of the kernel doesn't know the state, and waking it
        // up takes more than a look.
        let in_d0 = |control| u32::from(control) & bindings::PCI_PM_CTRL_STATE_MASK == 0;
        if !self.is_awake() && !self.pm_control().is_some_and(in_d0) {
            self.wake()?;
        }
        fault::point("address registers")?;
        self.has_addresses().then_some(()).ok_or(EIO)
    }

    /// Writes the addresses that the kernel gave to the device, which must decode nothing, into its
    /// registers.
    pub(super) fn write_addresses(&self) {
        for bar in (0u8..).take(COUNT) {
            let Some(Assigned { space, address }) = self.assigned(bar) else {
                continue;
            };
            // CAST: The lower half; bits that say the kind are read-only.
            self.write_u32(offset(bar), address as u32);
            if space == Space::Memory64 {
                self.write_u32(offset(bar.saturating_add(1)), (address >> 32) as u32);
            }
        }
    }

    /// Returns `true` if the device, which is awake, has the addresses that the kernel gave it.
    pub(crate) fn has_addresses(&self) -> bool {
        // A virtual function's addresses are in its physical function.
        self.device().is_virtual_function() || are_as_assigned(self)
    }
}
