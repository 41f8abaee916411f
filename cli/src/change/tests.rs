// SPDX-License-Identifier: GPL-2.0

//! Plans of changes, for a machine of two devices.

use super::*;
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
            Entry, //
        },
        wanted::Fault, //
    },
    boot_store::Meant,
    driver::pure::bdf_grammar::parse_pattern,
    machine::{
        Claimed,
        HostFacts,
        Stub,
        VirtualFunctions, //
    },
};

const NOW: When = When {
    now: true,
    boot: false,
};

const BOOT: When = When {
    now: false,
    boot: true,
};

fn device(bus: u8, driver: Option<&str>) -> Device {
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

fn machine(devices: Vec<Device>) -> Machine {
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
fn with_rules(mut machine: Machine, class: u8, record: &str) -> Machine {
    let function = |device: &Device| Function {
        address: device.sbdf,
        id: Id::new(0, 0),
        place: boot_store::place(device).unwrap(),
        class,
        boot_vga: device.sbdf.bus() == 1,
    };
    machine.functions = machine.devices.iter().map(function).collect();
    machine.record = Record::parse(record);
    machine
}

fn names(steps: &[Step]) -> Vec<String> {
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
fn undone(steps: &[Step]) -> Vec<&str> {
    let backwards = steps.iter().rev().flat_map(|step| &step.undo);
    backwards
        .map(|(path, _)| path.rsplit('/').next().unwrap())
        .collect()
}

fn all(machine: &Machine) -> Vec<&Device> {
    machine.devices.iter().collect()
}

#[test]
fn a_claim_lists_unbinds_and_probes_all_at_once() {
    let machine = machine(vec![
        device(1, Some("igb")),
        device(2, None),
        device(3, Some(DRIVER)),
    ]);
    let steps = claim(&machine, &all(&machine), NOW, false).unwrap();
    assert_eq!(
        names(&steps),
        [
            "new_slot<pciback=0000:01:00.0",
            "unbind<igb=0000:01:00.0",
            "new_slot<pciback=0000:02:00.0",
            "probe<pciback=0000:01:00.0 0000:02:00.0",
        ]
    );
    // Backwards, each step is taken back.
    assert_eq!(
        undone(&steps),
        ["unbind", "unbind", "remove_slot", "bind", "remove_slot"]
    );
}

#[test]
fn what_the_machine_needs_is_refused_unless_forced() {
    let mut disk = device(1, Some("nvme"));
    disk.needs.push(Need::Mounted("/".into()));
    let machine = machine(vec![disk]);
    let refusal = claim(&machine, &all(&machine), NOW, false).unwrap_err();
    assert!(
        refusal.cause.contains("file system at /"),
        "{}",
        refusal.cause
    );
    assert!(claim(&machine, &all(&machine), BOOT, false).is_err());
    assert_eq!(claim(&machine, &all(&machine), NOW, true).unwrap().len(), 3);
}

#[test]
fn an_override_of_somebody_else_is_refused_and_forced_away() {
    let mut gpu = device(1, Some("vfio-pci"));
    gpu.driver_override = Some("vfio-pci".into());
    let machine = machine(vec![gpu]);
    assert!(claim(&machine, &all(&machine), NOW, false).is_err());
    let steps = claim(&machine, &all(&machine), NOW, true).unwrap();
    assert_eq!(
        names(&steps),
        [
            "new_slot<pciback=0000:01:00.0",
            "unbind<vfio-pci=0000:01:00.0",
            "driver_override<0000:01:00.0=",
            "probe<pciback=0000:01:00.0",
        ]
    );
}

#[test]
fn virtual_functions_are_not_taken_along_unless_forced() {
    let mut physical = device(1, Some("igb"));
    physical.vfs = Some(VirtualFunctions { now: 2, most: 7 });
    let machine = machine(vec![physical]);
    assert!(claim(&machine, &all(&machine), NOW, false).is_err());
    assert!(claim(&machine, &all(&machine), NOW, true).is_ok());
    // At boot there are none yet.
    assert!(claim(&machine, &all(&machine), BOOT, false).is_ok());
}

#[test]
fn more_than_a_page_of_addresses_is_written_in_parts() {
    let many = (0..=255).flat_map(|bus| [device(bus, None), device(bus, Some(DRIVER))]);
    let machine = machine(many.collect());
    let written = |steps: &[Step], file: &str| -> Vec<usize> {
        let steps = steps.iter().filter(|step| step.path.ends_with(file));
        steps.map(|step| step.device.split(' ').count()).collect()
    };
    let steps = claim(&machine, &all(&machine), NOW, false).unwrap();
    assert_eq!(written(&steps, "/probe"), [256]);
    let claimed: Vec<&Device> = all(&machine)
        .into_iter()
        .filter(|device| device.claimed.is_some())
        .collect();
    let twice = [claimed.as_slice(), claimed.as_slice()].concat();
    let steps = reset(&machine, &twice, false).unwrap();
    assert_eq!(written(&steps, "/reset_device"), [256, 256]);
}

#[test]
fn without_the_driver_only_the_boot_can_be_prepared() {
    let mut machine = machine(vec![device(1, Some("igb"))]);
    machine.host.stub = None;
    assert!(claim(&machine, &all(&machine), NOW, false).is_err());
    let steps = claim(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(
        names(&steps),
        ["+/etc/rust-pciback/devices.d/0000:01:00.0.conf"]
    );
    assert!(reset(&machine, &all(&machine), false).is_err());
}

#[test]
fn a_release_gives_the_device_back_to_a_driver() {
    let mut ours = device(1, Some(DRIVER));
    ours.driver_override = Some(DRIVER.into());
    let mut machine = machine(vec![ours]);
    machine
        .host
        .stub
        .as_mut()
        .unwrap()
        .slots
        .push("0000:01:00.0".into());
    let steps = release(&machine, &all(&machine), NOW, false).unwrap();
    assert_eq!(
        names(&steps),
        [
            "driver_override<0000:01:00.0=",
            "unbind<pciback=0000:01:00.0",
            "remove_slot<pciback=0000:01:00.0",
            "drivers_probe<pci=0000:01:00.0",
        ]
    );
    // Who came goes, and the slot is listed again before the device is bound again.
    assert_eq!(
        undone(&steps),
        ["unbind", "new_slot", "bind", "driver_override"]
    );
}

#[test]
fn what_a_guest_uses_is_neither_released_nor_reset() {
    let mut used = device(1, Some(DRIVER));
    used.claimed = Some(Claimed {
        used_by: Some(7),
        ..Default::default()
    });
    let machine = machine(vec![used]);
    assert!(release(&machine, &all(&machine), NOW, false).is_err());
    assert!(reset(&machine, &all(&machine), false).is_err());
    assert!(release(&machine, &all(&machine), NOW, true).is_ok());
    assert!(reset(&machine, &all(&machine), true).is_ok());
}

#[test]
fn what_driverctl_keeps_is_left_to_driverctl() {
    let mut machine = machine(vec![device(1, Some(DRIVER))]);
    machine.kept.push(Kept {
        file: "/etc/driverctl.d/pci-0000:01:00.0".into(),
        text: "pciback\n".into(),
        by: By::Driverctl,
        meant: Meant::Device(Entry {
            address: Sbdf::new(0, 1, 0),
            id: None,
            place: None,
            force: Force::default(),
        }),
    });
    assert!(release(&machine, &all(&machine), BOOT, false).is_err());
    assert!(release(&machine, &all(&machine), NOW, false).is_ok());
    // Kept already: nothing to do.
    assert!(claim(&machine, &all(&machine), BOOT, false)
        .unwrap()
        .is_empty());
}

fn kept(name: &str, sbdf: Sbdf, id: &str, place: &str) -> Kept {
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

#[test]
fn a_device_that_has_moved_is_kept_in_its_old_file() {
    let mut machine = machine(vec![device(2, Some("igb"))]);
    machine.host.update_initrd = true;
    // It was at 01:00.0, on the same port.
    let old = kept(
        "igb",
        Sbdf::new(0, 1, 0),
        "0000:0000",
        "pci0000:00/04.0/00.0",
    );
    machine.kept.push(old.clone());
    let steps = claim(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(
        names(&steps),
        [
            "+/etc/rust-pciback/devices.d/igb.conf",
            "!/usr/libexec/rust-pciback/update-initrd"
        ]
    );
    assert_eq!(steps[0].undo, [(old.file.clone(), Act::Keep(old.text))]);
    let steps = release(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(names(&steps)[0], "-/etc/rust-pciback/devices.d/igb.conf");
}

#[test]
fn a_file_that_is_about_another_device_is_left_alone() {
    let mut machine = machine(vec![device(1, Some("igb"))]);
    // Its address is that of the igb now, its place is another.
    machine.kept.push(kept(
        "0000:01:00.0",
        Sbdf::new(0, 1, 0),
        "1b36:0010",
        "pci0000:00/05.0/00.0",
    ));
    let steps = claim(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(
        names(&steps),
        ["+/etc/rust-pciback/devices.d/0000:01:00.0-0000-0000.conf"]
    );
    assert!(release(&machine, &all(&machine), BOOT, false).is_err());
    // Nor is that file one to overwrite.
    let taken = |name: &str| Fault {
        source: format!("/etc/rust-pciback/devices.d/0000:01:00.0-0000-0000{name}.conf"),
        why: "it can't be read".into(),
    };
    machine.faults.extend([taken(""), taken("-2")]);
    let steps = claim(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(
        names(&steps),
        ["+/etc/rust-pciback/devices.d/0000:01:00.0-0000-0000-3.conf"]
    );
}

#[test]
fn of_a_group_those_are_released_that_are_claimed() {
    let machine = machine(vec![
        device(1, Some(DRIVER)),
        device(2, Some("igb")),
        device(3, None),
    ]);
    let held = |named: usize| -> Vec<u8> {
        let held = held_of_group(&machine, &[&machine.devices[named]], all(&machine));
        held.iter().map(|device| device.sbdf.bus()).collect()
    };
    assert_eq!(held(0), [1]);
    assert_eq!(held(1), [1]);
    assert_eq!(held(2), [1, 3]);
    let none = machine_of_one_igb();
    let held = held_of_group(&none, &all(&none), all(&none));
    assert!(release(&none, &held, NOW, false).is_err());
}

fn machine_of_one_igb() -> Machine {
    machine(vec![device(1, Some("igb"))])
}

fn force_of(step: &Step) -> Force {
    let Act::Keep(text) = &step.act else {
        panic!("{step:?}");
    };
    parse(text).unwrap().force
}

#[test]
fn what_is_forced_is_forced_at_boot_too() {
    // The disk of root, the last displays, the last network cards, disks that may be that of root.
    let used = |by: &str| format!("known {by}\n{by} 0000:01:00.0 0000:0000 pci0000:00/04.0/00.0\n");
    for (class, record, word) in [
        (Function::STORAGE, used("root"), "root"),
        (Function::STORAGE, String::new(), "root"),
        (Function::DISPLAY, String::new(), "gpu"),
        (Function::NETWORK, used("network"), "network"),
    ] {
        let machine = machine(vec![device(1, Some("x"))]);
        let machine = with_rules(machine, class, &record);
        for when in [NOW, BOOT] {
            assert!(
                claim(&machine, &all(&machine), when, false).is_err(),
                "{word}"
            );
        }
        let steps = claim(&machine, &all(&machine), BOOT, true).unwrap();
        assert_eq!(force_of(&steps[0]).to_string(), word);
    }
}

#[test]
fn of_several_network_cards_one_is_left() {
    let used = "network 0000:01:00.0 0000:0000 pci0000:00/04.0/00.0\n\
        network 0000:02:00.0 0000:0000 pci0000:00/04.0/01.0\n";
    let mut both = machine(vec![device(1, Some("igb")), device(2, Some("igb"))]);
    both.devices[1].path = "/sys/devices/pci0000:00/0000:00:04.0/0000:02:01.0".into();
    let both = with_rules(both, Function::NETWORK, &format!("known network\n{used}"));
    let (first, second) = (&both.devices[0], &both.devices[1]);
    assert!(claim(&both, &[first], BOOT, false).is_ok());
    assert!(claim(&both, &[second], BOOT, false).is_ok());
    assert!(claim(&both, &[first, second], BOOT, false).is_err());
    let steps = claim(&both, &[first, second], BOOT, true).unwrap();
    assert_eq!(steps.len(), 2);
    assert!(steps.iter().all(|step| force_of(step).network));
}

#[test]
fn a_default_route_can_be_claimed_for_the_boot_if_another_card_is_in_use() {
    let mut card = device(1, Some("igb"));
    card.needs.push(Need::DefaultRoute("eth0".into()));
    let machine = machine(vec![card]);
    assert!(claim(&machine, &all(&machine), NOW, false).is_err());
    assert!(claim(&machine, &all(&machine), BOOT, false).is_ok());
}

#[test]
fn words_that_are_written_stay_when_a_device_has_moved() {
    let mut machine = machine(vec![device(2, Some("igb"))]);
    let place = "pci0000:00/04.0/00.0";
    let mut old = kept("igb", Sbdf::new(0, 1, 0), "0000:0000", place);
    if let Meant::Device(entry) = &mut old.meant {
        entry.force.gpu = true;
    }
    machine.kept.push(old);
    let steps = claim(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(force_of(&steps[0]).to_string(), "gpu");
}

#[test]
fn what_is_hidden_is_released_now_and_left_to_who_wrote_it() {
    let mut machine = machine(vec![device(1, Some(DRIVER))]);
    machine.kept.push(Kept {
        file: "/etc/modprobe.d/xen-pciback.conf".into(),
        text: String::new(),
        by: By::Hide,
        meant: Meant::Addresses(parse_pattern(b"01:00.*").unwrap()),
    });
    // Kept already.
    assert!(claim(&machine, &all(&machine), BOOT, false)
        .unwrap()
        .is_empty());
    let refusal = release(&machine, &all(&machine), BOOT, false).unwrap_err();
    assert!(
        refusal.cause.contains("/etc/modprobe.d/xen-pciback.conf"),
        "{refusal:?}"
    );
    let both = When {
        now: true,
        boot: true,
    };
    let steps = release(&machine, &all(&machine), both, false).unwrap();
    assert_eq!(
        names(&steps),
        [
            "unbind<pciback=0000:01:00.0",
            "drivers_probe<pci=0000:01:00.0"
        ]
    );
    // With a file of ours, that goes.
    let place = "pci0000:00/04.0/00.0";
    machine
        .kept
        .insert(0, kept("igb", Sbdf::new(0, 1, 0), "0000:0000", place));
    let steps = release(&machine, &all(&machine), BOOT, false).unwrap();
    assert_eq!(names(&steps), ["-/etc/rust-pciback/devices.d/igb.conf"]);
}
