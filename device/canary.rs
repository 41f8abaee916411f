// SPDX-License-Identifier: GPL-2.0

//! Leaving canaries in a device before a reset and looking for them after it.

use super::{
    command::Command,
    saved_state::SavedState, //
};
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

/// The canaries in a device, for each register that has one.
pub(crate) struct Canaries([Option<u16>; Register::ALL.len()]);

impl CfgLocked<'_> {
    /// Returns a register's offset, if the device has it.
    fn canary_offset(&self, register: Register) -> Option<i32> {
        match register {
            Register::InterruptDisable => Some(bindings::PCI_COMMAND as i32),
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
        Some(match register {
            Register::InterruptDisable | Register::MsixFunctionMask => self.read_u16(offset),
            Register::CacheLineSize | Register::InterruptLine => u16::from(self.read_u8(offset)),
        })
    }

    fn write_canary_register(&self, register: Register, value: u16) {
        let Some(offset) = self.canary_offset(register) else {
            return;
        };
        match register {
            // The device was made quiet by that very value.
            Register::InterruptDisable => {}
            Register::MsixFunctionMask => self.write_u16(offset, value),
            // CAST: Values of these registers have 8 bits.
            Register::CacheLineSize | Register::InterruptLine => self.write_u8(offset, value as u8),
        }
    }

    /// Leaves canaries in a device that was [made quiet](Self::quiesce), and to which `saved` will
    /// be restored. What the registers of the header had when it was saved is good enough to tell
    /// which value isn't hard-wired.
    pub(crate) fn plant_canaries(&self, saved: &SavedState) -> Canaries {
        self.plant_canaries_in(|register| match register {
            Register::InterruptDisable => Some(saved.command().bits()),
            Register::CacheLineSize => Some(saved.byte(bindings::PCI_CACHE_LINE_SIZE)),
            Register::InterruptLine => Some(saved.byte(bindings::PCI_INTERRUPT_LINE)),
            Register::MsixFunctionMask => self.read_canary_register(register),
        })
    }

    /// The same, but only in registers that the kernel doesn't save before a reset: it would write
    /// the canaries back after it.
    pub(crate) fn plant_unsaved_canaries(&self) -> Canaries {
        self.plant_canaries_in(|register| match register.is_saved() {
            true => None,
            false => self.read_canary_register(register),
        })
    }

    /// `found`: what the register had before; `None` where no canary is wanted.
    fn plant_canaries_in(&self, found: impl Fn(Register) -> Option<u16>) -> Canaries {
        let mut canaries = [None; Register::ALL.len()];
        let mut planted = 0usize;
        for (canary, register) in canaries.iter_mut().zip(Register::ALL) {
            if planted < Register::ENOUGH {
                *canary = found(register).and_then(|found| self.plant(register, found));
                planted = planted.saturating_add(usize::from(canary.is_some()));
            }
        }
        Canaries(canaries)
    }

    /// Leaves a canary in a register; returns it if the register took it.
    fn plant(&self, register: Register, found: u16) -> Option<u16> {
        let planted = register.with_canary(found)?;
        self.write_canary_register(register, planted);
        let now = self.read_canary_register(register)?;
        if register.has_canary(planted, now) {
            return Some(planted);
        }
        if !register.is_saved() {
            self.write_canary_register(register, found);
        }
        None
    }

    /// Looks for the canaries until one is gone. A restore must follow, which puts back what the
    /// registers of the header had. `command` was read after the reset, unless the device didn't
    /// answer.
    pub(crate) fn check_canaries(&self, canaries: Canaries, command: Option<Command>) -> Proof {
        let mut proof = Proof::Unknown;
        for (register, canary) in Register::ALL.into_iter().zip(canaries.0) {
            let Some(planted) = canary else {
                continue;
            };
            if register.is_saved() && proof == Proof::Proven {
                continue;
            }
            let now = match register {
                Register::InterruptDisable => command.map(Command::bits),
                // A reset has cleared it.
                Register::MsixFunctionMask if proof == Proof::Proven && command.is_some() => {
                    Some(0)
                }
                _ => self.read_canary_register(register),
            };
            let Some(now) = now else {
                continue;
            };
            proof = proof.and(register.has_canary(planted, now));
            if let Some(value) = register.cleaned(now) {
                self.write_canary_register(register, value);
            }
        }
        proof
    }
}
