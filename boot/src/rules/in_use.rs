// SPDX-License-Identifier: GPL-2.0

//! Finds out which devices the running system uses, for [`super::record`].

use super::{
    device::Device,
    identity::function_name,
    record::{
        Record,
        Use,
        Used, //
    },
    tree::{
        follow,
        Tree, //
    },
};
use crate::driver::pure::sbdf::Sbdf;
use std::collections::BTreeSet;

/// File systems without a disk of this machine.
const DISKLESS: [&str; 8] = [
    "nfs", "nfs4", "cifs", "9p", "virtiofs", "rootfs", "ramfs", "tmpfs",
];

/// Returns what is in use.
pub(crate) fn record<T: Tree + ?Sized>(tree: &T, machine: &[Device]) -> Record {
    let mut record = Record::default();
    let disks = root_disks(tree);
    let cards = network_cards(tree);
    for (by, found) in [(Use::Root, disks), (Use::Network, cards)] {
        let Some(found) = found else { continue };
        record.known.push(by);
        let used = machine
            .iter()
            .filter(|device| found.contains(&device.address));
        record.used.extend(used.map(|device| Used {
            by,
            address: device.address,
            id: device.id,
            place: device.place.clone(),
        }));
    }
    record
}

/// Addresses of functions.
pub(crate) type Addresses = BTreeSet<Sbdf>;

/// Returns the devices that hold / and /usr, or `None` if that can't be told.
fn root_disks<T: Tree + ?Sized>(tree: &T) -> Option<Addresses> {
    let mounts = mounts(tree)?;
    let mut all = Addresses::new();
    for point in ["/", "/usr"] {
        // The last that was mounted there is the one that is seen.
        if let Some(mount) = mounts.iter().rev().find(|mount| mount.point == point) {
            all.extend(functions(tree, mount)?);
        }
    }
    Some(all)
}

/// A line of /proc/self/mountinfo (Documentation/filesystems/proc.rst, 3.5).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    number: String,
    /// Where it is mounted.
    pub(crate) point: String,
    kind: String,
    source: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let number = left.next()?.to_string();
        let point = left.nth(1)?.to_string();
        let mut right = right.split(' ');
        Some(Self {
            number,
            point,
            kind: right.next()?.to_string(),
            source: right.next()?.to_string(),
        })
    }
}

/// Returns all mounts, or `None` if they can't be read.
pub(crate) fn mounts<T: Tree + ?Sized>(tree: &T) -> Option<Vec<Mount>> {
    let text = tree.read("/proc/self/mountinfo")?;
    Some(text.lines().filter_map(Mount::parse).collect())
}

/// Returns the devices that hold a file system; none for one without a disk; `None` if that can't
/// be told.
pub(crate) fn functions<T: Tree + ?Sized>(tree: &T, mount: &Mount) -> Option<Addresses> {
    let mut all = Addresses::new();
    if DISKLESS.contains(&mount.kind.as_str()) {
        return Some(all);
    }
    for disk in disks_of(tree, mount)? {
        all.extend(behind(tree, &disk)?);
    }
    Some(all)
}

/// Returns the devices that hold a block device, by its file in /dev; `None` if that can't be told.
pub(crate) fn functions_of_node<T: Tree + ?Sized>(tree: &T, node: &str) -> Option<Addresses> {
    let name = block_name(tree, node)?;
    behind(tree, &follow(tree, &format!("/sys/class/block/{name}"))?)
}

/// Returns the kernel's name of a block device, by its file in /dev.
fn block_name<T: Tree + ?Sized>(tree: &T, node: &str) -> Option<String> {
    let Some(mapped) = node.strip_prefix("/dev/mapper/") else {
        return node.strip_prefix("/dev/").map(str::to_string);
    };
    let name_of = |dm: &String| tree.read(&format!("/sys/class/block/{dm}/dm/name"));
    let mut all = tree.list("/sys/class/block").into_iter();
    all.find(|dm| dm.starts_with("dm-") && name_of(dm).is_some_and(|name| name.trim() == mapped))
}

/// Returns the folders in sysfs of the block devices that a file system is on.
fn disks_of<T: Tree + ?Sized>(tree: &T, mount: &Mount) -> Option<Vec<String>> {
    if !mount.number.starts_with("0:") {
        let link = format!("/sys/dev/block/{}", mount.number);
        return Some(vec![follow(tree, &link)?]);
    }
    // btrfs has a number of its own, and may be on several devices.
    let name = block_name(tree, &mount.source)?;
    for pool in tree.list("/sys/fs/btrfs") {
        let folder = format!("/sys/fs/btrfs/{pool}/devices");
        let members = tree.list(&folder);
        if members.contains(&name) {
            let member = |name: &String| follow(tree, &format!("{folder}/{name}"));
            return members.iter().map(member).collect();
        }
    }
    None
}

/// Returns the PCI functions behind a block device, through partitions and what is stacked on
/// others (device mapper, md); none where it is no PCI device's; `None` if that can't be told.
fn behind<T: Tree + ?Sized>(tree: &T, disk: &str) -> Option<Addresses> {
    let disk = match tree.read(&format!("{disk}/partition")) {
        Some(_) => disk.rsplit_once('/')?.0,
        None => disk,
    };
    let slaves = tree.list(&format!("{disk}/slaves"));
    if !slaves.is_empty() {
        let mut all = Addresses::new();
        for slave in slaves {
            let link = format!("{disk}/slaves/{slave}");
            all.extend(behind(tree, &follow(tree, &link)?)?);
        }
        return Some(all);
    }
    match function_above(disk) {
        Some(function) => Some(Addresses::from([function])),
        None if disk.split('/').any(|part| part == "virtual") => nvme_controllers(tree, disk),
        None => Some(Addresses::new()),
    }
}

/// Returns the controllers of an NVMe namespace that can be reached by several.
fn nvme_controllers<T: Tree + ?Sized>(tree: &T, disk: &str) -> Option<Addresses> {
    let mut subsystem = disk;
    loop {
        let (above, name) = subsystem.rsplit_once('/')?;
        if name.starts_with("nvme-subsys") && name != "nvme-subsystem" {
            break;
        }
        subsystem = above;
    }
    let entries = tree.list(subsystem).into_iter();
    let links = entries.filter_map(|name| follow(tree, &format!("{subsystem}/{name}")));
    let all: Addresses = links.filter_map(|path| function_above(&path)).collect();
    (!all.is_empty()).then_some(all)
}

/// Returns the PCI function that a path in sysfs leads through last.
fn function_above(path: &str) -> Option<Sbdf> {
    let function = |part| function_name(part).filter(|sbdf| sbdf.to_string() == part);
    path.rsplit('/').find_map(function)
}

/// Returns the network cards that are up and have a link, or `None` if that can't be told: there is
/// always an interface, the loopback.
fn network_cards<T: Tree + ?Sized>(tree: &T) -> Option<Addresses> {
    let names = tree.list("/sys/class/net");
    let mut all = Addresses::new();
    for name in &names {
        let path = format!("/sys/class/net/{name}");
        // A card that is down refuses to say whether it has a carrier.
        let carrier = tree.read(&format!("{path}/carrier")).unwrap_or_default();
        if carrier.trim() == "1" {
            all.extend(follow(tree, &path).and_then(|path| function_above(&path)));
        }
    }
    (!names.is_empty()).then_some(all)
}
