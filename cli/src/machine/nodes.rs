// SPDX-License-Identifier: GPL-2.0

//! What devices do for the machine: network interfaces, disks and displays, and what needs them.

use super::{
    kernel_name,
    Need,
    Node, //
};
use crate::{
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
        let mut owners: BTreeMap<(String, String), Sbdf> = BTreeMap::new();
        for class in CLASSES {
            for name in files.list(&format!("/sys/class/{class}")) {
                let target = files.link(&format!("/sys/class/{class}/{name}"));
                let Some(owner) = target.and_then(|target| innermost(&target)) else {
                    continue;
                };
                owners.insert((class.to_string(), name.clone()), owner);
                let class = class.to_string();
                nodes
                    .of
                    .entry(owner)
                    .or_default()
                    .push(Node { class, name });
            }
        }
        let owner = |class: &str, name: &str| owners.get(&(class.to_string(), name.to_string()));
        for (source, place) in mounts(files) {
            for disk in disks_below(files, &source) {
                if let Some(owner) = owner("block", &disk) {
                    nodes.need(*owner, Need::Mounted(place.clone()));
                }
            }
        }
        for source in files
            .read("/proc/swaps")
            .unwrap_or_default()
            .lines()
            .skip(1)
        {
            let source = source.split_whitespace().next().unwrap_or_default();
            for disk in disks_below(files, source) {
                if let Some(owner) = owner("block", &disk) {
                    nodes.need(*owner, Need::Swap);
                }
            }
        }
        for interface in default_routes(files) {
            for lower in interfaces_below(files, &interface) {
                if let Some(owner) = owner("net", &lower) {
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

/// What is mounted from a device file, and where.
fn mounts(files: &dyn Files) -> Vec<(String, String)> {
    let text = files.read("/proc/self/mounts").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (source, place) = (words.next()?, words.next()?);
            source
                .starts_with("/dev/")
                .then(|| (source.to_string(), place.to_string()))
        })
        .collect()
}

/// How many layers of mapped devices, bridges and bonds are looked through.
const DEEPEST: usize = 8;

/// The disks and partitions below a device file: itself, or what a mapped device is made of.
fn disks_below(files: &dyn Files, source: &str) -> Vec<String> {
    let name = match source.strip_prefix("/dev/mapper/") {
        Some(mapped) => files
            .list("/sys/class/block")
            .into_iter()
            .filter(|name| name.starts_with("dm-"))
            .find(|name| {
                files
                    .line(&format!("/sys/class/block/{name}/dm/name"))
                    .as_deref()
                    == Some(mapped)
            }),
        None => source.strip_prefix("/dev/").map(str::to_string),
    };
    let mut found: Vec<String> = name.into_iter().collect();
    let mut layer = found.clone();
    for _ in 0..DEEPEST {
        layer = layer
            .iter()
            .flat_map(|name| files.list(&format!("/sys/class/block/{name}/slaves")))
            .collect();
        found.extend(layer.iter().cloned());
    }
    found
}

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
