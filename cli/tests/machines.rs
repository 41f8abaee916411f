// SPDX-License-Identifier: GPL-2.0

//! Real machines: what is said of their devices is what their `lspci -vv` comes to. (Each tree in
//! tests/trees has its source; what is expected here was found there by hand.)

mod common;

use common::{
    json,
    run, //
};

use serde_json::Value;
use std::path::{
    Path,
    PathBuf, //
};

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trees/{name}.txt"))
}

/// A device, how it would be reset first, and which have to be claimed too for that.
type Case = (
    &'static str,
    Option<&'static str>,
    &'static [&'static str], //
);

fn check(machine: &str, cases: &[Case]) {
    let list = json(&tree(machine), &["list", "-a"]);
    let devices = list["devices"].as_array().unwrap();
    for (bdf, rung, others) in cases {
        let found = devices.iter().find(|device| device["bdf"] == *bdf);
        let reset = &found.unwrap_or_else(|| panic!("{machine}: {bdf}"))["reset"];
        assert_eq!(reset["rung"].as_str(), *rung, "{machine}: {bdf}: {reset}");
        assert_eq!(reset["claim_too"], Value::from(others.to_vec()), "{bdf}");
        let is_ready = rung.is_some() && others.is_empty();
        assert_eq!(reset["ready"], is_ready, "{machine}: {bdf}: {reset}");
    }
}

/// How many functions the resets below bridges reach.
fn reached(machine: &str, bridge: &str) -> usize {
    fn find<'a>(nodes: &'a Value, bridge: &str) -> Option<&'a Value> {
        nodes.as_array()?.iter().find_map(|node| {
            let is_it = node["device"]["bdf"] == bridge;
            is_it
                .then_some(node)
                .or_else(|| find(&node["below"], bridge))
        })
    }
    let answer = json(&tree(machine), &["tree"]);
    let roots = answer["roots"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"));
    let node = roots.iter().find_map(|root| find(&root["nodes"], bridge));
    let node = node.unwrap_or_else(|| panic!("{machine}: {bridge}"));
    node["group"]["reaches"]
        .as_array()
        .unwrap_or_else(|| panic!("{node}"))
        .len()
}

#[test]
fn a_laptop_with_thunderbolt() {
    check(
        "laptop-thunderbolt-2",
        &[
            // Advanced Features with FLR; no PCI Express capability.
            ("0000:00:02.0", Some("af_flr"), &[]),
            // NoSoftRst-, and nothing else.
            ("0000:00:03.0", Some("pm"), &[]),
            // NoSoftRst+, on the root bus.
            ("0000:00:14.0", None, &[]),
            // FLReset-, alone below a port whose slot has no hot plug.
            ("0000:03:00.0", Some("bus"), &[]),
            // FLReset+.
            ("0000:04:00.0", Some("flr"), &[]),
            // FLReset-, alone below a port with HotPlug+.
            ("0000:07:00.0", Some("slot"), &[]),
        ],
    );
    // Upstream port, five downstream ports, and the host interface.
    assert_eq!(reached("laptop-thunderbolt-2", "0000:00:1c.4"), 7);
    assert_eq!(reached("laptop-thunderbolt-2", "0000:05:00.0"), 6);
    assert_eq!(reached("laptop-thunderbolt-2", "0000:06:00.0"), 1);
}

#[test]
fn a_server_with_virtual_functions() {
    check(
        "server-virtual-functions",
        &[
            // Offset 2, stride 1, 3 of 8; and from 12:00.1 offset 9.
            (
                "0000:12:00.0",
                Some("flr"),
                &["0000:12:00.2", "0000:12:00.3", "0000:12:00.4"],
            ),
            (
                "0000:12:00.1",
                Some("flr"),
                &["0000:12:01.2", "0000:12:01.3", "0000:12:01.4"],
            ),
            ("0000:12:00.3", Some("flr"), &[]),
            // None of 64.
            ("0000:37:00.0", Some("flr"), &[]),
            // Four functions with FLReset- below one port.
            (
                "0000:01:00.1",
                Some("bus"),
                &["0000:01:00.0", "0000:01:00.2", "0000:01:00.4"],
            ),
            // One.
            ("0000:5c:00.0", Some("bus"), &[]),
        ],
    );
    assert_eq!(reached("server-virtual-functions", "0000:11:00.0"), 8);
    let list = json(&tree("server-virtual-functions"), &["list"]);
    let devices = list["devices"].as_array().unwrap();
    let virtual_functions = |physical: &str| {
        let all = devices
            .iter()
            .filter(|device| device["physical"] == physical);
        all.count()
    };
    assert_eq!(virtual_functions("0000:12:00.0"), 3);
    assert_eq!(virtual_functions("0000:12:00.1"), 3);
}

#[test]
fn a_desktop_with_a_graphics_card() {
    check(
        "desktop",
        &[
            // Of the card, the display has FLReset+ and the sound FLReset-.
            ("0000:08:00.0", Some("flr"), &[]),
            ("0000:08:00.1", Some("bus"), &["0000:08:00.0"]),
            // FLReset+, which Linux doesn't use of this one (quirk_no_flr).
            (
                "0000:0a:00.3",
                Some("bus"),
                &["0000:0a:00.0", "0000:0a:00.1", "0000:0a:00.4"],
            ),
            // The chipset: a bus reset of its USB reaches what is below its switch.
            (
                "0000:02:00.0",
                Some("bus"),
                &["0000:02:00.1", "0000:07:00.0"],
            ),
            ("0000:07:00.0", Some("bus"), &[]),
        ],
    );
    assert_eq!(reached("desktop", "0000:00:01.2"), 8);
    assert_eq!(reached("desktop", "0000:02:00.2"), 5);
}

/// Disks behind VMD are in a domain that has no number for Xen.
#[test]
fn a_laptop_with_vmd() {
    check("laptop-vmd", &[("10000:e1:00.0", Some("bus"), &[])]);
    assert_eq!(reached("laptop-vmd", "10000:e0:06.0"), 1);
    let list = json(&tree("laptop-vmd"), &["list"]);
    let devices = list["devices"].as_array().unwrap();
    let group = devices.iter().filter(|device| device["iommu_group"] == 8);
    let group: Vec<&str> = group
        .map(|device| device["bdf"].as_str().unwrap())
        .collect();
    assert_eq!(group, ["0000:00:0e.0", "10000:e0:17.0", "10000:e1:00.0"]);
    let output = run(&tree("laptop-vmd"), &["claim", "--boot", "10000:e1:00.0"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("can't be claimed at boot"), "{said}");
}
