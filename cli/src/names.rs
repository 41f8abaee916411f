// SPDX-License-Identifier: GPL-2.0

//! What people write when they mean a device.
//!
//! An address (`0000:03:00.0`, `03:00.0`, `03:00.*`, `03:00`), a name of the kernel (`eth1`,
//! `nvme0`), a pair of IDs (`8086:10c9`), or a part of its name in `pci.ids` that is unique.

use crate::{
    boot_store,
    driver::pure::bdf_grammar::parse_pattern,
    machine::{
        kernel_name,
        Machine, //
    },
};

/// Why a text means no device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// No device is called that.
    Nothing,
    /// These all are.
    Several(Vec<usize>),
}

/// Finds the devices that a text means, by their places in the machine. An address may mean all
/// functions of a device or of a bus; a name means one function.
///
/// # Errors
///
/// - [`Unknown`]: there is none, or a name is that of several.
pub(crate) fn resolve(machine: &Machine, text: &str) -> Result<Vec<usize>, Unknown> {
    let text = text.trim();
    if let Some(found) = by_address(machine, text) {
        return match found.is_empty() {
            true => Err(Unknown::Nothing),
            false => Ok(found),
        };
    }
    let by_node = all(machine, |device| {
        device.nodes.iter().any(|node| node.name == text)
    });
    let wanted = text.to_lowercase();
    // Two may have one name, in two classes: card0 is a display and a sound card.
    let mut found = match by_node.is_empty() {
        true => all(machine, |device| boot_store::id(device) == wanted),
        false => by_node,
    };
    if found.is_empty() && wanted.len() >= 2 {
        found = all(machine, |device| {
            let name = format!("{} {}", device.names.vendor, device.names.device);
            !device.names.vendor.is_empty() && name.to_lowercase().contains(&wanted)
        });
    }
    match found.as_slice() {
        [] => Err(Unknown::Nothing),
        [_] => Ok(found),
        _ => Err(Unknown::Several(found)),
    }
}

fn all(machine: &Machine, is: impl Fn(&crate::machine::Device) -> bool) -> Vec<usize> {
    let indices = machine.devices.iter().enumerate();
    indices
        .filter(|(_, device)| is(device))
        .map(|(index, _)| index)
        .collect()
}

/// The functions of an address; `None` if the text isn't one.
fn by_address(machine: &Machine, text: &str) -> Option<Vec<usize>> {
    // Domains above ffff are not of the driver's grammar.
    if let Some(sbdf) = kernel_name(text) {
        return Some(machine.index_of(sbdf).into_iter().collect());
    }
    let pattern = parse_pattern(text.as_bytes())
        .or_else(|_| parse_pattern(format!("{text}.*").as_bytes()))
        .ok()?;
    Some(all(machine, |device| pattern.covers(device.sbdf)))
}
