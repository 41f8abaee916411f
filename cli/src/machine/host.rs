// SPDX-License-Identifier: GPL-2.0

//! What is of a machine as a whole.

use crate::{
    boot::rules::options,
    files::Files,
    machine::{
        BOOT_PROGRAM,
        DRIVER_DIR,
        UPDATE_INITRD, //
    },
};

/// Which driver has the name `pciback`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StubKind {
    /// The one that this program belongs to.
    Rust,
    /// Linux's own, xen-pciback.
    C,
}

/// The driver, when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stub {
    /// Which.
    pub(crate) kind: StubKind,
    /// The listed slots, as it writes them.
    pub(crate) slots: Vec<String>,
    /// The parameter `strict_reset` is on.
    pub(crate) strict: bool,
    /// The parameter `hold_msix` is off.
    pub(crate) lets_go_of_msix: bool,
    /// Its version, empty if it doesn't say.
    pub(crate) version: String,
}

/// The hypervisor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Xen {
    /// Its version, `4.20.1`.
    pub(crate) version: String,
    /// This is the domain that has the hardware.
    pub(crate) control: bool,
    /// How the domain is virtualised: `PV`, `PVH` or `HVM`.
    pub(crate) guest_type: String,
}

/// Facts of the whole machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostFacts {
    /// The driver.
    pub(crate) stub: Option<Stub>,
    /// Xen, if the machine runs on it.
    pub(crate) xen: Option<Xen>,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The words of the kernel's command line that matter here ([`is_of_interest`]).
    pub(crate) command_line: Vec<String>,
    /// The module's file is there for this kernel.
    pub(crate) module_file: bool,
    /// Only signed modules are loaded.
    pub(crate) signed_only: bool,
    /// The kernel is locked down: `none`, `integrity` or `confidentiality`; empty if unknown.
    pub(crate) lockdown: String,
    /// The program that makes the initramfs again is there.
    pub(crate) update_initrd: bool,
    /// The program that claims at boot is there.
    pub(crate) boot_program: bool,
}

/// Returns `true` if a word of the kernel's command line has to do with passthrough. No other is
/// looked at, so none gets into a report.
pub(crate) fn is_of_interest(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or(word);
    ["rust_pciback.", "xen-pciback.", "xen_pciback.", "pciback."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            "pci"
                | "iommu"
                | "intel_iommu"
                | "amd_iommu"
                | "intremap"
                | "pcie_aspm"
                | "lockdown"
                | "module.sig_enforce"
                | "pcie_ports"
                | "vfio-pci.ids"
        )
}

/// `XENFEAT_dom0` (xen, public/features.h).
const FEATURE_DOM0: u32 = 1 << 11;

/// Reads them.
pub(crate) fn read(files: &dyn Files) -> HostFacts {
    let kernel = files.line("/proc/sys/kernel/osrelease").unwrap_or_default();
    let command_line = files.read("/proc/cmdline").unwrap_or_default();
    let modules = format!("/lib/modules/{kernel}");
    let places = ["updates", "updates/dkms", "extra", "kernel/drivers/xen"];
    HostFacts {
        stub: stub(files),
        xen: xen(files),
        command_line: options::words(&command_line)
            .into_iter()
            .filter(|word| is_of_interest(word))
            .collect(),
        module_file: places.iter().any(|place| {
            let names = files.list(&format!("{modules}/{place}"));
            names.iter().any(|name| name.starts_with("rust_pciback.ko"))
        }),
        kernel,
        signed_only: files
            .line("/sys/module/module/parameters/sig_enforce")
            .as_deref()
            == Some("Y"),
        lockdown: files
            .line("/sys/kernel/security/lockdown")
            .and_then(|line| Some(line.split_once('[')?.1.split_once(']')?.0.to_string()))
            .unwrap_or_default(),
        update_initrd: is_there(files, UPDATE_INITRD),
        boot_program: is_there(files, BOOT_PROGRAM),
    }
}

fn is_there(files: &dyn Files, path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    files.list(folder).iter().any(|found| found == name)
}

fn stub(files: &dyn Files) -> Option<Stub> {
    let names = files.list(DRIVER_DIR);
    // Only one of the two can have the name; only ours has a file `probe`.
    let kind = match names.iter().any(|name| name == "probe") {
        true => StubKind::Rust,
        false if names.is_empty() => return None,
        false => StubKind::C,
    };
    let slots = files.read(&format!("{DRIVER_DIR}/slots"));
    let of_module = |name: &str| files.line(&format!("/sys/module/rust_pciback/{name}"));
    let is = |name: &str, word| of_module(&format!("parameters/{name}")).as_deref() == Some(word);
    Some(Stub {
        kind,
        slots: slots
            .unwrap_or_default()
            .lines()
            .map(str::to_string)
            .collect(),
        strict: is("strict_reset", "Y"),
        lets_go_of_msix: is("hold_msix", "N"),
        version: of_module("version").unwrap_or_default(),
    })
}

fn xen(files: &dyn Files) -> Option<Xen> {
    if files.line("/sys/hypervisor/type").as_deref() != Some("xen") {
        return None;
    }
    let version = |part: &str| files.line(&format!("/sys/hypervisor/version/{part}"));
    let version = version("major")
        .zip(version("minor"))
        .map(|(major, minor)| format!("{major}.{minor}{}", version("extra").unwrap_or_default()));
    let capabilities = files.line("/proc/xen/capabilities").unwrap_or_default();
    let features = files.line("/sys/hypervisor/properties/features");
    let features = u32::from_str_radix(&features.unwrap_or_default(), 16).unwrap_or(0);
    Some(Xen {
        version: version.unwrap_or_default(),
        // The first is there only where xenfs is mounted.
        control: capabilities.contains("control_d") || features & FEATURE_DOM0 != 0,
        guest_type: files.line("/sys/hypervisor/guest_type").unwrap_or_default(),
    })
}
