// SPDX-License-Identifier: GPL-2.0

use super::super::store::parse;
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
    }
}

/// A disk (1, root's), two cards (2 in use, 3), a controller (4, of class 0c), two displays (10,
/// with the console, and 11).
fn machine() -> Vec<Device> {
    vec![
        device(1, "1b36:0010", Device::STORAGE),
        device(2, "8086:10c9", Device::NETWORK),
        device(3, "8086:10d3", Device::NETWORK),
        device(4, "1b36:000d", 0x0c),
        device(0x10, "1234:1111", Device::DISPLAY),
        device(0x11, "1234:1111", Device::DISPLAY),
    ]
}

fn record() -> Record {
    Record::parse(
        "known root\nknown network\nroot 0000:01:00.0 1b36:0010 pci0000:00/01.0/00.0\n\
         network 0000:02:00.0 8086:10c9 pci0000:00/02.0/00.0\n",
    )
}

/// Files with these texts, and these patterns of `hide`.
fn wanted(files: &[&str], hide: &[&str]) -> Wanted {
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
fn decide(
    machine: &[Device],
    record: &Record,
    files: &[&str],
    hide: &[&str],
) -> (Vec<u8>, Vec<(u8, Why)>) {
    let plan = plan(machine, record, &wanted(files, hide));
    for claim in &plan.claims {
        assert!(plan
            .listed
            .iter()
            .any(|pattern| pattern.covers(claim.address)));
    }
    // Nothing that is refused is listed, or a driver that comes later would let it be taken.
    for refusal in plan.refusals.iter().filter(|refusal| {
        !matches!(
            refusal.why,
            Why::OtherId { .. } | Why::OtherAddress(_) | Why::Absent(_)
        )
    }) {
        assert!(!plan
            .listed
            .iter()
            .any(|pattern| pattern.covers(refusal.address)));
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
fn the_disk_with_root_is_refused() {
    assert_eq!(
        decide(&machine(), &record(), &["address=01:00.0"], &[]),
        (vec![], vec![(1, Why::Root)])
    );
    assert_eq!(
        decide(&machine(), &record(), &[], &["01:00.0"]),
        (vec![], vec![(1, Why::Root)])
    );
    assert_eq!(
        decide(&machine(), &record(), &["address=01:00.0 force=root"], &[]),
        (vec![1], vec![])
    );
    assert_eq!(
        decide(
            &machine(),
            &record(),
            &["address=01:00.0 force=gpu+network"],
            &[]
        ),
        (vec![], vec![(1, Why::Root)])
    );
    // Under another number too: it is known by what it is and where.
    let mut moved = machine();
    moved[0].address = Sbdf::new(0, 8, 0);
    assert_eq!(
        decide(&moved, &record(), &["address=08:00.0"], &[]),
        (vec![], vec![(8, Why::Root)])
    );
}

#[test]
fn a_disk_is_refused_where_roots_is_not_known() {
    let unknown = Record::default();
    assert_eq!(
        decide(&machine(), &unknown, &["address=01:00.0"], &[]),
        (vec![], vec![(1, Why::PerhapsRoot)])
    );
    assert_eq!(
        decide(
            &machine(),
            &unknown,
            &["address=01:00.0 force=root", "address=04:00.0"],
            &[]
        ),
        (vec![1, 4], vec![])
    );
    // The disk of the record is gone, so it is some other one.
    let mut without = machine();
    without[0].id = Id::new(1, 2);
    assert_eq!(
        decide(&without, &record(), &["address=01:00.0"], &[]),
        (vec![], vec![(1, Why::PerhapsRoot)])
    );
    // Whose users have no record are obeyed.
    assert_eq!(
        decide(&machine(), &unknown, &[], &["01:00.0"]),
        (vec![1], vec![])
    );
}

#[test]
fn a_display_is_left_with_the_console() {
    let (console, other) = ("address=10:00.0", "address=11:00.0");
    assert_eq!(
        decide(&machine(), &record(), &[other], &[]),
        (vec![0x11], vec![])
    );
    assert_eq!(
        decide(&machine(), &record(), &[console], &[]),
        (vec![0x10], vec![])
    );
    assert_eq!(
        decide(&machine(), &record(), &[console, other], &[]),
        (vec![0x11], vec![(0x10, Why::Gpu)])
    );
    assert_eq!(
        decide(
            &machine(),
            &record(),
            &["address=10:00.0 force=gpu", other],
            &[]
        ),
        (vec![0x10, 0x11], vec![])
    );
    assert_eq!(
        decide(&machine(), &record(), &[console], &["11:00.0"]),
        (vec![0x11], vec![(0x10, Why::Gpu)])
    );
    assert_eq!(
        decide(&machine(), &record(), &[], &["10:*.*", "11:*.*"]),
        (vec![0x10, 0x11], vec![])
    );
    // Firmware without VGA marks none.
    let mut unmarked = machine();
    unmarked[4].boot_vga = false;
    unmarked.truncate(5);
    assert_eq!(
        decide(&unmarked, &record(), &[console], &[]),
        (vec![], vec![(0x10, Why::Gpu)])
    );
}

#[test]
fn a_network_card_in_use_is_left() {
    let (used, idle) = ("address=02:00.0", "address=03:00.0");
    assert_eq!(
        decide(&machine(), &record(), &[used], &[]),
        (vec![], vec![(2, Why::Network)])
    );
    assert_eq!(
        decide(&machine(), &record(), &[used, idle], &[]),
        (vec![3], vec![(2, Why::Network)])
    );
    assert_eq!(
        decide(
            &machine(),
            &record(),
            &["address=02:00.0 force=network"],
            &[]
        ),
        (vec![2], vec![])
    );
    assert_eq!(
        decide(&machine(), &record(), &[used], &["02:00.0"]),
        (vec![2], vec![])
    );
    // Nobody knows which is in use: one of all must be left.
    let unknown = Record::default();
    assert_eq!(
        decide(&machine(), &unknown, &[used], &[]),
        (vec![2], vec![])
    );
    assert_eq!(
        decide(&machine(), &unknown, &[used, idle], &[]).0,
        Vec::<u8>::new()
    );
    // One of two in use is left.
    let two = Record::parse(&format!(
        "{}network 0000:03:00.0 8086:10d3 pci0000:00/03.0/00.0\n",
        record()
    ));
    assert_eq!(decide(&machine(), &two, &[used], &[]), (vec![2], vec![]));
    assert_eq!(
        decide(
            &machine(),
            &two,
            &[idle, "address=02:00.0 force=network"],
            &[]
        ),
        (vec![2], vec![(3, Why::Network)])
    );
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

/// What another program asks before it writes a file gives the same answer as the file.
#[test]
fn objections_are_what_would_be_refused() {
    let (machine, record) = (machine(), record());
    let addresses: Vec<Sbdf> = machine.iter().map(|device| device.address).collect();
    for known in [&record, &Record::default()] {
        // Each set of the six devices, and each that is claimed before.
        for set in 0..(1u32 << addresses.len()) {
            let chosen = |set: u32| -> Vec<Sbdf> {
                let all = addresses.iter().enumerate();
                all.filter(|(number, _)| (set >> number) & 1 == 1)
                    .map(|(_, address)| *address)
                    .collect()
            };
            let more = chosen(set);
            let texts: Vec<String> = more.iter().map(|sbdf| format!("address={sbdf}")).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let plan = plan(&machine, known, &wanted(&texts, &[]));
            let mut refused: Vec<_> = plan
                .refusals
                .into_iter()
                .map(|r| (r.address, r.why))
                .collect();
            let mut objected = objections(&machine, known, &[], &more);
            refused.sort_by_key(|(address, _)| *address);
            objected.sort_by_key(|(address, _)| *address);
            assert_eq!(objected, refused, "{more:?}");
            // With the words that those ask for, nothing is.
            let forced = more.iter().map(|sbdf| {
                let of_device = objected.iter().filter(|(address, _)| address == sbdf);
                let words = of_device
                    .filter_map(|(_, why)| why.force())
                    .fold(Force::default(), Force::or);
                format!(
                    "address={sbdf} force={}",
                    words.to_string().replace(' ', "+")
                )
            });
            let forced: Vec<String> = forced.collect();
            let forced: Vec<&str> = forced.iter().map(String::as_str).collect();
            assert!(super::plan(&machine, known, &wanted(&forced, &[]))
                .refusals
                .is_empty());
            // What is claimed already is not asked about.
            assert!(objections(&machine, known, &more, &[]).is_empty());
        }
    }
}
