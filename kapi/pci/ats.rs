// SPDX-License-Identifier: GPL-2.0

//! Address Translation Services, which Xen turns on behind the kernel's back.
//!
//! With its `ats` option Xen sets the enable bit of a device that it knows (PCIe r6.0 sec 10.5.1.3)
//! and keeps a list of such devices. A reset clears the bit, and the kernel, which didn't set it,
//! doesn't restore it. The next time that Xen is told of the device it would take it for one that
//! isn't in its list yet, and enter it a second time.

use super::{
    raw,
    Locked, //
};
use kernel::bindings;

/// Offset of the ATS Control register in its capability, and its enable bit.
const CONTROL: i32 = bindings::PCI_ATS_CTRL as i32;
const ENABLE: u16 = bindings::PCI_ATS_CTRL_ENABLE as u16;

/// A value of the ATS Control register that has ATS enabled.
#[derive(Clone, Copy)]
pub(super) struct AtsControl(u16);

impl AtsControl {
    /// Returns the register's offset, if the device has one.
    fn offset(locked: &Locked<'_>) -> Option<i32> {
        // SAFETY: The device is valid; the field is set when it is found.
        let capability = unsafe { (*raw(locked.device())).ats_cap };
        (capability != 0).then(|| i32::from(capability).saturating_add(CONTROL))
    }

    fn read(locked: &Locked<'_>, offset: i32) -> u16 {
        let mut value = 0;
        // SAFETY: The device is valid. A failed access leaves 0 or all ones, see the callers.
        unsafe { bindings::pci_read_config_word(raw(locked.device()), offset, &mut value) };
        value
    }

    /// Returns the register's value if ATS is enabled.
    pub(super) fn enabled(locked: &Locked<'_>) -> Option<Self> {
        let value = Self::read(locked, Self::offset(locked)?);
        (value != u16::MAX && value & ENABLE != 0).then_some(Self(value))
    }

    /// Enables ATS again if it no longer is.
    pub(super) fn restore(&self, locked: &Locked<'_>) {
        if let Some(offset) = Self::offset(locked) {
            if Self::read(locked, offset) & ENABLE == 0 {
                // SAFETY: The device is valid, and its lock is held.
                unsafe { bindings::pci_write_config_word(raw(locked.device()), offset, self.0) };
            }
        }
    }
}
