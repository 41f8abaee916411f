// SPDX-License-Identifier: GPL-2.0

use super::super::{
    identity::Id,
    plan::{
        plan,
        tests::{
            decide,
            machine,
            record,
            wanted, //
        },
    },
};
use super::*;

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
            let decided = plan(&machine, known, &wanted(&texts, &[]));
            let mut refused: Vec<_> = decided
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
            assert!(plan(&machine, known, &wanted(&forced, &[]))
                .refusals
                .is_empty());
            // What is claimed already is not asked about.
            assert!(objections(&machine, known, &more, &[]).is_empty());
        }
    }
}
