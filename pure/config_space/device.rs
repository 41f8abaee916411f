// SPDX-License-Identifier: GPL-2.0

//! What is asked of a device, and what its guest may do.

use super::access::{
    Error,
    Place, //
};

/// The configuration space of the hardware.
pub(crate) trait Registers {
    /// Reads so many bytes there.
    ///
    /// # Errors
    ///
    /// - [`Error::DeviceNotFound`]: the device is gone.
    /// - [`Error::Failed`]: the kernel can't read it.
    fn read(&self, place: Place) -> Result<u32, Error>;
}

/// A device, with what the kernel knows of it.
pub(crate) trait Device: Registers {
    /// Returns `true` if the kernel has it enabled (`pci_is_enabled()`).
    fn is_enabled(&self) -> bool;

    /// Returns `true` if it masters the bus now. (What the kernel remembers, `is_busmaster`,
    /// outlives a reset.)
    fn is_master(&self) -> bool;
}

/// What the administrator allows the guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    /// Writing what is in no field, and more bits of some that are.
    pub(crate) permissive: bool,
    /// Turning MSI, MSI-X and INTx on and off by itself.
    pub(crate) interrupt_control: bool,
}
