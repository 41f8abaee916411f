// SPDX-License-Identifier: GPL-2.0

//! What a function's own registers say of PCI Express errors.
//!
//! When the kernel has found an error it leaves these registers alone until the recovery is over
//! (`pcie_do_recovery()` clears those of the one function that reported it, at its end).

use super::{
    raw,
    Locked, //
};
use crate::pure::error_recovery::Signs;
use kernel::{
    bindings,
    ffi::c_int,
    pci, //
};

/// Device Status, in the PCI Express capability.
const DEVICE_STATUS: c_int = bindings::PCI_EXP_DEVSTA as c_int;

/// Its bits of errors, which are cleared by writing ones (PCIe r6.0 sec 7.5.3.5).
const ERRORS: u16 = (bindings::PCI_EXP_DEVSTA_CED
    | bindings::PCI_EXP_DEVSTA_NFED
    | bindings::PCI_EXP_DEVSTA_FED
    | bindings::PCI_EXP_DEVSTA_URD) as u16;

impl Locked<'_> {
    /// Returns what the registers of the function say, and for a virtual function those of its
    /// physical one: it has errors that are not those of one function (PCIe r6.0 sec 6.2.4).
    ///
    /// # Examples
    ///
    /// ```ignore
    /// let (own, physical) = locked.error_signs();
    /// ```
    pub(crate) fn error_signs(&self) -> (Signs, Option<Signs>) {
        if self.check_there().is_err() {
            let unknown = Signs {
                device_status: None,
                uncorrectable: None,
            };
            return (unknown, None);
        }
        (signs(self.device()), self.physical_function().map(signs))
    }

    /// Clears Device Status, so that nobody takes an error of the device's last user for one of the
    /// next. (The kernel does the same to the AER capability when it restores a configuration.)
    pub(crate) fn clear_device_status(&self) {
        // A device without the register is left alone, and one that doesn't answer has nothing to
        // clear.
        self.write_express(bindings::PCI_EXP_DEVSTA, ERRORS);
    }
}

fn signs(device: &pci::Device) -> Signs {
    let device = raw(device);
    // SAFETY: The device is there; the fields are set when it is found.
    let (express, aer) = unsafe { ((*device).pcie_cap != 0, c_int::from((*device).aer_cap)) };
    let mut status = u16::MAX;
    // SAFETY: The device is valid. A failed read leaves 0 or all ones, hence the look at the
    // result.
    let result = unsafe { bindings::pcie_capability_read_word(device, DEVICE_STATUS, &mut status) };
    let uncorrectable = (aer != 0).then(|| {
        (
            read(
                device,
                aer.saturating_add(bindings::PCI_ERR_UNCOR_STATUS as c_int),
            ),
            read(
                device,
                aer.saturating_add(bindings::PCI_ERR_UNCOR_MASK as c_int),
            ),
        )
    });
    Signs {
        device_status: (express && result == 0).then_some(status),
        uncorrectable,
    }
}

/// Reads a register; all ones if nobody answers.
fn read(device: *mut bindings::pci_dev, offset: c_int) -> u32 {
    let mut value = u32::MAX;
    // SAFETY: The callers pass a valid device. A failed read leaves all ones.
    unsafe { bindings::pci_read_config_dword(device, offset, &mut value) };
    value
}
