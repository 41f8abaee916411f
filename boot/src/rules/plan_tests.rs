// SPDX-License-Identifier: GPL-2.0

use super::super::{
    identity::{
        Id,
        Place, //
    },
    store::parse, //
};
use super::*;
use crate::driver::pure::bdf_grammar::parse_pattern;

/// A device on bus `bus`, behind a root port of that number.
fn device(bus: u8, id: &str, class: u8) -> Device {
    Device {
        address: Sbdf::new(0, bus, 0),
        id: Id::parse(id).unwrap(),
        place: Place::parse(&format!("pci0000:00/{bus:02x}.0/00.0")).unwrap(),
        class,
        boot_vga: class == Device::DISPLAY && bus == 0x10,
        is_bridge: false,
    }
}

/// The root port above the device on bus `bus`.
fn port(bus: u8) -> Device {
    Device {
        address: Sbdf::new(0, 0, bus << 3),
        place: Place::parse(&format!("pci0000:00/{bus:02x}.0")).unwrap(),
        is_bridge: true,
        ..device(0, "1b36:000c", 0x06)
    }
}

/// A disk (1, root's), two cards (2 in use, 3), a controller (4, of class 0c), two displays (10,
/// with the console, and 11).
pub(crate) fn machine() -> Vec<Device> {
    vec![
        device(1, "1b36:0010", Device::STORAGE),
        device(2, "8086:10c9", Device::NETWORK),
        device(3, "8086:10d3", Device::NETWORK),
        device(4, "1b36:000d", 0x0c),
        device(0x10, "1234:1111", Device::DISPLAY),
        device(0x11, "1234:1111", Device::DISPLAY),
    ]
}

pub(crate) fn record() -> Record {
    Record::parse(
        "known root\nknown network\nroot 0000:01:00.0 1b36:0010 pci0000:00/01.0/00.0\n\
         network 0000:02:00.0 8086:10c9 pci0000:00/02.0/00.0\n",
    )
}

/// Files with these texts, and these patterns of `hide`.
pub(crate) fn wanted(files: &[&str], hide: &[&str]) -> Wanted {
    let entry = |text: &&str| {
        (
            (*text).to_string(),
            parse(&text.replace(' ', "\n").replace('+', " ")).unwrap(),
        )
    };
    let pattern = |text: &&str| ((*text).to_string(), parse_pattern(text.as_bytes()).unwrap());
    Wanted {
        entries: files.iter().map(entry).collect(),
        hide: hide.iter().map(pattern).collect(),
    }
}

/// Buses of devices that are claimed; and those that are refused, with the reason.
pub(crate) fn decide(
    machine: &[Device],
    record: &Record,
    files: &[&str],
    hide: &[&str],
) -> (Vec<u8>, Vec<(u8, Why)>) {
    let plan = plan(machine, record, &wanted(files, hide));
    let is_listed = |address: Sbdf| {
        let device = machine.iter().find(|device| device.address == address);
        let mut listed = plan.listed.iter();
        listed.any(|pattern| reaches(machine, pattern, device.unwrap()))
    };
    assert!(plan.claims.iter().all(|claim| is_listed(claim.address)));
    // Nothing that is refused is listed, or a driver that comes later would let it be taken.
    for refusal in plan.refusals.iter().filter(|refusal| {
        !matches!(
            refusal.why,
            Why::OtherId { .. } | Why::OtherAddress(_) | Why::Absent(_) | Why::Bridge
        )
    }) {
        assert!(!is_listed(refusal.address));
    }
    let claims = plan
        .claims
        .iter()
        .map(|claim| claim.address.bus())
        .collect();
    (
        claims,
        plan.refusals
            .into_iter()
            .map(|refusal| (refusal.address.bus(), refusal.why))
            .collect(),
    )
}

#[test]
fn what_is_there_is_claimed() {
    let files = [
        "address=03:00.0",
        "address=04:00.0 id=1b36:000d place=pci0000:00/04.0/00.0",
    ];
    assert_eq!(
        decide(&machine(), &record(), &files, &[]),
        (vec![3, 4], vec![])
    );
    assert_eq!(
        decide(
            &machine(),
            &record(),
            &["address=04:00.0 id=1b36:000d"],
            &[]
        ),
        (vec![4], vec![])
    );
    assert_eq!(decide(&machine(), &record(), &[], &[]), (vec![], vec![]));
}

#[test]
fn another_device_at_the_address_is_left_alone() {
    let (found, wanted) = (Id::new(0x1b36, 0x000d), Id::new(0x8086, 0x10c9));
    let why = Why::OtherId { found, wanted };
    assert_eq!(
        decide(
            &machine(),
            &record(),
            &["address=04:00.0 id=8086:10c9"],
            &[]
        ),
        (vec![], vec![(4, why)])
    );
    assert_eq!(
        decide(&machine(), &record(), &["address=05:00.0"], &[]),
        (vec![], vec![(5, Why::Absent(None))])
    );
}

#[test]
fn a_device_that_moved_is_found_by_its_place() {
    let mut moved = machine();
    moved[3].address = Sbdf::new(0, 7, 0);
    let text = "address=04:00.0 id=1b36:000d place=pci0000:00/04.0/00.0";
    let plan = plan(&moved, &record(), &wanted(&[text], &[]));
    assert_eq!(plan.claims[0].address, Sbdf::new(0, 7, 0));
    assert_eq!(plan.claims[0].moved_from, Some(Sbdf::new(0, 4, 0)));
    // Without an id nobody knows that it is the same.
    let text = "address=04:00.0 place=pci0000:00/04.0/00.0";
    let why = Why::OtherAddress(Sbdf::new(0, 7, 0));
    assert_eq!(
        decide(&moved, &record(), &[text], &[]),
        (vec![], vec![(4, why)])
    );
    // And another one in its place isn't it.
    moved[3].id = Id::new(1, 2);
    let text = "address=04:00.0 id=1b36:000d place=pci0000:00/04.0/00.0";
    assert!(matches!(
        decide(&moved, &record(), &[text], &[]).1[..],
        [(4, Why::OtherId { .. })]
    ));
}

#[test]
fn hide_is_listed_as_it_is_written() {
    let list = |files: &[&str], hide: &[&str]| {
        let plan = plan(&machine(), &record(), &wanted(files, hide));
        plan.listed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        list(&["address=04:00.0"], &["07:*.*", "03:00.*", "03:00.*"]),
        ["0000:07:*.*", "0000:03:00.*", "0000:04:00.0"]
    );
    assert_eq!(list(&["address=03:00.0"], &["03:*.*"]), ["0000:03:*.*"]);
    // What covers root's disk is not; nor does it keep the rest of it from being claimed.
    let mut two = machine();
    two.push(Device {
        address: Sbdf::new(0, 1, 1),
        place: Place::parse("pci0000:00/01.0/00.1").unwrap(),
        ..two[3].clone()
    });
    let plan = plan(&two, &record(), &wanted(&[], &["01:*.*"]));
    assert_eq!(
        plan.listed
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["0000:01:00.1"]
    );
    assert_eq!(plan.refusals.len(), 1);
}

/// A bridge of `hide` means what is below it, and stays with its driver.
#[test]
fn a_bridge_stays_what_it_is() {
    let mut machine = machine();
    machine.splice(0..0, [port(1), port(4)]);
    assert_eq!(
        decide(&machine, &record(), &[], &["00:04.0"]),
        (vec![4], vec![])
    );
    // Of all ports the one above the root file system's disk makes it no pattern for the driver.
    let (claims, refused) = decide(&machine, &record(), &[], &["00:*.*"]);
    assert_eq!((claims, refused), (vec![4], vec![(1, Why::Root)]));
    let plan = plan(&machine, &record(), &wanted(&[], &["00:*.*"]));
    assert_eq!(plan.listed.len(), 1);
    assert_eq!(plan.listed[0].to_string(), "0000:04:00.0");
    let text = "address=00:04.0";
    assert_eq!(
        decide(&machine, &record(), &[text], &[]),
        (vec![], vec![(0, Why::Bridge)])
    );
}
