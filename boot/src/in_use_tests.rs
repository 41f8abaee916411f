// SPDX-License-Identifier: GPL-2.0

//! What is in use, on systems in folders.

use crate::machine;
use std::{
    fs,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::atomic::{
        AtomicU32,
        Ordering, //
    },
};

/// A folder with files as a running system has them. It is removed in the end.
pub(crate) struct System(pub(crate) PathBuf);

impl System {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("pciback-boot-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let system = Self(path.canonicalize().unwrap());
        system.link("proc/1/root", "../..");
        system
    }

    pub(crate) fn file(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn link(&self, path: &str, target: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    /// A function on bus `bus`, behind a root port; returns its path.
    pub(crate) fn device(&self, bus: u8, class: &str) -> String {
        let (port, name) = (
            format!("0000:00:{bus:02x}.0"),
            format!("0000:{bus:02x}:00.0"),
        );
        let path = format!("sys/devices/pci0000:00/{port}/{name}");
        for (file, text) in [
            ("vendor", "0x1b36\n"),
            ("device", "0x0010\n"),
            ("class", class),
        ] {
            self.file(&format!("{path}/{file}"), text);
        }
        self.link(
            &format!("sys/bus/pci/devices/{name}"),
            &format!("../../../../{path}"),
        );
        path
    }

    /// A disk and its first partition, 259:0 and 259:1, at a path.
    fn disk(&self, path: &str, number: u8) {
        let name = path.rsplit('/').next().unwrap();
        self.file(&format!("{path}/{name}p1/partition"), "1\n");
        self.link(
            &format!("sys/dev/block/259:{number}"),
            &format!("../../../{path}"),
        );
        self.link(
            &format!("sys/dev/block/259:{}", number + 1),
            &format!("../../../{path}/{name}p1"),
        );
    }

    fn record(&self) -> String {
        let machine = machine::read(&self.0).unwrap();
        machine::in_use(&self.0, &machine).to_string()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const DISK: &str = "root 0000:05:00.0 1b36:0010 pci0000:00/05.0/00.0\n";

#[test]
fn what_is_wanted_is_known_without_devices() {
    let system = System::new();
    assert!(!machine::is_anything_wanted(&system.0));
    system.file("etc/modprobe.d/own.conf", "options igb hide=(03:00.0)\n");
    assert!(!machine::is_anything_wanted(&system.0));
    for (file, text) in [
        ("etc/rust-pciback/devices.d/a.conf", "address=03:00.0\n"),
        (
            "etc/modprobe.d/own.conf",
            "options xen-pciback hide=(03:00.0)\n",
        ),
        ("proc/cmdline", "quiet pciback.hide=(03:*.*)\n"),
    ] {
        let system = System::new();
        system.file(file, text);
        assert!(machine::is_anything_wanted(&system.0), "{file}");
    }
}

#[test]
fn a_partition_of_a_disk() {
    let system = System::new();
    let controller = system.device(5, "0x010802\n");
    system.disk(&format!("{controller}/nvme/nvme0/nvme0n1"), 0);
    system.file(
        "proc/self/mountinfo",
        "22 1 259:1 / / rw,noatime shared:1 - ext4 /dev/nvme0n1p1 rw\n",
    );
    assert_eq!(system.record(), format!("known root\n{DISK}"));
    // An older mount below the one that is seen.
    let two = "21 0 0:2 / / rw - tmpfs tmpfs rw\n22 1 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n";
    system.file("proc/self/mountinfo", two);
    assert_eq!(system.record(), format!("known root\n{DISK}"));
}

#[test]
fn volumes_on_two_disks() {
    let system = System::new();
    for (bus, number) in [(5, 0), (6, 4)] {
        let controller = system.device(bus, "0x010802\n");
        system.disk(
            &format!("{controller}/nvme/nvme{number}/nvme{number}n1"),
            number,
        );
        let partition = format!("{controller}/nvme/nvme{number}/nvme{number}n1/nvme{number}n1p1");
        system.link(
            &format!("sys/devices/virtual/block/dm-0/slaves/p{number}"),
            &format!("../../../../../../{partition}"),
        );
    }
    system.link("sys/dev/block/253:0", "../../devices/virtual/block/dm-0");
    system.file(
        "proc/self/mountinfo",
        "22 1 253:0 / / rw - ext4 /dev/mapper/a rw\n",
    );
    let expected = format!("known root\n{DISK}{}", DISK.replace("05", "06"));
    assert_eq!(system.record(), expected);
}

#[test]
fn a_namespace_with_two_ways() {
    let system = System::new();
    let controller = system.device(5, "0x010802\n");
    system.file(&format!("{controller}/nvme/nvme0/state"), "live\n");
    let subsystem = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
    system.link(
        &format!("{subsystem}/nvme0"),
        &format!("../../../../../{controller}/nvme/nvme0"),
    );
    system.disk(&format!("{subsystem}/nvme0n1"), 0);
    system.file(
        "proc/self/mountinfo",
        "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n",
    );
    assert_eq!(system.record(), format!("known root\n{DISK}"));
}

#[test]
fn a_pool_of_btrfs() {
    let system = System::new();
    let controller = system.device(5, "0x010802\n");
    let disk = format!("{controller}/nvme/nvme0/nvme0n1");
    system.disk(&disk, 0);
    system.link(
        "sys/fs/btrfs/some-uuid/devices/nvme0n1p1",
        &format!("../../../../../{disk}/nvme0n1p1"),
    );
    system.file(
        "proc/self/mountinfo",
        "22 1 0:30 /@ / rw - btrfs /dev/nvme0n1p1 rw\n",
    );
    assert_eq!(system.record(), format!("known root\n{DISK}"));
}

#[test]
fn what_cannot_be_told_is_not_known() {
    let system = System::new();
    system.device(5, "0x010802\n");
    system.file(
        "proc/self/mountinfo",
        "22 1 0:30 / / rw - zfs pool/root rw\n",
    );
    assert_eq!(system.record(), "");
    system.file("sys/devices/virtual/block/loop0/loop/backing_file", "/x\n");
    system.link("sys/dev/block/7:0", "../../devices/virtual/block/loop0");
    system.file(
        "proc/self/mountinfo",
        "22 1 7:0 / / rw - ext4 /dev/loop0 rw\n",
    );
    assert_eq!(system.record(), "");
    // No PCI device has it, which is something else.
    system.file(
        "proc/self/mountinfo",
        "22 1 0:30 / / rw - nfs server:/ rw\n",
    );
    assert_eq!(system.record(), "known root\n");
    system.file("proc/self/mountinfo", "1 1 0:2 / / rw - rootfs rootfs rw\n");
    assert_eq!(system.record(), "known root\n");
}

#[test]
fn in_a_chroot_nothing_is_known() {
    let system = System::new();
    fs::remove_file(system.0.join("proc/1/root")).unwrap();
    system.link("proc/1/root", "/");
    system.device(5, "0x010802\n");
    system.file(
        "proc/self/mountinfo",
        "22 1 0:30 / / rw - nfs server:/ rw\n",
    );
    assert_eq!(system.record(), "");
}

#[test]
fn cards_with_a_link_are_in_use() {
    let system = System::new();
    for (bus, carrier) in [(5, "1\n"), (6, "0\n")] {
        let card = system.device(bus, "0x020000\n");
        system.file(&format!("{card}/net/eth{bus}/carrier"), carrier);
        system.link(
            &format!("sys/class/net/eth{bus}"),
            &format!("../../../{card}/net/eth{bus}"),
        );
    }
    system.file("sys/devices/virtual/net/lo/carrier", "1\n");
    system.link("sys/class/net/lo", "../../devices/virtual/net/lo");
    assert_eq!(
        system.record(),
        "known network\nnetwork 0000:05:00.0 1b36:0010 pci0000:00/05.0/00.0\n"
    );
}
