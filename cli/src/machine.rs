// SPDX-License-Identifier: GPL-2.0

//! What is known of a machine: one value, made by [`read`] and changed by nobody. All answers are
//! made of it.

pub(crate) mod checks;
mod host;
mod ids;
mod nodes;
pub(crate) mod read;
pub(crate) mod report;

pub(crate) use self::host::{
    HostFacts,
    Stub,
    StubKind, //
};

use crate::{
    boot::rules::{
        device::Device as Function,
        forbidden::objections,
        plan::Plan,
        record::Record,
        refusal::Why,
        wanted::Fault, //
    },
    boot_store::{
        Kept,
        Override, //
    },
    driver::pure::{
        reset_method::Method,
        sbdf::Sbdf, //
    },
};

/// The name of the driver, as the driver core knows it.
pub(crate) const DRIVER: &str = "pciback";

/// The folder of the driver.
pub(crate) const DRIVER_DIR: &str = "/sys/bus/pci/drivers/pciback";

/// The program that makes the initramfs again, of the package.
pub(crate) const UPDATE_INITRD: &str = "/usr/libexec/rust-pciback/update-initrd";

/// The program that claims at boot, of the package.
pub(crate) const BOOT_PROGRAM: &str = "/usr/libexec/rust-pciback/pciback-boot";

/// What that program said of the last boot.
pub(crate) const BOOT_REPORT: &str = "/run/rust-pciback/report";

/// A machine.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    /// All functions, by address.
    pub(crate) devices: Vec<Device>,
    /// What is of the machine as a whole.
    pub(crate) host: HostFacts,
    /// What is claimed at boot.
    pub(crate) kept: Vec<Kept>,
    /// What driverctl does at boot.
    pub(crate) overrides: Vec<Override>,
    /// What of that can't be understood.
    pub(crate) faults: Vec<Fault>,
    /// The functions, as what claims at boot knows them.
    pub(crate) functions: Vec<Function>,
    /// Which of them the machine uses, as that sees it.
    pub(crate) record: Record,
    /// What that will do at the next boot.
    pub(crate) plan: Plan,
}

impl Machine {
    /// Returns the place of a function among all.
    pub(crate) fn index_of(&self, sbdf: Sbdf) -> Option<usize> {
        self.devices
            .binary_search_by_key(&sbdf, |device| device.sbdf)
            .ok()
    }

    /// Returns a function.
    pub(crate) fn get(&self, sbdf: Sbdf) -> Option<&Device> {
        self.devices.get(self.index_of(sbdf)?)
    }

    /// Returns which of some devices must not be claimed beside others, and why: what decides at
    /// boot would refuse them, too.
    pub(crate) fn objections(&self, others: &[Sbdf], more: &[Sbdf]) -> Vec<(Sbdf, Why)> {
        objections(&self.functions, &self.record, others, more)
    }

    /// Returns what says that a device is claimed at boot, or that another one is which was where
    /// this one is.
    pub(crate) fn kept(&self, device: &Device) -> Option<&Kept> {
        let mut kept = self.kept.iter();
        let claims = kept.find(|kept| kept.claims(device));
        claims.or_else(|| self.kept.iter().find(|kept| kept.means(device)))
    }
}

/// What kind of header a function has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Header {
    /// An endpoint.
    #[default]
    Endpoint,
    /// A PCI-to-PCI bridge.
    Bridge,
    /// A CardBus bridge.
    Other,
}

/// The identity of a function, as `lspci -n` has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// The vendor.
    pub(crate) vendor: u16,
    /// The vendor's number of the device.
    pub(crate) device: u16,
    /// Class, subclass and programming interface, from the top.
    pub(crate) class: u32,
}

/// What `pci.ids` calls it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// The vendor, empty if unknown.
    pub(crate) vendor: String,
    /// The device, empty if unknown.
    pub(crate) device: String,
    /// The class, empty if unknown.
    pub(crate) class: String,
}

/// A name of the kernel for what a function does: a network interface, a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The class, as in `/sys/class`.
    pub(crate) class: String,
    /// The name.
    pub(crate) name: String,
}

/// What the machine itself needs a function for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// A file system on it is mounted there.
    Mounted(String),
    /// There is swap on it.
    Swap,
    /// The default route goes through this interface of it.
    DefaultRoute(String),
    /// It may hold the root file system, for it isn't known which device does.
    PerhapsRoot,
    /// It has the console, and there is no other display.
    OnlyDisplay,
    /// There is no other network card in use.
    OnlyNetwork,
}

impl Need {
    /// Returns the need that is behind an objection; `None` if a file system that is mounted is, or
    /// no need.
    pub(crate) fn of(why: &Why) -> Option<Self> {
        match why {
            Why::PerhapsRoot => Some(Self::PerhapsRoot),
            Why::Gpu => Some(Self::OnlyDisplay),
            Why::Network => Some(Self::OnlyNetwork),
            Why::Root
            | Why::Absent(_)
            | Why::OtherId { .. }
            | Why::OtherAddress(_)
            | Why::Bridge => None,
        }
    }
}

/// What the driver's files say of a claimed device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// `state`; empty where the driver has no such file (the C driver).
    pub(crate) state: String,
    /// `assignable`.
    pub(crate) assignable: String,
    /// `used_by`, if a domain uses it.
    pub(crate) used_by: Option<u16>,
    /// `guest_interrupts`.
    pub(crate) interrupts: String,
}

/// Virtual functions of a physical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VirtualFunctions {
    /// How many there are.
    pub(crate) now: u32,
    /// How many there could be.
    pub(crate) most: u32,
}

/// One function.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// Its address.
    pub(crate) sbdf: Sbdf,
    /// Its folder.
    pub(crate) path: String,
    /// Its identity.
    pub(crate) ids: Ids,
    /// What that is called.
    pub(crate) names: Names,
    /// Its header.
    pub(crate) header: Header,
    /// The bridge above it.
    pub(crate) above: Option<Sbdf>,
    /// The physical function that it is a virtual function of.
    pub(crate) physical: Option<Sbdf>,
    /// Its driver.
    pub(crate) driver: Option<String>,
    /// The only driver that it may have, if it was set.
    pub(crate) driver_override: Option<String>,
    /// What `reset_method` lists; `None` where there is no such file.
    pub(crate) methods: Option<Vec<Method>>,
    /// Its global system interrupt, as the driver shows it.
    pub(crate) gsi: Option<u32>,
    /// Its IOMMU group.
    pub(crate) iommu_group: Option<u32>,
    /// Its virtual functions, if it can have any.
    pub(crate) vfs: Option<VirtualFunctions>,
    /// Alternative Routing-ID Interpretation is on for it.
    pub(crate) ari: bool,
    /// The hot-plug slot that it is in, which the port above can reset.
    pub(crate) slot: Option<String>,
    /// What it is called as what it does.
    pub(crate) nodes: Vec<Node>,
    /// What the machine itself needs it for.
    pub(crate) needs: Vec<Need>,
    /// The driver has claimed it.
    pub(crate) claimed: Option<Claimed>,
}

impl Device {
    /// Returns `true` if it does something itself: the driver is for such functions.
    pub(crate) fn is_endpoint(&self) -> bool {
        self.header == Header::Endpoint
    }

    /// Returns `true` if it is a part of the chipset that nobody would give away: a host bridge, an
    /// ISA bridge and the like (class 06), a part of the system (class 08, but not 0805, a host of
    /// SD cards), an SMBus (class 0c05).
    pub(crate) fn is_chipset(&self) -> bool {
        match self.ids.class >> 8 {
            0x0805 => false,
            0x0c05 => true,
            class => matches!(class >> 8, 0x06 | 0x08),
        }
    }

    /// Returns what it is called, as short as it can be told from others.
    pub(crate) fn title(&self) -> String {
        let Ids { vendor, device, .. } = self.ids;
        match (self.names.vendor.is_empty(), self.names.device.is_empty()) {
            (true, _) => format!("{vendor:04x}:{device:04x}"),
            (false, true) => format!("{} {device:04x}", short_vendor(&self.names.vendor)),
            (false, false) => format!("{} {}", short_vendor(&self.names.vendor), self.names.device),
        }
    }
}

/// Returns a vendor's name without what all companies have in theirs.
fn short_vendor(name: &str) -> &str {
    let name = name.split(['[', '(']).next().unwrap_or(name).trim_end();
    let mut name = if name.is_empty() { "" } else { name };
    for end in [
        ", Inc.",
        " Inc.",
        " Inc",
        " Corporation",
        " Corp.",
        " Co., Ltd.",
        " Co., Ltd",
        " Ltd.",
        " Semiconductor",
        " Technology",
        ", LLC",
        " Electronics",
    ] {
        name = name.strip_suffix(end).unwrap_or(name);
    }
    name.trim_end_matches([',', ' '])
}

/// Reads an address as the kernel writes it, `%04x:%02x:%02x.%d`.
pub(crate) fn kernel_name(text: &str) -> Option<Sbdf> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (slot, function) = rest.split_once('.')?;
    if domain.len() < 4 || bus.len() != 2 || slot.len() != 2 || function.len() != 1 {
        return None;
    }
    let hex = |digits: &str| {
        // from_str_radix() takes a sign, too.
        let are_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        are_digits.then_some(())?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (slot, function) = (hex(slot)?, hex(function)?);
    if slot > 31 || function > 7 {
        return None;
    }
    let devfn = u8::try_from((slot << 3) | function).ok()?;
    Some(Sbdf::new(
        hex(domain)?,
        u8::try_from(hex(bus)?).ok()?,
        devfn,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_kernel_are_addresses() {
        assert_eq!(kernel_name("0000:03:1f.7"), Some(Sbdf::new(0, 3, 0xff)));
        assert_eq!(
            kernel_name("10000:e1:00.0"),
            Some(Sbdf::new(0x10000, 0xe1, 0))
        );
        for text in [
            "",
            "03:00.0",
            "0000:03:00",
            "0000:03:20.0",
            "0000:03:00.8",
            "pci0000:00",
            "0000:3:00.0",
            "0000:+3:00.0",
        ] {
            assert_eq!(kernel_name(text), None, "{text}");
        }
    }

    #[test]
    fn vendors_are_short() {
        assert_eq!(short_vendor("Intel Corporation"), "Intel");
        assert_eq!(
            short_vendor("Advanced Micro Devices, Inc. [AMD/ATI]"),
            "Advanced Micro Devices"
        );
        assert_eq!(short_vendor("Realtek Semiconductor Co., Ltd."), "Realtek");
        assert_eq!(short_vendor("Red Hat, Inc."), "Red Hat");
    }
}
