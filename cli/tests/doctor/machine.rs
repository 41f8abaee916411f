// SPDX-License-Identifier: GPL-2.0

//! A machine where all is as it should be.

use crate::common::{
    document,
    run, //
};

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, //
};

/// Files of a machine, by their paths; a text that begins with `->` is a link, an empty one says
/// that there is none.
pub type Files = &'static [(&'static str, &'static str)];

/// A PV dom0 where all is as it should be: a claimed network card, a disk with the root, and a
/// second network card.
pub const HEALTHY: Files = &[
    ("/sys/devices/pci0000:00/0000:00:04.0/uevent", PORT),
    (
        "/sys/devices/pci0000:00/0000:00:04.0/secondary_bus_number",
        "1",
    ),
    ("/sys/devices/pci0000:00/0000:00:05.0/uevent", PORT),
    (
        "/sys/devices/pci0000:00/0000:00:05.0/secondary_bus_number",
        "2",
    ),
    ("/sys/devices/pci0000:00/0000:00:06.0/uevent", PORT),
    (
        "/sys/devices/pci0000:00/0000:00:06.0/secondary_bus_number",
        "3",
    ),
    (CARD, "DRIVER=pciback\nPCI_CLASS=20000\nPCI_ID=8086:10C9\n"),
    (CARD_METHODS, "flr pm bus"),
    (CARD_STATE, "clean"),
    (CARD_ASSIGNABLE, "yes"),
    (CARD_INTERRUPTS, "msi-x"),
    (
        "/sys/devices/pci0000:00/0000:00:05.0/0000:02:00.0/uevent",
        "DRIVER=nvme\nPCI_CLASS=10802\nPCI_ID=1B36:0010\n",
    ),
    (
        "/sys/devices/pci0000:00/0000:00:05.0/0000:02:00.0/reset_method",
        "flr bus",
    ),
    (OTHER, "DRIVER=igb\nPCI_CLASS=20000\nPCI_ID=8086:10C9\n"),
    (OTHER_METHODS, "flr bus"),
    (
        "/sys/bus/pci/devices/0000:00:04.0",
        "->../../../devices/pci0000:00/0000:00:04.0",
    ),
    (
        "/sys/bus/pci/devices/0000:00:05.0",
        "->../../../devices/pci0000:00/0000:00:05.0",
    ),
    (
        "/sys/bus/pci/devices/0000:00:06.0",
        "->../../../devices/pci0000:00/0000:00:06.0",
    ),
    (
        "/sys/bus/pci/devices/0000:01:00.0",
        "->../../../devices/pci0000:00/0000:00:04.0/0000:01:00.0",
    ),
    (
        "/sys/bus/pci/devices/0000:02:00.0",
        "->../../../devices/pci0000:00/0000:00:05.0/0000:02:00.0",
    ),
    (
        "/sys/bus/pci/devices/0000:03:00.0",
        "->../../../devices/pci0000:00/0000:00:06.0/0000:03:00.0",
    ),
    (
        "/sys/dev/block/259:0",
        "->../../devices/pci0000:00/0000:00:05.0/0000:02:00.0/nvme/nvme0/nvme0n1",
    ),
    (
        "/proc/self/mountinfo",
        "22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw",
    ),
    (PROBE, "-"),
    ("/sys/bus/pci/drivers/pciback/slots", "0000:01:00.0"),
    ("/sys/module/rust_pciback/version", "0.1"),
    (HOLD_MSIX, "Y"),
    ("/sys/hypervisor/type", "xen"),
    (GUEST_TYPE, "PV"),
    ("/sys/hypervisor/version/major", "4"),
    (MINOR, "20"),
    (EXTRA, ".1"),
    (CONTROL, "control_d"),
    (RELEASE, "7.2.12+deb13-amd64"),
    (MODULE_FILE, "-"),
    (BOOT_PROGRAM, "-"),
    (SIG_ENFORCE, "N"),
    (LOCKDOWN, "[none] integrity confidentiality"),
    (
        "/usr/share/misc/pci.ids",
        "1002  AMD\n\t67df  Ellesmere\n8086  Intel\n\t10c9  82576\n\t15b8  Ethernet Connection (2) I219-V\n",
    ),
    (XL_INFO, "virt_caps : pv hvm hvm_directio"),
    (
        XL_DMESG,
        "(XEN) I/O virtualisation enabled\n(XEN) Interrupt remapping enabled\n",
    ),
    (MODINFO, "vermagic: 7.2.12+deb13-amd64 SMP\nsigner: somebody\n"),
];

pub const PORT: &str = "DRIVER=pcieport\nPCI_CLASS=60400\nPCI_ID=1B36:000C\n";
pub const CARD: &str = "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0/uevent";
pub const CARD_METHODS: &str = "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0/reset_method";
pub const CARD_STATE: &str = "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0/pciback/state";
pub const CARD_ASSIGNABLE: &str =
    "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0/pciback/assignable";
pub const CARD_INTERRUPTS: &str =
    "/sys/devices/pci0000:00/0000:00:04.0/0000:01:00.0/pciback/guest_interrupts";
pub const OTHER: &str = "/sys/devices/pci0000:00/0000:00:06.0/0000:03:00.0/uevent";
pub const OTHER_METHODS: &str = "/sys/devices/pci0000:00/0000:00:06.0/0000:03:00.0/reset_method";
pub const PROBE: &str = "/sys/bus/pci/drivers/pciback/probe";
pub const SLOTS: &str = "/sys/bus/pci/drivers/pciback/slots";
pub const HOLD_MSIX: &str = "/sys/module/rust_pciback/parameters/hold_msix";
pub const TYPE: &str = "/sys/hypervisor/type";
pub const GUEST_TYPE: &str = "/sys/hypervisor/guest_type";
pub const MINOR: &str = "/sys/hypervisor/version/minor";
pub const EXTRA: &str = "/sys/hypervisor/version/extra";
pub const CONTROL: &str = "/proc/xen/capabilities";
pub const RELEASE: &str = "/proc/sys/kernel/osrelease";
pub const COMMAND_LINE: &str = "/proc/cmdline";
pub const MODULE_FILE: &str = "/lib/modules/7.2.12+deb13-amd64/updates/rust_pciback.ko";
pub const BOOT_PROGRAM: &str = "/usr/libexec/rust-pciback/pciback-boot";
pub const BOOT_REPORT: &str = "/run/rust-pciback/report";
pub const SIG_ENFORCE: &str = "/sys/module/module/parameters/sig_enforce";
pub const LOCKDOWN: &str = "/sys/kernel/security/lockdown";
pub const XL_INFO: &str = "commands/xl info";
pub const XL_DMESG: &str = "commands/xl dmesg";
pub const MODINFO: &str = "commands/modinfo rust_pciback";
pub const STORE_FILE: &str = "/etc/rust-pciback/devices.d/card.conf";
pub const DRIVERCTL_FILE: &str = "/etc/driverctl.d/pci-0000:01:00.0";
pub const MODPROBE_FILE: &str = "/etc/modprobe.d/xen-pciback.conf";

/// What is written of the claimed card, and of the other.
pub const CARD_ENTRY: &str = "address=0000:01:00.0\nid=8086:10c9\nplace=pci0000:00/04.0/00.0\n";
pub const OTHER_ENTRY: &str = "address=0000:03:00.0\nid=8086:10c9\nplace=pci0000:00/06.0/00.0\n";

/// What is found on a machine that is healthy but for this.
pub fn findings(changes: Files) -> (Vec<Value>, Option<i32>) {
    let mut files: BTreeMap<&str, &str> = HEALTHY.iter().copied().collect();
    files.extend(changes.iter().copied());
    let mut report = "pcibackctl-report 1\n".to_string();
    for (path, text) in files.iter().filter(|(_, text)| !text.is_empty()) {
        let (folder, name) = path.rsplit_once('/').unwrap();
        report += &format!("in {folder}\n");
        match text.strip_prefix("->") {
            Some(target) => report += &format!("  {name} -> {target}\n"),
            None => {
                report += &format!("  {name}:\n");
                text.lines()
                    .for_each(|line| report += &format!("    {line}\n"));
            }
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), report).unwrap();
    let output = run(file.path(), &["doctor", "--json"]);
    let found = document(&output)["findings"].as_array().unwrap().clone();
    (found, output.status.code())
}
