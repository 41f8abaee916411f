// SPDX-License-Identifier: GPL-2.0

//! What devices do for the machine: network interfaces, disks and displays, and what needs them.

use super::{
    kernel_name,
    Need,
    Node, //
};
use crate::{
    boot::rules::in_use,
    driver::pure::sbdf::Sbdf,
    files::Files, //
};

use std::collections::BTreeMap;

/// The classes whose names people know devices by.
const CLASSES: [&str; 6] = ["net", "nvme", "block", "drm", "infiniband", "sound"];

/// What is known of each function.
#[derive(Default)]
pub(crate) struct Nodes {
    /// Names.
    pub(crate) of: BTreeMap<Sbdf, Vec<Node>>,
    /// Needs.
    pub(crate) needs: BTreeMap<Sbdf, Vec<Need>>,
}

/// The mount points that are told by name in a report; others may be somebody's.
pub(crate) const KNOWN_MOUNTS: [&str; 8] = [
    "/",
    "/boot",
    "/boot/efi",
    "/usr",
    "/var",
    "/home",
    "/srv",
    "/opt",
];

impl Nodes {
    /// Reads them.
    pub(crate) fn read(files: &dyn Files) -> Self {
        let mut nodes = Self::default();
        let mut cards: BTreeMap<String, Sbdf> = BTreeMap::new();
        for class in CLASSES {
            for name in files.list(&format!("/sys/class/{class}")) {
                let target = files.link(&format!("/sys/class/{class}/{name}"));
                let Some(owner) = target.and_then(|target| innermost(&target)) else {
                    continue;
                };
                if class == "net" {
                    cards.insert(name.clone(), owner);
                }
                let class = class.to_string();
                nodes
                    .of
                    .entry(owner)
                    .or_default()
                    .push(Node { class, name });
            }
        }
        for mount in in_use::mounts(files).unwrap_or_default() {
            for owner in in_use::functions(files, &mount).unwrap_or_default() {
                nodes.need(owner, Need::Mounted(mount.point.clone()));
            }
        }
        let swaps = files.read("/proc/swaps").unwrap_or_default();
        for line in swaps.lines().skip(1) {
            let source = line.split_whitespace().next().unwrap_or_default();
            for owner in in_use::functions_of_node(files, source).unwrap_or_default() {
                nodes.need(owner, Need::Swap);
            }
        }
        for interface in default_routes(files) {
            for lower in interfaces_below(files, &interface) {
                if let Some(owner) = cards.get(&lower) {
                    nodes.need(*owner, Need::DefaultRoute(lower.clone()));
                }
            }
        }
        nodes
    }

    fn need(&mut self, owner: Sbdf, need: Need) {
        let needs = self.needs.entry(owner).or_default();
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
}

/// Returns the last PCI function that a path goes through.
fn innermost(path: &str) -> Option<Sbdf> {
    path.split('/').filter_map(kernel_name).last()
}

/// How many layers of bridges and bonds are looked through.
const DEEPEST: usize = 8;

fn default_routes(files: &dyn Files) -> Vec<String> {
    let text = files.read("/proc/net/route").unwrap_or_default();
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (interface, destination) = (words.next()?, words.next()?);
            (destination == "00000000").then(|| interface.to_string())
        })
        .collect()
}

/// An interface and those that it is made of: a bridge's ports, a bond's, a VLAN's.
fn interfaces_below(files: &dyn Files, interface: &str) -> Vec<String> {
    let mut found = vec![interface.to_string()];
    let mut layer = found.clone();
    for _ in 0..DEEPEST {
        layer = layer
            .iter()
            .flat_map(|name| files.list(&format!("/sys/class/net/{name}")))
            .filter_map(|entry| Some(entry.strip_prefix("lower_")?.to_string()))
            .collect();
        found.extend(layer.iter().cloned());
    }
    found
}
