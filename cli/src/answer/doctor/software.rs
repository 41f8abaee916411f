// SPDX-License-Identifier: GPL-2.0

//! Xen, the kernel and the driver.

use super::{
    Finding,
    Level, //
};
use crate::machine::{
    checks::Checks,
    Machine,
    Stub,
    StubKind, //
};

/// Looks at Xen, and what it has of the hardware.
pub(super) fn xen(machine: &Machine, checks: &Checks) -> Vec<Finding> {
    let Some(xen) = &machine.host.xen else {
        return vec![Finding::new(
            "xen",
            Level::Problem,
            "This machine doesn't run on Xen.",
            "Boot Xen; the driver is for its dom0. What a reset would reach is shown here all the same.",
        )];
    };
    if !xen.control {
        return vec![Finding::new(
            "xen",
            Level::Problem,
            format!("This is a guest of Xen {}, not its dom0.", xen.version),
            "Run this in dom0.",
        )];
    }
    let mut findings = vec![Finding::new(
        "xen",
        Level::Ok,
        format!(
            "Xen {}, and this is a {} dom0.",
            xen.version, xen.guest_type
        ),
        "",
    )];
    if xen.guest_type == "PVH" {
        findings.push(Finding::new(
            "pvh-vfs",
            Level::Note,
            "In a PVH dom0 Xen up to 4.22 refuses virtual functions.",
            "Use a PV dom0 for those (no dom0=pvh on Xen's command line).",
        ));
        if xen.version.starts_with("4.21.0") {
            findings.push(Finding::new(
                "xen-reset",
                Level::Warning,
                "Xen 4.21.0 hides the MSI-X of a device that was reset.",
                "Update Xen to 4.21.1 or later.",
            ));
        }
    }
    findings.extend(iommu(checks));
    findings
}

/// Neither DMAR nor IVRS need be there for dom0, so only Xen itself can tell.
fn iommu(checks: &Checks) -> Vec<Finding> {
    let look =
        "As root: xl info | grep virt_caps; xl dmesg | grep -i -e virtualisation -e remapping";
    let iommu = match checks.iommu {
        Some(true) => Finding::new("iommu", Level::Ok, "Xen uses an IOMMU.", ""),
        Some(false) => Finding::new(
            "iommu",
            Level::Problem,
            "Xen uses no IOMMU: HVM guests get no devices, and DMA of PV guests' devices reaches everything.",
            "Turn on VT-d or AMD-Vi in the firmware, and remove iommu=0 from Xen's command line",
        ),
        None => Finding::new(
            "iommu",
            Level::Note,
            "Whether Xen uses an IOMMU couldn't be found out.",
            look,
        ),
    };
    let remapping = match checks.remapping {
        Some(true) => Finding::new("remapping", Level::Ok, "Interrupts are remapped.", ""),
        Some(false) => Finding::new(
            "remapping",
            Level::Warning,
            "Interrupts are not remapped: a guest with a device can send any interrupt to the host.",
            "Turn on interrupt remapping or x2APIC in the firmware; give devices to guests that you trust",
        ),
        None => Finding::new(
            "remapping",
            Level::Note,
            "Whether interrupts are remapped couldn't be found out.",
            look,
        ),
    };
    vec![iommu, remapping]
}

/// Looks at the driver, or what is in its place.
pub(super) fn driver(machine: &Machine, checks: &Checks) -> Vec<Finding> {
    let host = &machine.host;
    match &host.stub {
        Some(stub) if stub.kind == StubKind::Rust => loaded(machine, stub),
        Some(_) => vec![Finding::new(
            "driver",
            Level::Problem,
            "xen-pciback is loaded, which has the driver's name.",
            "Detach its devices from guests, then: rmmod xen-pciback && modprobe rust_pciback",
        )],
        None => {
            let mut findings = vec![not_loaded(machine)];
            findings.extend(module(machine, checks));
            findings
        }
    }
}

fn loaded(machine: &Machine, stub: &Stub) -> Vec<Finding> {
    let version = match stub.version.as_str() {
        "" => String::new(),
        version => format!(" (version {version})"),
    };
    let strict = if stub.strict {
        ", with strict_reset"
    } else {
        ""
    };
    let text = format!("The driver is loaded{version}{strict}.");
    let mut findings = vec![Finding::new("driver", Level::Ok, text, "")];
    let pvh = (machine.host.xen.as_ref()).is_some_and(|xen| xen.guest_type == "PVH");
    if pvh && stub.lets_go_of_msix {
        findings.push(Finding::new(
            "pvh-msix",
            Level::Warning,
            "hold_msix is off: guests of this PVH dom0 get no MSI-X from devices claimed now.",
            "echo 1 >/sys/module/rust_pciback/parameters/hold_msix, then claim them again",
        ));
    }
    findings
}

fn not_loaded(machine: &Machine) -> Finding {
    let kernel = &machine.host.kernel;
    if machine.host.module_file {
        let mend = "modprobe rust_pciback; if that fails, dmesg has the reason";
        return Finding::new("driver", Level::Warning, "The driver is not loaded.", mend);
    }
    if kernel.is_empty() {
        let text = "The driver is not loaded, and which kernel this is can't be seen.";
        return Finding::new("driver", Level::Note, text, "");
    }
    let text = format!("There is no rust_pciback.ko for this kernel ({kernel}).");
    let mend = "Install the package of modules for it, or build it: make install";
    Finding::new("driver", Level::Problem, text, mend)
}

/// Looks at the module's file: the kernel that it is for, and its signature.
fn module(machine: &Machine, checks: &Checks) -> Vec<Finding> {
    let host = &machine.host;
    let mut findings = Vec::new();
    if let Some(other) = checks.built_for.as_ref().filter(|it| **it != host.kernel) {
        findings.push(Finding::new(
            "kernel-abi",
            Level::Problem,
            format!(
                "rust_pciback.ko is for {other}, and this is {}.",
                host.kernel
            ),
            "Install the package of modules for this kernel, or build it: make install",
        ));
    }
    let locked = !host.lockdown.is_empty() && host.lockdown != "none";
    if host.signed_only || locked {
        findings.push(signature(checks.signer.as_deref()));
    }
    findings
}

/// What a kernel that loads signed modules only makes of a module that isn't loaded, with that
/// signer. Whether it has the key is not looked for: names of keys prove nothing.
fn signature(signer: Option<&str>) -> Finding {
    let (level, text, mend) = match signer {
        None => (
            Level::Note,
            "This kernel loads signed modules only.".to_string(),
            "See SECURE BOOT in rust-pciback(8)",
        ),
        Some("") => (
            Level::Problem,
            "This kernel loads signed modules only, and rust_pciback.ko is not signed.".to_string(),
            "Sign it with a key that this machine trusts: SECURE BOOT in rust-pciback(8)",
        ),
        Some(name) => (
            Level::Note,
            format!("This kernel loads signed modules only; rust_pciback.ko is signed by {name}."),
            "If it is refused, that key is to be enrolled: SECURE BOOT in rust-pciback(8)",
        ),
    };
    Finding::new("signature", level, text, mend)
}

/// Looks for what is meant for another driver, and read by nothing here.
pub(super) fn command_line(machine: &Machine) -> Vec<Finding> {
    if machine.host.boot_program {
        return Vec::new();
    }
    let words = machine.host.command_line.iter();
    let theirs = words.filter(|word| word.contains("pciback.hide="));
    let theirs = theirs.filter(|word| !word.starts_with("rust_pciback."));
    theirs
        .map(|word| {
            Finding::new(
                "command-line",
                Level::Warning,
                format!("The command line has {word}, which is for xen-pciback."),
                "Install the rust-pciback package, which reads it; or use rust_pciback.hide=",
            )
        })
        .collect()
}
