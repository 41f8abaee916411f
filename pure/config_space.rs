// SPDX-License-Identifier: GPL-2.0

//! The configuration space that the guest of a PV frontend sees of a device.
//!
//! Nothing here touches a device. Reading asks for what the hardware says.

mod access;
mod bounded;
mod capabilities;

pub(crate) use access::{Error, Extent, Place, Size};

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
