// SPDX-License-Identifier: GPL-2.0

//! What can be wrong with a machine.

use super::machine::*;

/// One thing that is found: the word for it, how bad it is, a part of what is said, and what has
/// to be otherwise than with a healthy machine.
pub type Case = (&'static str, &'static str, &'static str, Files);

const XEN: &[Case] = &[
    ("xen", "problem", "doesn't run on Xen", &[(TYPE, "")]),
    ("xen", "problem", "a guest of Xen 4.20.1", &[(CONTROL, "")]),
    ("xen", "ok", "a PVH dom0", &[(GUEST_TYPE, "PVH")]),
    (
        "pvh-vfs",
        "note",
        "refuses virtual functions",
        &[(GUEST_TYPE, "PVH")],
    ),
    (
        "xen-reset",
        "warning",
        "hides the MSI-X",
        &[(GUEST_TYPE, "PVH"), (MINOR, "21"), (EXTRA, ".0")],
    ),
    (
        "iommu",
        "problem",
        "uses no IOMMU",
        &[(XL_INFO, "virt_caps : pv hvm")],
    ),
    (
        "iommu",
        "note",
        "couldn't be found out",
        &[(XL_INFO, ""), (XL_DMESG, "")],
    ),
    (
        "remapping",
        "warning",
        "not remapped",
        &[(XL_DMESG, "(XEN) Interrupt remapping disabled")],
    ),
    (
        "remapping",
        "note",
        "couldn't be found out",
        &[(XL_DMESG, "")],
    ),
];

const SOFTWARE: &[Case] = &[
    ("driver", "problem", "xen-pciback is loaded", &[(PROBE, "")]),
    (
        "driver",
        "warning",
        "is not loaded.",
        &[(PROBE, ""), (SLOTS, "")],
    ),
    (
        "driver",
        "problem",
        "no rust_pciback.ko for this kernel (7.2.12+deb13-amd64)",
        &[(PROBE, ""), (SLOTS, ""), (MODULE_FILE, "")],
    ),
    (
        "driver",
        "note",
        "which kernel this is can't be seen",
        &[(PROBE, ""), (SLOTS, ""), (MODULE_FILE, ""), (RELEASE, "")],
    ),
    (
        "pvh-msix",
        "warning",
        "hold_msix is off",
        &[(GUEST_TYPE, "PVH"), (HOLD_MSIX, "N")],
    ),
    (
        "kernel-abi",
        "problem",
        "is for 7.2.11+deb13-amd64, and this is 7.2.12+deb13-amd64",
        &[
            (PROBE, ""),
            (SLOTS, ""),
            (
                MODINFO,
                "vermagic: 7.2.11+deb13-amd64 SMP\nsigner: somebody\n",
            ),
        ],
    ),
    (
        "signature",
        "problem",
        "signed modules only",
        &[
            (PROBE, ""),
            (SLOTS, ""),
            (SIG_ENFORCE, "Y"),
            (MODINFO, "vermagic: 7.2.12+deb13-amd64 SMP\n"),
        ],
    ),
    (
        "signature",
        "note",
        "rust_pciback.ko is signed by somebody",
        &[
            (PROBE, ""),
            (SLOTS, ""),
            (SIG_ENFORCE, "Y"),
            (
                MODINFO,
                "vermagic: 7.2.12+deb13-amd64 SMP\nsigner: somebody\n",
            ),
        ],
    ),
    (
        "signature",
        "note",
        "signed modules only",
        &[
            (PROBE, ""),
            (SLOTS, ""),
            (LOCKDOWN, "none [integrity] confidentiality"),
            (MODINFO, ""),
        ],
    ),
    (
        "command-line",
        "warning",
        "xen-pciback.hide=(01:00.0), which is for xen-pciback",
        &[
            (BOOT_PROGRAM, ""),
            (COMMAND_LINE, "ro xen-pciback.hide=(01:00.0)"),
        ],
    ),
];

const AT_BOOT: &[Case] = &[
    (
        "at-boot",
        "problem",
        "nothing of it is claimed at boot",
        &[(STORE_FILE, "dance=yes\n")],
    ),
    (
        "at-boot",
        "warning",
        "hide=(01:00 is not understood",
        &[(MODPROBE_FILE, "options xen-pciback hide=(01:00\n")],
    ),
    (
        "at-boot",
        "warning",
        "has 0000:02:00.0, which is refused at boot",
        &[(MODPROBE_FILE, "options xen-pciback hide=(02:00.0)\n")],
    ),
    (
        "at-boot",
        "problem",
        "nothing is installed that does it",
        &[(STORE_FILE, CARD_ENTRY), (BOOT_PROGRAM, "")],
    ),
    (
        "at-boot",
        "warning",
        "At the last boot: refuse 0000:01:00.0",
        &[(
            BOOT_REPORT,
            "claim 0000:03:00.0 x\nrefuse 0000:01:00.0 x: why\n",
        )],
    ),
    (
        "at-boot",
        "warning",
        "means 0000:09:00.0, and no device is there",
        &[(
            STORE_FILE,
            "address=0000:09:00.0\nid=8086:10c9\nplace=pci0000:00/09.0/00.0\n",
        )],
    ),
    (
        "at-boot",
        "problem",
        "means another device than Intel 82576 at 0000:01:00.0",
        &[(
            STORE_FILE,
            "address=0000:01:00.0\nid=8086:1521\nplace=pci0000:00/04.0/00.0\n",
        )],
    ),
    (
        "at-boot",
        "note",
        "says 0000:07:00.0, and the device is at 0000:01:00.0 now",
        &[(
            STORE_FILE,
            "address=0000:07:00.0\nid=8086:10c9\nplace=pci0000:00/04.0/00.0\n",
        )],
    ),
    (
        "at-boot",
        "warning",
        "0000:03:00.0 is to be claimed at boot, and isn't claimed",
        &[(STORE_FILE, OTHER_ENTRY)],
    ),
    (
        "at-boot",
        "warning",
        "driverctl gives it to vfio-pci then",
        &[(STORE_FILE, CARD_ENTRY), (DRIVERCTL_FILE, "vfio-pci\n")],
    ),
    (
        "at-boot",
        "note",
        "0000:01:00.0 is kept twice, by driverctl too",
        &[(STORE_FILE, CARD_ENTRY), (DRIVERCTL_FILE, "pciback\n")],
    ),
];

const CLAIMED_I219: &str = "DRIVER=pciback\nPCI_CLASS=20000\nPCI_ID=8086:15B8\n";
const DEVICES: &[Case] = &[
    (
        "known",
        "warning",
        "0000:01:00.0 (Intel Ethernet Connection (2) I219-V): it has FLR",
        &[(CARD, CLAIMED_I219), (CARD_METHODS, "pm")],
    ),
    (
        "known",
        "note",
        "0000:03:00.0 (AMD Ellesmere): this family often",
        &[
            (OTHER, "DRIVER=amdgpu\nPCI_CLASS=30000\nPCI_ID=1002:67DF\n"),
            (OTHER_METHODS, "bus"),
        ],
    ),
    (
        "reset",
        "warning",
        "0000:01:00.0 (Intel 82576) can't be reset",
        &[(CARD_METHODS, "")],
    ),
    (
        "reset",
        "warning",
        "0000:01:00.0 (Intel 82576) can only be reset by pm",
        &[(CARD_METHODS, "pm")],
    ),
    (
        "reset",
        "note",
        "Not claimed, and can only be reset by pm, which cleans little: 0000:03:00.0.",
        &[(OTHER_METHODS, "pm")],
    ),
    (
        "claimed",
        "warning",
        "is failed: no guest may have it",
        &[(CARD_STATE, "failed"), (CARD_ASSIGNABLE, "no")],
    ),
    (
        "interrupts",
        "warning",
        "a guest's interrupts are none",
        &[(CARD_INTERRUPTS, "none")],
    ),
];

/// All of them.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    [XEN, SOFTWARE, AT_BOOT, DEVICES].into_iter().flatten()
}
