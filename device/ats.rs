// SPDX-License-Identifier: GPL-2.0

//! Address Translation Services, which Xen turns on behind the kernel's back.
//!
//! With its `ats` option Xen sets the enable bit of a device that it knows (PCIe r6.0 sec 10.5.1.3)
//! and keeps a list of such devices. A reset clears the bit, and the kernel, which didn't set it,
//! doesn't restore it. The next time that Xen hears of the device, it would find ATS off, conclude
//! that the device isn't in its list yet, and add it a second time.

use crate::kapi::pci::Locked;
use kernel::{
    bindings,
    ffi::c_int, //
};

/// Offset of the ATS Control register in its capability, and its enable bit.
const CONTROL: c_int = bindings::PCI_ATS_CTRL as c_int;
const ENABLE: u16 = bindings::PCI_ATS_CTRL_ENABLE as u16;

/// A value of the ATS Control register that has ATS enabled.
#[derive(Clone, Copy)]
pub(crate) struct AtsControl(u16);

impl AtsControl {
    /// Returns the register's offset, if the device has one.
    fn offset(locked: &Locked<'_>) -> Option<c_int> {
        Some(locked.ats_capability()?.saturating_add(CONTROL))
    }

    /// Returns the register's value if ATS is enabled.
    pub(crate) fn enabled(locked: &Locked<'_>) -> Option<Self> {
        let value = locked.read_u16(Self::offset(locked)?);
        (value != u16::MAX && value & ENABLE != 0).then_some(Self(value))
    }

    /// Enables ATS again if it no longer is.
    pub(crate) fn restore(&self, locked: &Locked<'_>) {
        if let Some(offset) = Self::offset(locked) {
            if locked.read_u16(offset) & ENABLE == 0 {
                locked.write_u16(offset, self.0);
            }
        }
    }
}
