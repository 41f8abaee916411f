// SPDX-License-Identifier: GPL-2.0

//! What there is to say of one device, and the list of them.

use crate::{
    boot::rules::refusal::Refusal,
    boot_store::By,
    driver::pure::reset_plan::Rung,
    machine::{
        Device,
        Header,
        Machine,
        Need, //
    },
    planner::{
        reason,
        Hierarchy,
        Outlook, //
    },
};

use schemars::JsonSchema;
use serde::Serialize;

/// The answer of `list`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct List {
    /// By address.
    pub(crate) devices: Vec<DeviceInfo>,
}

/// One function.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct DeviceInfo {
    /// Its address, as the kernel writes it.
    pub(crate) bdf: String,
    /// Vendor and device in hexadecimal, `8086:10c9`.
    pub(crate) id: String,
    /// Class, subclass and programming interface in hexadecimal, six digits.
    pub(crate) class_id: String,
    /// The vendor's name in pci.ids, empty if unknown.
    pub(crate) vendor: String,
    /// The device's name there, empty if unknown.
    pub(crate) name: String,
    /// The name of its class there, empty if unknown.
    pub(crate) class: String,
    /// Vendor and name as short as people say them; its IDs where pci.ids doesn't have it.
    pub(crate) title: String,
    /// `endpoint`, `bridge` or `other`.
    pub(crate) kind: &'static str,
    /// Its driver; `pciback` if it is claimed.
    pub(crate) driver: Option<String>,
    /// The only driver that it may have, if that was set.
    pub(crate) driver_override: Option<String>,
    /// It is claimed.
    pub(crate) claimed: bool,
    /// The driver's word in `pciback/state`.
    pub(crate) state: Option<String>,
    /// The driver's word in `pciback/assignable`.
    pub(crate) assignable: Option<String>,
    /// The domain that uses it.
    pub(crate) used_by: Option<u16>,
    /// Its global system interrupt, while the driver is loaded.
    pub(crate) gsi: Option<u32>,
    /// Its IOMMU group in Linux; under Xen there are none.
    pub(crate) iommu_group: Option<u32>,
    /// The bridge above it.
    pub(crate) above: Option<String>,
    /// The physical function that it is a virtual function of.
    pub(crate) physical: Option<String>,
    /// How many virtual functions it has.
    pub(crate) virtual_functions: Option<u32>,
    /// How many it could have.
    pub(crate) virtual_functions_most: Option<u32>,
    /// Alternative Routing-ID Interpretation is on.
    pub(crate) ari: bool,
    /// The hot-plug slot that it is in, if that can be reset.
    pub(crate) slot: Option<String>,
    /// Names of the kernel for it: network interfaces, disks, displays.
    pub(crate) nodes: Vec<String>,
    /// What the machine itself needs it for.
    pub(crate) needs: Vec<String>,
    /// What says that it is claimed at boot.
    pub(crate) at_boot: Option<AtBoot>,
    /// How it would be reset.
    pub(crate) reset: ResetInfo,
}

/// What says that a device is claimed at boot.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct AtBoot {
    /// `pcibackctl`, `driverctl`, or `hide`: an option of the driver or of xen-pciback.
    pub(crate) by: &'static str,
    /// The file, or `command line`.
    pub(crate) file: String,
    /// It means another device, which was where this one is: this one won't be claimed.
    pub(crate) mistaken: bool,
    /// Why it will be refused at boot all the same; null if it won't.
    pub(crate) refused: Option<String>,
}

/// How a device would be reset, or would be if it were claimed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct ResetInfo {
    /// What the kernel lists in `reset_method`; null where it found no method.
    pub(crate) methods: Option<Vec<String>>,
    /// The word that `pciback/reset_plan` has, or would have if this one were claimed: `none` where
    /// there is no way, or where it is blocked.
    pub(crate) plan: String,
    /// What would be tried first, blocked or not; null where there is no way.
    pub(crate) rung: Option<String>,
    /// Nothing is in the way of that.
    pub(crate) ready: bool,
    /// What is.
    pub(crate) blockers: Vec<BlockerInfo>,
    /// The others that have to be claimed as well, after which nothing is in the way. Empty where
    /// nothing is in the way, and where that would not do.
    pub(crate) claim_too: Vec<String>,
}

/// A function that is in the way of a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct BlockerInfo {
    /// Its address.
    pub(crate) bdf: String,
    /// Why, in the words of `pciback/reset_blockers`.
    pub(crate) reason: String,
}

/// Which devices `list` shows.
#[derive(Default)]
pub(crate) struct Filter {
    /// Bridges and parts of the chipset as well.
    pub(crate) all: bool,
    /// Those whose class has this in its name, or whose class begins with these digits.
    pub(crate) class: Option<String>,
    /// Those with this driver; `none` for those without.
    pub(crate) driver: Option<String>,
    /// Claimed ones.
    pub(crate) claimed: bool,
}

impl Filter {
    fn passes(&self, device: &Device) -> bool {
        let class = self.class.as_ref().is_none_or(|wanted| {
            let wanted = wanted.to_lowercase();
            let digits = format!("{:06x}", device.ids.class);
            device.names.class.to_lowercase().contains(&wanted) || digits.starts_with(&wanted)
        });
        let driver = (self.driver.as_ref())
            .is_none_or(|wanted| device.driver.as_deref().unwrap_or("none") == wanted);
        let usual = device.claimed.is_some() || (device.is_endpoint() && !device.is_chipset());
        class && driver && (self.all || usual) && (!self.claimed || device.claimed.is_some())
    }
}

/// Makes the list.
pub(crate) fn list(machine: &Machine, filter: &Filter) -> List {
    let hierarchy = Hierarchy::of(machine);
    let devices = machine.devices.iter().enumerate();
    List {
        devices: devices
            .filter(|(_, device)| filter.passes(device))
            .map(|(index, device)| info(machine, &hierarchy, index, device))
            .collect(),
    }
}

/// Puts together all that there is to say of a device.
pub(crate) fn info(
    machine: &Machine,
    hierarchy: &Hierarchy,
    index: usize,
    device: &Device,
) -> DeviceInfo {
    let claimed = device.claimed.as_ref();
    let word = |word: Option<&String>| word.filter(|word| !word.is_empty()).cloned();
    DeviceInfo {
        bdf: device.sbdf.to_string(),
        id: crate::boot_store::id(device),
        class_id: format!("{:06x}", device.ids.class),
        vendor: device.names.vendor.clone(),
        name: device.names.device.clone(),
        class: device.names.class.clone(),
        title: device.title(),
        kind: match device.header {
            Header::Endpoint => "endpoint",
            Header::Bridge => "bridge",
            Header::Other => "other",
        },
        driver: device.driver.clone(),
        driver_override: device.driver_override.clone(),
        claimed: claimed.is_some(),
        state: word(claimed.map(|claimed| &claimed.state)),
        assignable: word(claimed.map(|claimed| &claimed.assignable)),
        used_by: claimed.and_then(|claimed| claimed.used_by),
        gsi: device.gsi,
        iommu_group: device.iommu_group,
        above: device.above.map(|above| above.to_string()),
        physical: device.physical.map(|physical| physical.to_string()),
        virtual_functions: device.vfs.map(|vfs| vfs.now),
        virtual_functions_most: device.vfs.map(|vfs| vfs.most),
        ari: device.ari,
        slot: device.slot.clone(),
        nodes: device.nodes.iter().map(|node| node.name.clone()).collect(),
        needs: device.needs.iter().map(need).collect(),
        at_boot: machine.kept(device).map(|kept| AtBoot {
            by: match kept.by {
                By::Us => "pcibackctl",
                By::Driverctl => "driverctl",
                By::Hide => HIDE,
            },
            file: kept.file.clone(),
            mistaken: !kept.claims(device),
            refused: refused(machine, device),
        }),
        reset: reset(machine, &hierarchy.outlook(machine, index), device),
    }
}

/// What [`AtBoot::by`] has for an option.
pub(crate) const HIDE: &str = "hide";

/// Returns why what claims at boot will refuse a device that it finds.
fn refused(machine: &Machine, device: &Device) -> Option<String> {
    let mut refusals = machine.plan.refusals.iter();
    let of_device =
        |refusal: &&Refusal| refusal.address == device.sbdf && refusal.why.force().is_some();
    Some(refusals.find(of_device)?.why.to_string())
}

/// Puts a need into words that follow "it".
pub(crate) fn need(need: &Need) -> String {
    match need {
        Need::Mounted(place) => format!("has the file system at {place}"),
        Need::Swap => "has swap space in use".to_string(),
        Need::DefaultRoute(interface) => format!("carries the default route ({interface})"),
        Need::PerhapsRoot => "may hold the root file system".to_string(),
        Need::OnlyDisplay => "has the console, and is the last display".to_string(),
        Need::OnlyNetwork => "is the last network card in use".to_string(),
    }
}

fn reset(machine: &Machine, outlook: &Outlook, device: &Device) -> ResetInfo {
    let name = |index: &usize| {
        let device = machine.devices.get(*index);
        device.map(|device| device.sbdf.to_string())
    };
    let rung = outlook.rung.map(Rung::name);
    ResetInfo {
        methods: device.methods.as_ref().map(|methods| {
            methods
                .iter()
                .map(|method| method.name().to_string())
                .collect()
        }),
        plan: rung
            .filter(|_| outlook.is_ready())
            .unwrap_or("none")
            .to_string(),
        rung: rung.map(str::to_string),
        ready: outlook.is_ready(),
        blockers: blockers(machine, &outlook.blockers),
        claim_too: outlook.others.iter().filter_map(name).collect(),
    }
}

/// Puts blockers into words.
pub(crate) fn blockers(
    machine: &Machine,
    blockers: &[(usize, crate::driver::pure::reset_plan::Why)],
) -> Vec<BlockerInfo> {
    let known = blockers
        .iter()
        .filter_map(|(index, why)| Some((machine.devices.get(*index)?, *index, *why)));
    known
        .map(|(device, index, why)| BlockerInfo {
            bdf: device.sbdf.to_string(),
            reason: reason(machine, index, why),
        })
        .collect()
}
