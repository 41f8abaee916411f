// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    boot::rules::device::Device as Function,
    change::{
        fixture::*,
        reset, //
    },
    machine::{
        Need,
        VirtualFunctions, //
    },
};

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
