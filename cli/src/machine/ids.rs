// SPDX-License-Identifier: GPL-2.0

//! `pci.ids`: what vendors, devices and classes are called.

use super::{
    Ids,
    Names, //
};
use crate::files::Files;

use std::collections::BTreeMap;

/// Where distributions have it; hwdata's and pciutils' first, for they are updated.
const PLACES: [&str; 4] = [
    "/var/lib/pciutils/pci.ids",
    "/usr/share/hwdata/pci.ids",
    "/usr/share/misc/pci.ids",
    "/usr/share/pci.ids",
];

/// Names of what was asked for, and of nothing else: the file has 40,000 lines.
#[derive(Default)]
pub(crate) struct Book {
    vendors: BTreeMap<u16, String>,
    devices: BTreeMap<(u16, u16), String>,
    classes: BTreeMap<u8, String>,
    subclasses: BTreeMap<u16, String>,
}

impl Book {
    /// Looks up all these.
    pub(crate) fn read(files: &dyn Files, wanted: &[Ids]) -> Self {
        match PLACES.iter().find_map(|place| files.read(place)) {
            Some(text) => Self::parse(&text, wanted),
            None => Self::default(),
        }
    }

    fn parse(text: &str, wanted: &[Ids]) -> Self {
        let mut book = Self::default();
        for ids in wanted {
            book.vendors.entry(ids.vendor).or_default();
            book.devices.entry((ids.vendor, ids.device)).or_default();
            book.classes.entry(class(*ids)).or_default();
            book.subclasses.entry(subclass(*ids)).or_default();
        }
        let number = |digits: &str| u16::from_str_radix(digits, 16).ok();
        // What the indented lines belong to.
        let (mut vendor, mut base) = (None, None);
        for line in text.lines() {
            match *line.as_bytes() {
                [] | [b'#', ..] | [b'\t', b'\t', ..] => {}
                [b'\t', ..] => {
                    let Some((digits, name)) = line.trim_start().split_once("  ") else {
                        continue;
                    };
                    let name = name.to_string();
                    if let Some(vendor) = vendor {
                        if let Some(found) =
                            number(digits).and_then(|id| book.devices.get_mut(&(vendor, id)))
                        {
                            *found = name;
                        }
                    } else if let Some(base) = base {
                        let found = number(digits).and_then(|sub| {
                            book.subclasses.get_mut(&((u16::from(base) << 8) | sub))
                        });
                        if let Some(found) = found {
                            *found = name;
                        }
                    }
                }
                [b'C', b' ', ..] => {
                    let (digits, name) =
                        line.get(2..).and_then(|rest| rest.split_once("  ")).unzip();
                    vendor = None;
                    base = digits
                        .and_then(number)
                        .and_then(|base| u8::try_from(base).ok())
                        .filter(|base| book.classes.contains_key(base));
                    if let Some(found) = base.and_then(|base| book.classes.get_mut(&base)) {
                        *found = name.unwrap_or_default().to_string();
                    }
                }
                _ => {
                    let (digits, name) = line.split_once("  ").unzip();
                    base = None;
                    vendor = digits
                        .and_then(number)
                        .filter(|id| book.vendors.contains_key(id));
                    if let Some(found) = vendor.and_then(|id| book.vendors.get_mut(&id)) {
                        *found = name.unwrap_or_default().to_string();
                    }
                }
            }
        }
        book
    }

    /// Returns the names of one that was looked up.
    pub(crate) fn names(&self, ids: Ids) -> Names {
        let subclass = self
            .subclasses
            .get(&subclass(ids))
            .filter(|name| !name.is_empty());
        Names {
            vendor: self.vendors.get(&ids.vendor).cloned().unwrap_or_default(),
            device: self
                .devices
                .get(&(ids.vendor, ids.device))
                .cloned()
                .unwrap_or_default(),
            class: subclass
                .or_else(|| self.classes.get(&class(ids)))
                .cloned()
                .unwrap_or_default(),
        }
    }
}

fn class(ids: Ids) -> u8 {
    ids.class.to_be_bytes()[1]
}

fn subclass(ids: Ids) -> u16 {
    let [_, class, sub, _] = ids.class.to_be_bytes();
    u16::from_be_bytes([class, sub])
}

/// Text for a report: the lines of `pci.ids` that name a machine's devices.
pub(crate) fn excerpt(devices: &[super::Device]) -> String {
    let mut vendors: BTreeMap<u16, (&str, BTreeMap<u16, &str>)> = BTreeMap::new();
    let mut classes: BTreeMap<u16, &str> = BTreeMap::new();
    for device in devices {
        let vendor = vendors.entry(device.ids.vendor).or_default();
        vendor.0 = &device.names.vendor;
        vendor.1.insert(device.ids.device, &device.names.device);
        classes.insert(subclass(device.ids), &device.names.class);
    }
    let mut text = String::new();
    for (vendor, (name, devices)) in vendors.iter().filter(|(_, (name, _))| !name.is_empty()) {
        text.push_str(&format!("{vendor:04x}  {name}\n"));
        for (device, name) in devices.iter().filter(|(_, name)| !name.is_empty()) {
            text.push_str(&format!("\t{device:04x}  {name}\n"));
        }
    }
    let mut base = None;
    for (class, name) in classes.iter().filter(|(_, name)| !name.is_empty()) {
        let [high, low] = class.to_be_bytes();
        if base.replace(high) != Some(high) {
            text.push_str(&format!("C {high:02x}  \n"));
        }
        text.push_str(&format!("\t{low:02x}  {name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# comment\n\
        8086  Intel Corporation\n\
        \t10c9  82576 Gigabit Network Connection\n\
        \t\t8086 a03c  Gigabit ET Dual Port Server Adapter\n\
        10de  NVIDIA Corporation\n\
        \t10c9  Another\n\
        C 02  Network controller\n\
        \t00  Ethernet controller\n\
        C 03  Display controller\n\
        \t00  VGA compatible controller\n";

    fn names(vendor: u16, device: u16, class: u32) -> Names {
        let ids = Ids {
            vendor,
            device,
            class,
        };
        Book::parse(TEXT, &[ids]).names(ids)
    }

    #[test]
    fn what_is_listed_is_found() {
        let found = names(0x8086, 0x10c9, 0x020000);
        assert_eq!(found.vendor, "Intel Corporation");
        assert_eq!(found.device, "82576 Gigabit Network Connection");
        assert_eq!(found.class, "Ethernet controller");
        assert_eq!(names(0x10de, 0x10c9, 0x030000).device, "Another");
    }

    #[test]
    fn what_is_not_has_no_name() {
        assert_eq!(names(0x8086, 0x1, 0x020000).device, "");
        assert_eq!(names(0x1, 0x10c9, 0xff0000), Names::default());
        // Of a class without the subclass, the class.
        assert_eq!(names(0x8086, 0x1, 0x028000).class, "Network controller");
    }
}
