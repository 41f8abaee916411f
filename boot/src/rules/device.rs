// SPDX-License-Identifier: GPL-2.0

//! What has to be known of a PCI function to decide whether it may be claimed.

use super::identity::{
    Id,
    Place, //
};
use crate::driver::pure::sbdf::Sbdf;

/// One PCI function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its address.
    pub(crate) address: Sbdf,
    /// What it is.
    pub(crate) id: Id,
    /// Where it is.
    pub(crate) place: Place,
    /// Its base class (PCI Code and ID Assignment Specification, 1.1).
    pub(crate) class: u8,
    /// Firmware had its console there.
    pub(crate) boot_vga: bool,
    /// It leads to another bus.
    pub(crate) is_bridge: bool,
}

impl Device {
    /// Base class 01h.
    pub(crate) const STORAGE: u8 = 0x01;
    /// Base class 02h.
    pub(crate) const NETWORK: u8 = 0x02;
    /// Base class 03h.
    pub(crate) const DISPLAY: u8 = 0x03;
}
