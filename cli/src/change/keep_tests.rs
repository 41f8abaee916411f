// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    boot::rules::{
        device::Device as Function,
        wanted::Fault, //
    },
    boot_store::Meant,
    change::{
        claim,
        fixture::*,
        release, //
    },
    driver::pure::sbdf::Sbdf, //
};

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
