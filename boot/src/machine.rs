// SPDX-License-Identifier: GPL-2.0

//! The machine that this runs on: its PCI functions, from sysfs, and what is decided for it.

use crate::{
    driver::pure::sbdf::Sbdf,
    root::Root,
    rules::{
        device::Device,
        identity::{
            function_name,
            Id,
            Place, //
        },
        in_use,
        record::Record,
        tree::Tree,
        wanted::{
            gather,
            Decided,
            RECORD, //
        },
    },
};
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{
        Path,
        PathBuf, //
    },
};

/// The name of the driver.
pub(crate) const DRIVER: &str = "pciback";

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

/// Returns the release of the kernel that runs if that has no such module, by depmod's list of all.
/// `None` where that can't be read: then modprobe says what is wrong.
pub(crate) fn absent_module(root: &Path, module: &str) -> Option<String> {
    let release = fs::read_to_string(root.join("proc/sys/kernel/osrelease")).ok()?;
    let release = release.trim();
    let list = root.join("lib/modules").join(release).join("modules.dep");
    let list = fs::read_to_string(list).ok()?;
    (!has_module(&list, module)).then(|| release.to_string())
}

/// Returns `true` if modules.dep has a module, which may be compressed:
/// `extra/rust_pciback.ko.xz: ...`.
fn has_module(list: &str, module: &str) -> bool {
    let files = list.lines().filter_map(|line| line.split(':').next());
    files
        .filter_map(|path| path.rsplit('/').next()?.split_once(".ko"))
        .any(|(name, _)| name.replace('-', "_") == module)
}

/// Returns what is in use. In a chroot nothing is known: its disks and cards are not those of the
/// machine that will boot.
pub(crate) fn in_use(root: &Path, machine: &[Device]) -> Record {
    match is_whole_system(root) {
        true => in_use::record(&Root(root), machine),
        false => Record::default(),
    }
}

/// Returns `true` if the root folder is that of the first process.
fn is_whole_system(root: &Path) -> bool {
    let identity = |path: PathBuf| {
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    };
    let first = identity(root.join("proc/1/root/."));
    first.is_some() && first == identity(root.join("."))
}

/// Returns `true` if something is to be claimed, whatever devices there are: a chroot may have
/// none.
pub(crate) fn is_anything_wanted(root: &Path) -> bool {
    let decided = gather(&Root(root), "").decide(&[], &Record::default());
    !decided.is_empty()
}

/// Reads everything and decides. `arguments` is what modprobe was told.
///
/// # Errors
///
/// - Those of reading the folder of all devices.
pub(crate) fn decide(root: &Path, arguments: &str) -> io::Result<Decided> {
    let machine = read(root)?;
    let record = match Root(root).read(RECORD) {
        Some(text) => Record::parse(&text),
        None => in_use(root, &machine).at_boot(),
    };
    Ok(gather(&Root(root), arguments).decide(&machine, &record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_in_the_list_of_depmod() {
        let list = "kernel/drivers/xen/xen-pciback/xen-pciback.ko.xz:\n\
            kernel/x.ko: kernel/rust_pciback_needs.ko extra/rust_pciback.ko\n";
        assert!(!has_module(list, "rust_pciback"));
        assert!(has_module(list, "xen_pciback"));
        for file in ["extra/rust_pciback.ko", "updates/dkms/rust-pciback.ko.xz"] {
            assert!(has_module(&format!("{list}{file}:\n"), "rust_pciback"));
        }
        assert!(!has_module("", "rust_pciback"));
    }
}
