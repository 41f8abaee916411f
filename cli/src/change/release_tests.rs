// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    boot::rules::store::{
        Entry,
        Force, //
    },
    boot_store::{
        Kept,
        Meant, //
    },
    change::{
        claim,
        fixture::*,
        reset, //
    },
    driver::pure::{
        bdf_grammar::parse_pattern,
        sbdf::Sbdf, //
    },
    machine::Claimed, //
};

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

#[test]
fn who_has_a_device_claimed_again_is_named() {
    let (mut port, mut physical) = (device(4, None), device(1, Some(DRIVER)));
    port.sbdf = Sbdf::new(0, 0, 0x20);
    physical.above = Some(port.sbdf);
    let mut virtual_one = device(2, Some(DRIVER));
    virtual_one.physical = Some(physical.sbdf);
    let mut machine = machine(vec![port, physical, virtual_one]);
    let names = |machine: &Machine| {
        let devices = machine.devices.iter().skip(1);
        let by = devices.map(|device| listed_above(machine, device).map(|sbdf| sbdf.to_string()));
        by.collect::<Vec<_>>()
    };
    assert_eq!(names(&machine), [None, None]);
    for (slot, expected) in [
        ("0000:01:00.0", [None, Some("0000:01:00.0")]),
        ("0000:02:00.0", [None, None]),
        ("0000:00:04.0", [Some("0000:00:04.0"), Some("0000:00:04.0")]),
    ] {
        machine.host.stub.as_mut().unwrap().slots = vec![slot.to_string()];
        assert_eq!(
            names(&machine),
            expected.map(|name| name.map(str::to_string)),
            "{slot}"
        );
    }
}
