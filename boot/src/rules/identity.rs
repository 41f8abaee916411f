// SPDX-License-Identifier: GPL-2.0

//! What tells one PCI function from another when buses are numbered anew.

use crate::driver::pure::{
    bdf_grammar::parse_pattern,
    sbdf::Sbdf, //
};
use std::{
    fmt,
    path::Path, //
};

/// Vendor and device number of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    vendor: u16,
    device: u16,
}

impl Id {
    /// Takes the two numbers.
    pub(crate) const fn new(vendor: u16, device: u16) -> Self {
        Self { vendor, device }
    }

    /// Parses `8086:10c9`: two numbers of four hexadecimal digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
        };
        let (vendor, device) = text.split_once(':')?;
        Some(Self::new(number(vendor)?, number(device)?))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{:04x}", self.vendor, self.device)
    }
}

/// The way to a function from its root bus: `pci0000:00/04.0/00.0`. It has no numbers of other
/// buses, so it stays the same when those are given out anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    /// Takes the way from a device's path in sysfs.
    pub(crate) fn of_sysfs(path: &Path) -> Option<Self> {
        let parts = path.iter().filter_map(|part| part.to_str());
        let mut way = Vec::new();
        for part in parts.skip_while(|part| !is_root_bus(part)) {
            match function_name(part) {
                Some(sbdf) => way.push(format!("{:02x}.{}", sbdf.slot(), sbdf.function())),
                // A host bridge below a device (Intel's VMD) has a root bus of its own.
                None if is_root_bus(part) => way.push(part.to_string()),
                None => break,
            }
        }
        (way.len() > 1).then(|| Self(way.join("/")))
    }

    /// Returns `true` if the way leads through the function of another one.
    pub(crate) fn is_below(&self, other: &Self) -> bool {
        let rest = self.0.strip_prefix(&other.0);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Parses the written form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let from_root = is_root_bus(parts.next()?);
        let hops: Vec<_> = parts.collect();
        let is_hop =
            |part: &&str| is_root_bus(part) || function_name(&format!("0:{part}")).is_some();
        (from_root && !hops.is_empty() && hops.iter().all(is_hop)).then(|| Self(text.to_string()))
    }
}

/// Returns `true` for the name that the kernel has for a root bus: `pci0000:00`.
fn is_root_bus(part: &str) -> bool {
    let number = part
        .strip_prefix("pci")
        .and_then(|number| number.split_once(':'));
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    number.is_some_and(|(domain, bus)| hex(domain) && hex(bus))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses an address that stands for one function.
pub(crate) fn function_name(text: &str) -> Option<Sbdf> {
    parse_pattern(text.as_bytes()).ok()?.single()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_eight_digits() {
        assert_eq!(Id::parse("8086:10C9").unwrap().to_string(), "8086:10c9");
        for bad in [
            "",
            "8086",
            "8086:",
            "086:10c9",
            "8086:10c",
            "+086:10c9",
            "8086:10c9 ",
            "8086:10c9:0",
        ] {
            assert_eq!(Id::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_place_leaves_bus_numbers_out() {
        let place = |path: &str| Place::of_sysfs(Path::new(path)).map(|place| place.to_string());
        let path = "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0";
        assert_eq!(place(path).as_deref(), Some("pci0000:00/04.0/00.0"));
        assert_eq!(place(&format!("{path}/net/eth0")), place(path));
        let vmd = "/sys/devices/pci0000:00/0000:00:0e.0/pci1000:e0/1000:e0:1d.0/1000:e1:00.0";
        assert_eq!(
            place(vmd).as_deref(),
            Some("pci0000:00/0e.0/pci1000:e0/1d.0/00.0")
        );
        assert_eq!(place("/sys/devices/platform/serial8250"), None);
        assert_eq!(place("/sys/devices/pci0000:00"), None);
    }

    #[test]
    fn a_place_reads_as_it_is_written() {
        let text = "pci0000:00/0e.0/pci1000:e0/1d.0/00.0";
        assert_eq!(Place::parse(text).unwrap().to_string(), text);
        for bad in [
            "",
            "pci0000:00",
            "0000:00/04.0",
            "pci0000:00/04",
            "pci0000:00/04.8",
            "pciz:0/04.0",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
