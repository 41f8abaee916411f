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
        options::words,
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
        // pci_bridge_attrs_are_visible() in drivers/pci/pci-sysfs.c.
        is_bridge: link.join("secondary_bus_number").exists(),
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

/// Reads everything and decides what to claim now. `arguments` is what modprobe was told.
///
/// # Errors
///
/// - Those of reading the folder of all devices.
pub(crate) fn decide(root: &Path, arguments: &str) -> io::Result<Decided> {
    // What the initramfs knew is what counts until the next boot. Of what it didn't know, such as
    // the disk that holds root where it was made in a chroot, the system may find out.
    let kept = Root(root).read(KEPT_RECORD).unwrap_or_default();
    decide_by(root, arguments, |record| {
        Record::parse(&kept).or(record.at_boot())
    })
}

/// Where the record of the initramfs is for the system that it starts.
const KEPT_RECORD: &str = "/run/rust-pciback/in-use";

/// In the initramfs, keeps its record for the system: who claims there, before cards have a link,
/// would find out otherwise, and less.
pub(crate) fn keep_record(root: &Path) {
    let place = root.join(KEPT_RECORD.trim_start_matches('/'));
    if let (Some(text), Some(folder)) = (Root(root).read(RECORD), place.parent()) {
        // Without it the system looks for itself.
        let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&place, text));
    }
}

/// Decides as the initramfs will that is made now.
///
/// # Errors
///
/// - Those of reading the folder of all devices.
pub(crate) fn decide_for_next_boot(root: &Path) -> io::Result<Decided> {
    decide_by(root, "", |record| record)
}

/// Decides; `known` is what counts of the devices in use where no initramfs has a record of them.
fn decide_by(
    root: &Path,
    arguments: &str,
    known: impl FnOnce(Record) -> Record,
) -> io::Result<Decided> {
    let machine = read(root)?;
    let record = match Root(root).read(RECORD) {
        Some(text) => Record::parse(&text),
        None => known(in_use(root, &machine)),
    };
    Ok(gather(&Root(root), arguments).decide(&machine, &record))
}

/// Returns `true` if the kernel's command line keeps a module from being loaded
/// (`module_blacklist=` in kernel/module/main.c).
pub(crate) fn is_blacklisted(root: &Path, module: &str) -> bool {
    let line = Root(root).read("/proc/cmdline").unwrap_or_default();
    let words = words(&line);
    let lists = words
        .iter()
        .filter_map(|word| word.strip_prefix("module_blacklist="));
    lists
        .flat_map(|list| list.split(','))
        .any(|name| name.replace('-', "_") == module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_use_tests::System;

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

    #[test]
    fn what_the_initramfs_knew_counts() {
        let system = System::new();
        for bus in [1, 2] {
            system.device(bus, "0x020000\n");
        }
        system.file("etc/rust-pciback/devices.d/card.conf", "address=01:00.0\n");
        let refused = || decide(&system.0, "").unwrap().plan.refusals.len();
        assert_eq!(refused(), 0, "the other card is left");
        let record = "known network\nnetwork 0000:01:00.0 1b36:0010 pci0000:00/01.0/00.0\n";
        system.file("etc/rust-pciback/in-use", record);
        keep_record(&system.0);
        fs::remove_file(system.0.join("etc/rust-pciback/in-use")).unwrap();
        assert_eq!(refused(), 1, "which has no link");
    }

    /// What the module has no parameter for would keep it from being loaded.
    #[test]
    fn the_module_is_told_what_it_knows() {
        let system = System::new();
        system.device(1, "0x010802\n");
        let decided = decide(&system.0, "permissive=1 verbose_request=1").unwrap();
        let names = decided.parameters.iter().map(|given| given.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["permissive"]);
        let faults = decided.faults.iter().map(|fault| fault.why.as_str());
        let expected = ["verbose_request is an option of xen-pciback only"];
        assert_eq!(faults.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_command_line_can_keep_a_module_out() {
        let system = System::new();
        for (line, expected) in [
            ("quiet", false),
            ("module_blacklist=igb,rust_pcibacks", false),
            ("quiet module_blacklist=igb,rust_pciback\n", true),
            ("module_blacklist=rust-pciback", true),
        ] {
            system.file("proc/cmdline", line);
            assert_eq!(
                is_blacklisted(&system.0, "rust_pciback"),
                expected,
                "{line}"
            );
        }
    }
}
