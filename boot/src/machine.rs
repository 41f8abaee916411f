// SPDX-License-Identifier: GPL-2.0

//! The PCI functions of a machine, from sysfs.

use crate::{
    driver::pure::sbdf::Sbdf,
    identity::{
        function_name,
        Id,
        Place, //
    },
};
use std::{
    fs,
    io,
    path::Path, //
};

/// The name of the driver.
pub(crate) const DRIVER: &str = "pciback";

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
}

impl Device {
    /// Base class 01h.
    pub(crate) const STORAGE: u8 = 0x01;
    /// Base class 02h.
    pub(crate) const NETWORK: u8 = 0x02;
    /// Base class 03h.
    pub(crate) const DISPLAY: u8 = 0x03;
}

/// Reads all functions, in the order of their addresses.
///
/// # Errors
///
/// - Those of reading the folder of all devices. A device that can't be read is gone.
pub(crate) fn read(root: &Path) -> io::Result<Vec<Device>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root.join("sys/bus/pci/devices"))? {
        all.extend(device(&entry?.path()));
    }
    all.sort_by_key(|device| device.address);
    Ok(all)
}

fn device(link: &Path) -> Option<Device> {
    let number = |name: &str| {
        let text = fs::read_to_string(link.join(name)).ok()?;
        u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    let short = |name| u16::try_from(number(name)?).ok();
    Some(Device {
        address: function_name(link.file_name()?.to_str()?)?,
        id: Id::new(short("vendor")?, short("device")?),
        place: Place::of_sysfs(&link.canonicalize().ok()?)?,
        class: number("class")?.to_be_bytes()[1],
        boot_vga: fs::read_to_string(link.join("boot_vga")).is_ok_and(|text| text.trim() == "1"),
    })
}

/// Returns the name of a function's driver, or `None` if it has none.
pub(crate) fn driver(root: &Path, address: Sbdf) -> Option<String> {
    let link = root.join(format!("sys/bus/pci/devices/{address}/driver"));
    Some(fs::read_link(link).ok()?.file_name()?.to_str()?.to_string())
}
