// SPDX-License-Identifier: GPL-2.0

//! Reading a machine.
//!
//! Nothing of a device is looked at that the kernel would have to ask the device for: so no device
//! is woken up, and an ordinary user sees all of it.

use super::{
    host,
    ids::Book,
    kernel_name,
    nodes::Nodes,
    Claimed,
    Device,
    Header,
    Ids,
    Machine,
    Need,
    VirtualFunctions,
    DRIVER, //
};
use crate::{
    boot::rules::{
        device::Device as Function,
        forbidden::objections,
        identity::Id,
        in_use,
        wanted, //
    },
    boot_store,
    driver::pure::{
        reset_method::Method,
        sbdf::Sbdf, //
    },
    files::Files, //
};

use std::collections::{
    BTreeMap,
    BTreeSet, //
};

const DEVICES: &str = "/sys/bus/pci/devices";

/// Reads all of it.
pub(crate) fn machine(files: &dyn Files) -> Machine {
    let slots = Slots::read(files);
    let mut devices: Vec<Device> = files
        .list(DEVICES)
        .iter()
        .filter_map(|name| device(files, kernel_name(name)?, name, &slots))
        .collect();
    devices.sort_by_key(|device| device.sbdf);
    let wanted: Vec<Ids> = devices.iter().map(|device| device.ids).collect();
    let book = Book::read(files, &wanted);
    let mut nodes = Nodes::read(files);
    let functions: Vec<Function> = devices
        .iter()
        .filter_map(|device| function(files, device))
        .collect();
    let record = in_use::record(files, &functions);
    // A disk that is claimed has no say in whether another may be.
    let claimed = devices.iter().filter(|device| {
        let class = device.ids.class >> 16;
        device.claimed.is_some() && class != u32::from(Function::STORAGE)
    });
    let claimed: Vec<Sbdf> = claimed.map(|device| device.sbdf).collect();
    for device in &mut devices {
        device.names = book.names(device.ids);
        device.nodes = nodes.of.remove(&device.sbdf).unwrap_or_default();
        device.needs = nodes.needs.remove(&device.sbdf).unwrap_or_default();
        if device.claimed.is_none() && may_be_needed(device.ids.class >> 16) {
            let all = objections(&functions, &record, &claimed, &[device.sbdf]);
            device
                .needs
                .extend(all.iter().filter_map(|(_, why)| Need::of(why)));
        }
        device.needs.sort();
    }
    let gathered = wanted::gather(files, "");
    let overrides = boot_store::overrides(files);
    let kept = boot_store::read(files, &gathered.wanted, &overrides);
    let decided = gathered.decide(&functions, &record);
    Machine {
        devices,
        host: host::read(files),
        kept,
        overrides,
        faults: decided.faults,
        functions,
        record,
        plan: decided.plan,
    }
}

/// Returns `true` for a base class of which a device may be needed for another reason than that a
/// file system on it is mounted.
fn may_be_needed(class: u32) -> bool {
    [Function::STORAGE, Function::NETWORK, Function::DISPLAY]
        .iter()
        .any(|base| u32::from(*base) == class)
}

/// Returns a device as what claims at boot knows it; `None` if it can't name it.
fn function(files: &dyn Files, device: &Device) -> Option<Function> {
    let class = u8::try_from(device.ids.class >> 16).ok()?;
    let boot_vga = || files.line(&format!("{}/boot_vga", device.path));
    device.sbdf.xen_segment()?;
    Some(Function {
        address: device.sbdf,
        id: Id::new(device.ids.vendor, device.ids.device),
        place: boot_store::place(device)?,
        class,
        boot_vga: class == Function::DISPLAY && boot_vga().as_deref() == Some("1"),
        is_bridge: !device.is_endpoint(),
    })
}

/// Hot-plug slots that a port can reset.
struct Slots {
    /// Names by bus, and device number if the slot has one.
    names: BTreeMap<(u32, u8, Option<u8>), String>,
    /// Ports that the kernel's native hot-plug driver has.
    ports: BTreeSet<Sbdf>,
}

impl Slots {
    fn read(files: &dyn Files) -> Self {
        let services = files.list("/sys/bus/pci_express/drivers/pciehp");
        let port = |service: &String| kernel_name(service.split(":pcie").next()?);
        let names = files
            .list("/sys/bus/pci/slots")
            .into_iter()
            .filter_map(|name| {
                let address = files.line(&format!("/sys/bus/pci/slots/{name}/address"))?;
                let mut parts = address.split(':');
                let mut number = || {
                    parts
                        .next()
                        .map(|digits| u32::from_str_radix(digits, 16).ok())
                };
                let (domain, bus, slot) = (number()??, number()??, number());
                let small = |number: u32| u8::try_from(number).ok();
                Some(((domain, small(bus)?, slot.flatten().and_then(small)), name))
            });
        Self {
            names: names.collect(),
            ports: services.iter().filter_map(port).collect(),
        }
    }

    /// Returns the slot that a function below a port is in.
    fn of(&self, above: Option<Sbdf>, inside: Sbdf) -> Option<String> {
        if !self.ports.contains(&above?) {
            return None;
        }
        let name = |slot| self.names.get(&(inside.domain(), inside.bus(), slot));
        name(Some(inside.slot())).or_else(|| name(None)).cloned()
    }
}

fn device(files: &dyn Files, sbdf: Sbdf, name: &str, slots: &Slots) -> Option<Device> {
    let target = files.link(&format!("{DEVICES}/{name}"))?;
    let path = format!("/sys/{}", target.trim_start_matches("../"));
    let at = |file: &str| format!("{path}/{file}");
    let number = |file: &str| files.line(&at(file))?.parse::<u32>().ok();
    let parent = path.rsplit('/').nth(1).and_then(kernel_name);
    let physical = files
        .link_name(&at("physfn"))
        .as_deref()
        .and_then(kernel_name);
    // A bus that was made for virtual functions has no bridge of its own.
    let above = match physical {
        Some(physical) if physical.bus() != sbdf.bus() => None,
        _ => parent,
    };
    let (ids, driver) = identity(&files.read(&at("uevent"))?);
    let header = match files.line(&at("secondary_bus_number")) {
        None => Header::Endpoint,
        Some(_) if ids.class >> 8 == 0x0607 => Header::Other,
        Some(_) => Header::Bridge,
    };
    let methods = files.read(&at("reset_method")).map(|words| methods(&words));
    let driver_override = files
        .line(&at("driver_override"))
        .filter(|name| !name.is_empty() && name != "(null)");
    let vfs = number("sriov_totalvfs").map(|most| VirtualFunctions {
        now: number("sriov_numvfs").unwrap_or(0),
        most,
    });
    let claimed = (driver.as_deref() == Some(DRIVER)).then(|| {
        let word = |file: &str| {
            files
                .line(&at(&format!("pciback/{file}")))
                .unwrap_or_default()
        };
        Claimed {
            state: word("state"),
            assignable: word("assignable"),
            used_by: word("used_by").parse().ok(),
            interrupts: word("guest_interrupts"),
        }
    });
    Some(Device {
        sbdf,
        ids,
        header,
        above,
        physical,
        driver,
        driver_override,
        methods,
        gsi: number("gsi"),
        iommu_group: files
            .link_name(&at("iommu_group"))
            .and_then(|name| name.parse().ok()),
        vfs,
        ari: files.line(&at("ari_enabled")).as_deref() == Some("1"),
        slot: slots.of(above, sbdf),
        claimed,
        path,
        names: Default::default(),
        nodes: Vec::new(),
        needs: Vec::new(),
    })
}

/// Reads the variables of `uevent`: what a device is, and its driver.
fn identity(text: &str) -> (Ids, Option<String>) {
    let mut ids = Ids::default();
    let mut driver = None;
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
    for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match name {
            "DRIVER" => driver = Some(value.to_string()),
            "PCI_CLASS" => ids.class = hex(value).unwrap_or(0),
            "PCI_ID" => {
                let (vendor, device) = value.split_once(':').unwrap_or_default();
                let small = |digits| hex(digits).and_then(|number| u16::try_from(number).ok());
                ids.vendor = small(vendor).unwrap_or(0);
                ids.device = small(device).unwrap_or(0);
            }
            _ => {}
        }
    }
    (ids, driver)
}

/// Reads the words of `reset_method`; those that the driver doesn't know are left out, as there.
fn methods(words: &str) -> Vec<Method> {
    let known = |word: &str| {
        (1..=7)
            .filter_map(Method::from_kernel)
            .find(|method| method.name() == word)
    };
    words.split_whitespace().filter_map(known).collect()
}

/// What the driver itself says of a claimed device, each as in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// `reset_plan`.
    pub(crate) plan: String,
    /// `reset_blockers`, by lines.
    pub(crate) blockers: Vec<String>,
    /// `unproven_methods`.
    pub(crate) unproven: Vec<String>,
    /// `last_reset_method`.
    pub(crate) method: String,
    /// `last_reset_proof`.
    pub(crate) proof: String,
    /// `last_reset_error`: 0, or an errno as a negative number.
    pub(crate) error: i32,
    /// `last_reset_time_us`.
    pub(crate) micros: u64,
    /// `last_reset_xen`.
    pub(crate) xen: String,
}

impl Account {
    /// Reads it; `None` where the device isn't claimed by a driver that has these files.
    pub(crate) fn read(files: &dyn Files, device: &Device) -> Option<Self> {
        let claimed = device.claimed.as_ref()?;
        if claimed.state.is_empty() {
            return None;
        }
        let at = |file: &str| format!("{}/pciback/{file}", device.path);
        let line = |file: &str| files.line(&at(file)).unwrap_or_default();
        let words = |text: String, by: char| {
            let words = text
                .split(by)
                .map(str::trim)
                .filter(|word| !word.is_empty());
            words.map(str::to_string).collect()
        };
        Some(Self {
            plan: line("reset_plan"),
            blockers: words(files.read(&at("reset_blockers")).unwrap_or_default(), '\n'),
            unproven: words(line("unproven_methods"), ' '),
            method: line("last_reset_method"),
            proof: line("last_reset_proof"),
            error: line("last_reset_error").parse().unwrap_or(0),
            micros: line("last_reset_time_us").parse().unwrap_or(0),
            xen: line("last_reset_xen"),
        })
    }
}
