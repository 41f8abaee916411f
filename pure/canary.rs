// SPDX-License-Identifier: GPL-2.0

//! Proof of a reset: canaries left in registers that a true reset clears and that do nothing in a
//! device that is quiet.
//!
//! A device gets two, as far as it takes them. A method has reset nothing only if both are still
//! there: one sticky register in an odd device must not condemn a method that works.

use super::{
    reset_method::Method,
    reset_plan::Rung, //
};

/// A register that can bear a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// Interrupt Disable in the Command register, 0 after a reset (PCIe r6.0 sec 7.5.1.1.3). It is
    /// set anyway, to make the device quiet.
    InterruptDisable,
    /// Cache Line Size, of no effect in PCI Express and 0 after a reset (PCIe r6.0 sec 7.5.1.1.7);
    /// for conventional PCI it matters to bus masters only (PCI 3.0 sec 6.2.4).
    CacheLineSize,
    /// Interrupt Line, a scratch register of system software (PCIe r6.0 sec 7.5.1.1.12).
    InterruptLine,
    /// The Function Mask bit of MSI-X, 0 after a reset (PCIe r6.0 sec 7.7.2.2). Virtual functions
    /// have none of the others (sec 9.3.4.1).
    MsixFunctionMask,
}

impl Register {
    /// All of them, in the order in which they are tried.
    pub(crate) const ALL: [Self; 4] = [
        Self::InterruptDisable,
        Self::CacheLineSize,
        Self::InterruptLine,
        Self::MsixFunctionMask,
    ];

    /// How many canaries are planted, as far as there are registers that take them.
    pub(crate) const ENOUGH: usize = 2;

    /// Returns `true` if `pci_save_state()` saves the register. It saves the whole header, and
    /// MSI-X only if the kernel has enabled it, which it hasn't for a claimed device.
    pub(crate) const fn is_saved(self) -> bool {
        !matches!(self, Self::MsixFunctionMask)
    }

    /// Returns the bits of the register that the canary is in.
    const fn mask(self) -> u16 {
        match self {
            Self::InterruptDisable => 1 << 10,
            Self::CacheLineSize | Self::InterruptLine => 0xff,
            Self::MsixFunctionMask => 1 << 14,
        }
    }

    /// Returns the value to write as a canary over `found`; `None` where a canary wouldn't show, or
    /// the device doesn't answer.
    pub(crate) const fn with_canary(self, found: u16) -> Option<u16> {
        let mask = self.mask();
        match self {
            Self::CacheLineSize | Self::InterruptLine => {
                // Neither value is one that hardware, firmware or the kernel puts there, and
                // neither is what a missing device reads as.
                let canary = if found & mask == 0x5a { 0xa5 } else { 0x5a };
                Some((found & !mask) | canary)
            }
            // It has the canary already, or would read as if the device didn't answer.
            _ if found & mask != 0 || found | mask == u16::MAX => None,
            _ => Some(found | mask),
        }
    }

    /// Returns the value to write after the look, if any: a mask that was set is cleared even where
    /// it is gone, because Xen keeps account of it in a PV dom0. The other registers get back what
    /// they had when the configuration is restored.
    pub(crate) const fn cleaned(self, now: u16) -> Option<u16> {
        match self {
            Self::MsixFunctionMask if now != u16::MAX => Some(now & !self.mask()),
            _ => None,
        }
    }

    /// Returns `true` if the canary that `planted` has is in `now`. A register that reads as all
    /// ones is one of a device that doesn't answer, and shows no canary.
    pub(crate) const fn has_canary(self, planted: u16, now: u16) -> bool {
        let gone = match self {
            Self::CacheLineSize | Self::InterruptLine => 0xff,
            Self::InterruptDisable | Self::MsixFunctionMask => u16::MAX,
        };
        now != gone && now & self.mask() == planted & self.mask()
    }
}

/// What the canaries say after a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A canary is gone: the device was reset.
    Proven,
    /// All canaries are still there: nothing was reset, whatever the method says.
    Disproven,
    /// No register took a canary.
    Unknown,
}

impl Proof {
    /// Draws the conclusion from one canary more. Of a device that is [`Proven`](Self::Proven) to
    /// be reset no further one can say anything else.
    pub(crate) const fn and(self, still_there: bool) -> Self {
        match self {
            Self::Disproven | Self::Unknown if still_there => Self::Disproven,
            _ => Self::Proven,
        }
    }

    /// Takes into account how the reset was done. The kernel's device-specific resets may save the
    /// configuration space and write it back, canaries included (`reset_chelsio_generic_dev()`).
    pub(crate) const fn after(self, rung: Rung) -> Self {
        match (self, rung) {
            (Self::Disproven, Rung::Function(Method::DeviceSpecific)) => Self::Unknown,
            _ => self,
        }
    }

    /// Returns a word for sysfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Disproven => "disproven",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Method,
        Proof,
        Register,
        Rung, //
    };

    /// Every value that a register can have; some for an interpreter.
    fn found(register: Register) -> impl Iterator<Item = u16> {
        match register {
            Register::InterruptDisable | Register::MsixFunctionMask => 0..=u16::MAX,
            _ => 0..=0xff,
        }
        .step_by(if cfg!(miri) { 17 } else { 1 })
    }

    #[test]
    fn a_canary_shows_and_a_cleared_one_does_not() {
        for register in Register::ALL {
            for before in found(register) {
                let Some(planted) = register.with_canary(before) else {
                    let bit = register.mask();
                    assert!(bit.count_ones() == 1);
                    assert!(before == !bit || before & bit != 0);
                    continue;
                };
                assert!(register.has_canary(planted, planted));
                assert!(
                    !register.has_canary(planted, before),
                    "no canary over {before:#x}"
                );
                assert!(!register.has_canary(planted, 0));
            }
        }
    }

    #[test]
    fn a_mask_is_taken_away() {
        let msix = Register::MsixFunctionMask;
        assert_eq!(msix.cleaned(0xc003), Some(0x8003));
        // Not enabled again, though it may have been before the reset.
        assert_eq!(msix.cleaned(0x0003), Some(0x0003));
        assert_eq!(msix.cleaned(0xffff), None);
        for register in Register::ALL
            .into_iter()
            .filter(|register| register.is_saved())
        {
            assert_eq!(register.cleaned(0x5a), None, "the restore does it");
        }
    }

    #[test]
    fn a_device_that_is_gone_has_no_canary() {
        assert!(!Register::InterruptDisable.has_canary(0x0400, 0xffff));
        assert!(!Register::CacheLineSize.has_canary(0x5a, 0xff));
        assert!(!Register::InterruptLine.has_canary(0x5a, 0xff));
        assert!(!Register::MsixFunctionMask.has_canary(0x4000, 0xffff));
    }

    /// `pci_save_state()` goes through the first 64 bytes.
    #[test]
    fn what_is_in_the_header_is_saved() {
        let saved = Register::ALL.map(Register::is_saved);
        assert_eq!(saved, [true, true, true, false]);
    }

    #[test]
    fn msix_plants_one_bit_and_leaves_the_rest() {
        assert_eq!(Register::MsixFunctionMask.with_canary(0x8003), Some(0xc003));
    }

    #[test]
    fn resets_for_single_devices_may_restore_canaries() {
        let specific = Rung::Function(Method::DeviceSpecific);
        assert_eq!(Proof::Disproven.after(specific), Proof::Unknown);
        assert_eq!(Proof::Proven.after(specific), Proof::Proven);
        for rung in [Rung::Slot, Rung::Bus, Rung::Function(Method::Flr)] {
            assert_eq!(Proof::Disproven.after(rung), Proof::Disproven);
        }
    }

    #[test]
    fn one_canary_gone_is_proof() {
        assert_eq!(Proof::Unknown.and(true), Proof::Disproven);
        assert_eq!(Proof::Disproven.and(true), Proof::Disproven);
        for before in [Proof::Unknown, Proof::Disproven, Proof::Proven] {
            assert_eq!(before.and(false), Proof::Proven);
        }
        assert_eq!(Proof::Proven.and(true), Proof::Proven);
    }
}
