// SPDX-License-Identifier: GPL-2.0

//! A machine in a folder, to be changed.

use std::fs;
use tempfile::TempDir;

/// Writes a file of it.
pub fn write(root: &TempDir, path: &str, text: &str) {
    let path = root.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A machine with a root disk, a network card and a claimed device, as files.
pub fn folder(unbind: bool) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| write(&root, path, text);
    let link = |path: &str, target: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
    };
    for (bdf, driver, class) in [
        ("0000:01:00.0", "nvme", "10802"),
        ("0000:02:00.0", "igb", "20000"),
        ("0000:02:00.1", "pciback", "20000"),
    ] {
        // Each bus is behind a port of its number.
        let path = format!("pci0000:00/0000:00:{}.0/{bdf}", &bdf[5..7]);
        let device = format!("sys/devices/{path}");
        write(
            &format!("{device}/uevent"),
            &format!("DRIVER={driver}\nPCI_CLASS={class}\nPCI_ID=8086:10C9\n"),
        );
        write(&format!("{device}/reset_method"), "flr bus\n");
        link(
            &format!("sys/bus/pci/devices/{bdf}"),
            &format!("../../../devices/{path}"),
        );
    }
    write(
        "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.1/pciback/state",
        "clean\n",
    );
    write(
        "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.1/pciback/used_by",
        "none\n",
    );
    link(
        "sys/class/block/nvme0n1",
        "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0/nvme0n1",
    );
    link(
        "sys/class/net/eth0",
        "../../devices/pci0000:00/0000:00:02.0/0000:02:00.0/net/eth0",
    );
    link(
        "sys/dev/block/259:0",
        "../../devices/pci0000:00/0000:00:01.0/0000:01:00.0/nvme/nvme0/nvme0n1",
    );
    write(
        "proc/self/mountinfo",
        "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n",
    );
    for file in [
        "new_slot",
        "remove_slot",
        "probe",
        "reset_device",
        "bind",
        "unbind",
    ] {
        write(&format!("sys/bus/pci/drivers/pciback/{file}"), "");
    }
    write("sys/bus/pci/drivers/pciback/slots", "0000:02:00.1\n");
    write("sys/bus/pci/drivers_probe", "");
    write("sys/bus/pci/drivers/igb/bind", "");
    if unbind {
        write("sys/bus/pci/drivers/igb/unbind", "");
    }
    root
}

/// What was written to a file of the bus.
pub fn read(root: &TempDir, path: &str) -> String {
    fs::read_to_string(root.path().join("sys/bus/pci").join(path)).unwrap()
}
