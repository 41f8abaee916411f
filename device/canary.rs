// SPDX-License-Identifier: GPL-2.0

//! Leaving canaries in a device before a reset and looking for them after it.

use crate::{
    kapi::{
        pci::CfgLocked,
        xen::{
            self,
            Dom0,
            Dom0Kind, //
        },
    },
    pure::canary::{
        Proof,
        Register, //
    },
};
use kernel::bindings;

/// The canaries in a device: for each register, the value that was there and the canary.
pub(crate) struct Canaries([Option<(u16, u16)>; Register::ALL.len()]);

impl CfgLocked<'_> {
    /// Returns a register's offset, if the device has it.
    fn canary_offset(&self, register: Register) -> Option<i32> {
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
                let flags = bindings::PCI_MSIX_FLAGS as i32;
                Some(self.msix_capability()?.saturating_add(flags))
            }
        }
    }

    /// Reads a register; `None` if the device doesn't have it. A failed access reads as all ones.
    fn read_canary_register(&self, register: Register) -> Option<u16> {
        let offset = self.canary_offset(register)?;
        Some(if register == Register::MsixFunctionMask {
            self.read_u16(offset)
        } else {
            u16::from(self.read_u8(offset))
        })
    }

    fn write_canary_register(&self, register: Register, value: u16) {
        let Some(offset) = self.canary_offset(register) else {
            return;
        };
        if register == Register::MsixFunctionMask {
            self.write_u16(offset, value);
        } else {
            // CAST: Values of these registers have 8 bits.
            self.write_u8(offset, value as u8);
        }
    }

    /// Leaves a canary in each register that takes one. The device must be quiet: no bus mastering,
    /// no interrupts.
    pub(crate) fn plant_canaries(&self) -> Canaries {
        self.plant_canaries_in(|_| true)
    }

    /// The same, but only in registers that the kernel doesn't save before a reset: it would write
    /// the canaries back after it.
    pub(crate) fn plant_unsaved_canaries(&self) -> Canaries {
        self.plant_canaries_in(|register| !register.is_saved())
    }

    fn plant_canaries_in(&self, fits: impl Fn(Register) -> bool) -> Canaries {
        Canaries(Register::ALL.map(|register| {
            if !fits(register) {
                return None;
            }
            let found = self.read_canary_register(register)?;
            let planted = register.with_canary(found)?;
            self.write_canary_register(register, planted);
            let now = self.read_canary_register(register)?;
            if register.has_canary(planted, now) {
                return Some((found, planted));
            }
            self.write_canary_register(register, found);
            None
        }))
    }

    /// Looks for the canaries and removes those that are still there.
    pub(crate) fn check_canaries(&self, canaries: Canaries) -> Proof {
        let (mut left, mut still_there) = (0usize, 0usize);
        for (register, canary) in Register::ALL.into_iter().zip(canaries.0) {
            let Some((found, planted)) = canary else {
                continue;
            };
            left = left.saturating_add(1);
            let Some(now) = self.read_canary_register(register) else {
                continue;
            };
            if register.has_canary(planted, now) {
                still_there = still_there.saturating_add(1);
            }
            if let Some(value) = register.cleaned(found, planted, now) {
                self.write_canary_register(register, value);
            }
        }
        Proof::of(left, still_there)
    }
}
