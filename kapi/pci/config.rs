// SPDX-License-Identifier: GPL-2.0

//! Registers of a device whose lock is held: its configuration space, and capabilities in it.
//!
//! `kernel::pci::ConfigSpace` is for devices that are bound to the driver. UPSTREAM(config-space):
//! the same for any device whose lock is held.
//!
//! C header: [`include/linux/pci.h`](srctree/include/linux/pci.h)

use super::{
    raw,
    Locked, //
};
use kernel::{
    bindings,
    ffi::c_int, //
};

/// Access to the configuration space. What can't be read (the device doesn't answer, was removed,
/// or has no such offset) is all ones, and what can't be written is lost: so no call fails.
///
/// # Examples
///
/// ```ignore
/// let line = locked.read_u8(bindings::PCI_INTERRUPT_LINE as c_int);
/// locked.write_u8(bindings::PCI_INTERRUPT_LINE as c_int, line);
/// ```
impl Locked<'_> {
    /// Returns `true` for the offset of a register of a device that is there. The kernel checks how
    /// large it may be only.
    fn reaches(&self, offset: c_int) -> bool {
        let exists = (0..bindings::PCI_CFG_SPACE_EXP_SIZE as c_int).contains(&offset);
        exists && self.check_there().is_ok()
    }

    /// Reads a register of 8 bits.
    pub(crate) fn read_u8(&self, offset: c_int) -> u8 {
        let mut value = u8::MAX;
        if self.reaches(offset) {
            // SAFETY: The device is there and the offset exists. A failed access leaves all ones.
            unsafe { bindings::pci_read_config_byte(raw(self.device()), offset, &mut value) };
        }
        value
    }

    /// Reads a register of 16 bits.
    pub(crate) fn read_u16(&self, offset: c_int) -> u16 {
        let mut value = u16::MAX;
        if self.reaches(offset) {
            // SAFETY: As above.
            unsafe { bindings::pci_read_config_word(raw(self.device()), offset, &mut value) };
        }
        value
    }

    /// Reads a register of 32 bits.
    pub(crate) fn read_u32(&self, offset: c_int) -> u32 {
        let mut value = u32::MAX;
        if self.reaches(offset) {
            // SAFETY: As above.
            unsafe { bindings::pci_read_config_dword(raw(self.device()), offset, &mut value) };
        }
        value
    }

    /// Writes a register of 8 bits.
    pub(crate) fn write_u8(&self, offset: c_int, value: u8) {
        if self.reaches(offset) {
            // SAFETY: The device is there and the offset exists. The device's lock keeps drivers
            // from writing at the same time.
            unsafe { bindings::pci_write_config_byte(raw(self.device()), offset, value) };
        }
    }

    /// Writes a register of 16 bits.
    pub(crate) fn write_u16(&self, offset: c_int, value: u16) {
        if self.reaches(offset) {
            // SAFETY: As above.
            unsafe { bindings::pci_write_config_word(raw(self.device()), offset, value) };
        }
    }

    /// Writes a register of 32 bits.
    pub(crate) fn write_u32(&self, offset: c_int, value: u32) {
        if self.reaches(offset) {
            // SAFETY: As above.
            unsafe { bindings::pci_write_config_dword(raw(self.device()), offset, value) };
        }
    }

    /// Returns the size of the configuration space in bytes: 256 or 4096.
    pub(crate) fn config_size(&self) -> c_int {
        // SAFETY: The device is valid; the field is set when it is found.
        unsafe { (*raw(self.device())).cfg_size }
    }

    /// Reads a register of the PCI Express capability; 0 or all ones where there is none.
    pub(crate) fn read_express(&self, offset: u32) -> u16 {
        if self.check_there().is_err() {
            return u16::MAX;
        }
        let mut value = 0;
        // SAFETY: The device is there. A failed read leaves 0 or all ones.
        unsafe {
            bindings::pcie_capability_read_word(raw(self.device()), offset as c_int, &mut value)
        };
        value
    }

    /// Writes a register of the PCI Express capability, where the device has it.
    pub(crate) fn write_express(&self, offset: u32, value: u16) {
        if self.check_there().is_ok() {
            // SAFETY: The device is there, and its lock is held.
            unsafe {
                bindings::pcie_capability_write_word(raw(self.device()), offset as c_int, value)
            };
        }
    }

    /// Sets bits of a register of the PCI Express capability, where the device has it. Others may
    /// change other bits of it at the same time.
    pub(crate) fn set_express(&self, offset: u32, bits: u16) {
        self.change_express(offset, 0, bits);
    }

    /// Clears such bits.
    pub(crate) fn clear_express(&self, offset: u32, bits: u16) {
        self.change_express(offset, bits, 0);
    }

    fn change_express(&self, offset: u32, clear: u16, set: u16) {
        if self.check_there().is_ok() {
            // SAFETY: The device is there, and its lock is held.
            unsafe {
                bindings::pcie_capability_clear_and_set_word_locked(
                    raw(self.device()),
                    offset as c_int,
                    clear,
                    set,
                )
            };
        }
    }

    /// Returns where the ATS capability is, if the device has it.
    pub(crate) fn ats_capability(&self) -> Option<c_int> {
        // SAFETY: The device is valid; the field is set when it is found.
        let at = unsafe { (*raw(self.device())).ats_cap };
        (at != 0).then(|| c_int::from(at))
    }

    /// Returns where the MSI capability is, if the device has it.
    pub(crate) fn msi_capability(&self) -> Option<c_int> {
        // SAFETY: As above.
        let at = unsafe { (*raw(self.device())).msi_cap };
        (at != 0).then(|| c_int::from(at))
    }

    /// Returns where the MSI-X capability is, if the device has it.
    pub(crate) fn msix_capability(&self) -> Option<c_int> {
        // SAFETY: As above.
        let at = unsafe { (*raw(self.device())).msix_cap };
        (at != 0).then(|| c_int::from(at))
    }

    /// Returns `true` if the device's list of capabilities lacks the MSI-X that was in it when the
    /// device was found. Of one that doesn't answer nothing is known.
    pub(crate) fn hides_msix(&self) -> bool {
        if self.msix_capability().is_none() || self.check_there().is_err() {
            return false;
        }
        // SAFETY: The device is there. The function only reads, and follows no list for ever.
        let at = unsafe {
            bindings::pci_find_capability(raw(self.device()), bindings::PCI_CAP_ID_MSIX as c_int)
        };
        at == 0 && self.is_present()
    }

    /// Returns the Capabilities register of Advanced Features (`PCI_AF_CAP`); 0 without it.
    pub(crate) fn af_capabilities(&self) -> u8 {
        if self.check_there().is_err() {
            return 0;
        }
        // SAFETY: The device is valid and there.
        let at = unsafe {
            bindings::pci_find_capability(raw(self.device()), bindings::PCI_CAP_ID_AF as c_int)
        };
        match at {
            0 => 0,
            at => self.read_u8(c_int::from(at).saturating_add(bindings::PCI_AF_CAP as c_int)),
        }
    }

    /// Returns where the Power Management Control/Status register is, if the function has one.
    pub(super) fn pm_control_offset(&self) -> Option<c_int> {
        // SAFETY: The device is valid; the field is set when it is found.
        let at = unsafe { (*raw(self.device())).pm_cap };
        (at != 0).then(|| c_int::from(at).saturating_add(bindings::PCI_PM_CTRL as c_int))
    }

    /// Returns that register, if the function has one; all ones where it doesn't answer.
    pub(crate) fn pm_control(&self) -> Option<u16> {
        Some(self.read_u16(self.pm_control_offset()?))
    }

    /// Returns `true` if the device is a port that the kernel's hot-plug driver serves.
    pub(crate) fn is_hotplug_port(&self) -> bool {
        // SAFETY: The device is valid and its lock is held.
        unsafe { bindings::pci_dev::is_pciehp_raw(raw(self.device())) != 0 }
    }

    /// Returns `true` if the kernel has turned bus mastering on and remembers it.
    pub(crate) fn is_busmaster(&self) -> bool {
        // SAFETY: The device is valid. The bit is set by who enables a device below.
        unsafe { bindings::pci_dev::is_busmaster_raw(raw(self.device())) != 0 }
    }

    /// Returns `true` if the device decodes memory: it, or the physical function of a virtual one,
    /// which has no such bit.
    pub(crate) fn decodes_memory(&self) -> bool {
        if self.check_there().is_err() {
            return false;
        }
        let mut command = 0;
        let device = self.physical_function().unwrap_or(self.device());
        // SAFETY: The device is there; its registers may be read at any time. A failed read leaves
        // 0 or all ones, which isn't possible as a value.
        unsafe {
            bindings::pci_read_config_word(
                raw(device),
                bindings::PCI_COMMAND as c_int,
                &mut command,
            )
        };
        command != u16::MAX && u32::from(command) & bindings::PCI_COMMAND_MEMORY != 0
    }
}
