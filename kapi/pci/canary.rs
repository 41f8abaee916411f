// SPDX-License-Identifier: GPL-2.0

//! Leaving marks in a device before a reset and looking for them after it.

use super::{
    raw,
    CfgLocked, //
};
use crate::{
    kapi::xen::{
        self,
        Dom0,
        Dom0Kind, //
    },
    pure::canary::{
        Proof,
        Register, //
    },
};
use kernel::bindings;

/// The marks that a device bears: for each register, what was there and what is.
pub(crate) struct Canaries([Option<(u16, u16)>; Register::ALL.len()]);

impl CfgLocked<'_> {
    /// Returns a register's offset, if the device has it.
    fn offset(&self, register: Register) -> Option<i32> {
        match register {
            Register::CacheLineSize => Some(bindings::PCI_CACHE_LINE_SIZE as i32),
            Register::InterruptLine => Some(bindings::PCI_INTERRUPT_LINE as i32),
            // vPCI answers a PVH dom0 from memory, which no reset clears.
            Register::MsixFunctionMask
                if xen::initial_domain().map(Dom0::kind) != Some(Dom0Kind::Pv) =>
            {
                None
            }
            Register::MsixFunctionMask => {
                // SAFETY: The device is valid; the field is set when it is found.
                let capability = unsafe { (*raw(self.device())).msix_cap };
                let flags = bindings::PCI_MSIX_FLAGS as i32;
                (capability != 0).then(|| i32::from(capability).saturating_add(flags))
            }
        }
    }

    /// Reads a register; `None` if the device doesn't have it. A failed access reads as all ones.
    fn read(&self, register: Register) -> Option<u16> {
        let offset = self.offset(register)?;
        let device = raw(self.device());
        // SAFETY: The device is valid.
        unsafe {
            if register == Register::MsixFunctionMask {
                let mut value = u16::MAX;
                bindings::pci_read_config_word(device, offset, &mut value);
                Some(value)
            } else {
                let mut value = u8::MAX;
                bindings::pci_read_config_byte(device, offset, &mut value);
                Some(u16::from(value))
            }
        }
    }

    fn write(&self, register: Register, value: u16) {
        let Some(offset) = self.offset(register) else {
            return;
        };
        let device = raw(self.device());
        // SAFETY: The device is valid, and nobody else writes to its configuration space.
        unsafe {
            if register == Register::MsixFunctionMask {
                bindings::pci_write_config_word(device, offset, value);
            } else {
                // CAST: Values of these registers have 8 bits.
                bindings::pci_write_config_byte(device, offset, value as u8);
            }
        }
    }

    /// Leaves a mark in each register that takes one. The device must be quiet: no bus mastering,
    /// no interrupts.
    pub(crate) fn plant_canaries(&self) -> Canaries {
        self.plant_canaries_in(|_| true)
    }

    /// The same, in registers only that the kernel doesn't save before a reset and write back after
    /// it, marks and all.
    pub(crate) fn plant_unsaved_canaries(&self) -> Canaries {
        self.plant_canaries_in(|register| !register.is_saved())
    }

    fn plant_canaries_in(&self, fits: impl Fn(Register) -> bool) -> Canaries {
        Canaries(Register::ALL.map(|register| {
            if !fits(register) {
                return None;
            }
            let found = self.read(register)?;
            let marked = register.marked(found)?;
            self.write(register, marked);
            let now = self.read(register)?;
            if register.bears(marked, now) {
                return Some((found, marked));
            }
            self.write(register, found);
            None
        }))
    }

    /// Looks for the marks and takes away those that are still there.
    pub(crate) fn check_canaries(&self, marks: Canaries) -> Proof {
        let (mut left, mut still_there) = (0usize, 0usize);
        for (register, mark) in Register::ALL.into_iter().zip(marks.0) {
            let Some((found, marked)) = mark else {
                continue;
            };
            left = left.saturating_add(1);
            let Some(now) = self.read(register) else {
                continue;
            };
            if register.bears(marked, now) {
                still_there = still_there.saturating_add(1);
            }
            if let Some(value) = register.cleaned(found, marked, now) {
                self.write(register, value);
            }
        }
        Proof::of(left, still_there)
    }
}
