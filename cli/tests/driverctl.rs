// SPDX-License-Identifier: GPL-2.0

//! Beside driverctl: what it keeps is shown, counts, and is left to it. (tests/vm/test_package.py
//! has driverctl itself.)

mod common;

use common::{
    json,
    machine::{
        folder,
        read,
        write, //
    },
    run,
    text, //
};

use std::fs;

/// As driverctl 0.115 writes it, for the device that is claimed and for a network card.
const CLAIMED: &str = "etc/driverctl.d/pci-0000:02:00.1";
const CARD: &str = "etc/driverctl.d/pci-0000:02:00.0";

#[test]
fn what_it_keeps_is_shown_and_not_kept_twice() {
    let root = folder(true);
    let at_boot = || json(root.path(), &["list"])["devices"][2]["at_boot"].clone();
    assert!(at_boot().is_null());
    write(&root, CLAIMED, "pciback\n");
    assert_eq!(at_boot()["by"], "driverctl");
    assert_eq!(at_boot()["file"], format!("/{CLAIMED}"));
    let said = text(&run(root.path(), &["explain", "02:00.1"]));
    let expected = format!("Claimed at boot, by driverctl (/{CLAIMED}).");
    assert!(said.contains(&expected), "{said}");
    let output = run(root.path(), &["claim", "02:00.1"]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output).contains("nothing to do"), "{output:?}");
    assert!(!root.path().join("etc/rust-pciback").exists());
}

#[test]
fn what_it_keeps_is_left_to_it() {
    let root = folder(true);
    write(&root, CLAIMED, "pciback\n");
    let output = run(root.path(), &["release", "02:00.1"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("driverctl keeps it (/{CLAIMED})")));
    assert!(said.contains("driverctl unset-override 0000:02:00.1"));
    assert_eq!(read(&root, "drivers/pciback/unbind"), "");
    let output = run(root.path(), &["release", "--now", "02:00.1"]);
    // Nobody does in a folder what is written: so it stays claimed.
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(read(&root, "drivers/pciback/unbind"), "0000:02:00.1");
    let kept = fs::read_to_string(root.path().join(CLAIMED)).unwrap();
    assert_eq!(kept, "pciback\n");
}

/// By its name, as driverctl leaves it in the device, and as it was written.
#[test]
fn a_card_that_it_gives_to_another_driver_is_not_taken() {
    let root = folder(true);
    write(&root, CARD, "vfio-pci\n");
    let folder = "sys/devices/pci0000:00/0000:00:02.0/0000:02:00.0";
    write(&root, &format!("{folder}/driver_override"), "vfio-pci\n");
    for when in [&[][..], &["--now"], &["--boot"]] {
        let output = run(root.path(), &[&["claim", "02:00.0"], when].concat());
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("driverctl unset-override 0000:02:00.0"));
    }
    assert!(json(root.path(), &["list"])["devices"][1]["at_boot"].is_null());
    // Both are told of.
    let output = run(root.path(), &["claim", "--boot", "--force", "02:00.0"]);
    assert!(output.status.success(), "{output:?}");
    let said = text(&run(root.path(), &["doctor"]));
    let expected =
        "0000:02:00.0 is to be claimed at boot, and driverctl gives it to vfio-pci then.";
    assert!(said.contains(expected), "{said}");
}
