// SPDX-License-Identifier: GPL-2.0

//! Machines of a few devices for the tests of plans, and what a plan does.

use super::{
    Act,
    Step,
    When, //
};
use crate::{
    boot::rules::{
        device::Device as Function,
        identity::{
            Id,
            Place, //
        },
        record::Record,
        store::{
            parse,
            Entry,
            Force, //
        },
    },
    boot_store::{
        self,
        By,
        Kept,
        Meant, //
    },
    driver::pure::sbdf::Sbdf,
    machine::{
        Claimed,
        Device,
        HostFacts,
        Machine,
        Stub,
        StubKind,
        DRIVER, //
    },
};

pub(super) const NOW: When = When {
    now: true,
    boot: false,
};

pub(super) const BOOT: When = When {
    now: false,
    boot: true,
};

pub(super) fn device(bus: u8, driver: Option<&str>) -> Device {
    let sbdf = Sbdf::new(0, bus, 0);
    Device {
        sbdf,
        path: format!("/sys/devices/pci0000:00/0000:00:04.0/{sbdf}"),
        ids: Default::default(),
        names: Default::default(),
        header: Default::default(),
        above: None,
        physical: None,
        driver: driver.map(str::to_string),
        driver_override: None,
        methods: None,
        gsi: None,
        iommu_group: None,
        vfs: None,
        ari: false,
        slot: None,
        nodes: Vec::new(),
        needs: Vec::new(),
        claimed: (driver == Some(DRIVER)).then(Claimed::default),
    }
}

pub(super) fn machine(devices: Vec<Device>) -> Machine {
    Machine {
        devices,
        host: HostFacts {
            stub: Some(Stub {
                kind: StubKind::Rust,
                slots: Vec::new(),
                strict: false,
                lets_go_of_msix: false,
                version: String::new(),
            }),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// Enters the devices into what the rules for the boot know, each with this class.
pub(super) fn with_rules(mut machine: Machine, class: u8, record: &str) -> Machine {
    let function = |device: &Device| Function {
        address: device.sbdf,
        id: Id::new(0, 0),
        place: boot_store::place(device).unwrap(),
        class,
        boot_vga: device.sbdf.bus() == 1,
        is_bridge: false,
    };
    machine.functions = machine.devices.iter().map(function).collect();
    machine.record = Record::parse(record);
    machine
}

pub(super) fn names(steps: &[Step]) -> Vec<String> {
    let name = |path: &str| path.rsplit('/').take(2).collect::<Vec<_>>().join("<");
    steps
        .iter()
        .map(|step| match &step.act {
            Act::Write(text) => format!("{}={}", name(&step.path), text.trim()),
            Act::Keep(_) => format!("+{}", step.path),
            Act::Remove => format!("-{}", step.path),
            Act::Run => format!("!{}", step.path),
        })
        .collect()
}

/// The files that are written, in order, when all steps are taken back.
pub(super) fn undone(steps: &[Step]) -> Vec<&str> {
    let backwards = steps.iter().rev().flat_map(|step| &step.undo);
    backwards
        .map(|(path, _)| path.rsplit('/').next().unwrap())
        .collect()
}

pub(super) fn all(machine: &Machine) -> Vec<&Device> {
    machine.devices.iter().collect()
}

pub(super) fn kept(name: &str, sbdf: Sbdf, id: &str, place: &str) -> Kept {
    Kept {
        file: format!("/etc/rust-pciback/devices.d/{name}.conf"),
        text: format!("address={sbdf}\n"),
        by: By::Us,
        meant: Meant::Device(Entry {
            address: sbdf,
            id: Some(Id::parse(id).unwrap()),
            place: Some(Place::parse(place).unwrap()),
            force: Force::default(),
        }),
    }
}

pub(super) fn machine_of_one_igb() -> Machine {
    machine(vec![device(1, Some("igb"))])
}

pub(super) fn force_of(step: &Step) -> Force {
    let Act::Keep(text) = &step.act else {
        panic!("{step:?}");
    };
    parse(text).unwrap().force
}
