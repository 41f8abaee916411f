// SPDX-License-Identifier: GPL-2.0

//! Finds out which devices the running system uses, for [`crate::record`].

use crate::{
    identity::function_name,
    machine::Device,
    record::{
        Record,
        Use,
        Used, //
    },
};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{
        Path,
        PathBuf, //
    },
};

/// File systems without a disk of this machine.
const REMOTE: [&str; 5] = ["nfs", "nfs4", "cifs", "9p", "virtiofs"];

/// Returns what is in use. In a chroot nothing is known: its disks and cards are not those of the
/// machine that will boot.
pub(crate) fn record(root: &Path, machine: &[Device]) -> Record {
    let mut record = Record::default();
    if !is_whole_system(root) {
        return record;
    }
    let disks = root_disks(root);
    let cards = network_cards(root);
    for (by, found) in [(Use::Root, disks), (Use::Network, cards)] {
        let Some(found) = found else { continue };
        record.known.push(by);
        let used = machine
            .iter()
            .filter(|device| found.contains(&device.address.to_string()));
        record.used.extend(used.map(|device| Used {
            by,
            address: device.address,
            id: device.id,
            place: device.place.clone(),
        }));
    }
    record
}

/// Returns `true` if the root folder is that of the first process.
fn is_whole_system(root: &Path) -> bool {
    let identity = |path: PathBuf| {
        fs::metadata(path)
            .ok()
            .map(|found| (found.dev(), found.ino()))
    };
    let first = identity(root.join("proc/1/root/."));
    first.is_some() && first == identity(root.join("."))
}

/// Addresses of functions, as the kernel writes them.
type Addresses = BTreeSet<String>;

/// Returns the devices that hold / and /usr, or `None` if that can't be told.
fn root_disks(root: &Path) -> Option<Addresses> {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mut all = Addresses::new();
    for point in ["/", "/usr"] {
        // The last that was mounted there is the one that is seen.
        let Some(mount) = mounts
            .lines()
            .rev()
            .find_map(|line| Mount::parse(line, point))
        else {
            continue;
        };
        if REMOTE.contains(&mount.kind.as_str()) {
            continue;
        }
        for disk in disks_of(root, &mount)? {
            all.extend(behind(&disk)?);
        }
    }
    Some(all)
}

/// A line of /proc/self/mountinfo (Documentation/filesystems/proc.rst, 3.5).
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    number: String,
    kind: String,
    source: String,
}

impl Mount {
    /// Takes the line if it is about a mount point.
    fn parse(line: &str, point: &str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(2);
        let number = left.next()?.to_string();
        if left.nth(1)? != point {
            return None;
        }
        let mut right = right.split(' ');
        Some(Self {
            number,
            kind: right.next()?.to_string(),
            source: right.next()?.to_string(),
        })
    }
}

/// Returns the folders in sysfs of the block devices that a file system is on.
fn disks_of(root: &Path, mount: &Mount) -> Option<Vec<PathBuf>> {
    let by_number = |number: &str| root.join("sys/dev/block").join(number).canonicalize().ok();
    if !mount.number.starts_with("0:") {
        return Some(vec![by_number(&mount.number)?]);
    }
    // btrfs has a number of its own, and may be on several devices.
    let name = Path::new(mount.source.strip_prefix("/dev/")?)
        .file_name()?
        .to_owned();
    for pool in fs::read_dir(root.join("sys/fs/btrfs"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let members = pool.path().join("devices");
        let Ok(found) = fs::read_dir(&members) else {
            continue;
        };
        let found: Vec<_> = found.flatten().map(|entry| entry.path()).collect();
        let source = fs::canonicalize(root.join(mount.source.trim_start_matches('/'))).ok();
        let real = source.as_deref().and_then(Path::file_name).unwrap_or(&name);
        if found.iter().any(|member| member.file_name() == Some(real)) {
            return found
                .iter()
                .map(|member| member.canonicalize().ok())
                .collect();
        }
    }
    None
}

/// Returns the PCI functions behind a block device, through partitions and what is stacked on
/// others (device mapper, md); none where it is no PCI device's; `None` if that can't be told.
fn behind(disk: &Path) -> Option<Addresses> {
    let disk = if disk.join("partition").exists() {
        disk.parent()?
    } else {
        disk
    };
    let slaves: Vec<_> = fs::read_dir(disk.join("slaves"))
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    if !slaves.is_empty() {
        let mut all = Addresses::new();
        for slave in slaves {
            all.extend(behind(&slave.path().canonicalize().ok()?)?);
        }
        return Some(all);
    }
    let virtual_device = disk.iter().any(|part| part == "virtual");
    match function_above(disk) {
        Some(function) => Some(Addresses::from([function])),
        None if virtual_device => nvme_controllers(disk),
        None => Some(Addresses::new()),
    }
}

/// Returns the controllers of an NVMe namespace that can be reached by several.
fn nvme_controllers(disk: &Path) -> Option<Addresses> {
    let subsystem = disk.ancestors().find(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("nvme-subsys") && name != "nvme-subsystem")
    })?;
    let controllers = fs::read_dir(subsystem)
        .ok()?
        .flatten()
        .map(|entry| entry.path());
    let links = controllers
        .filter(|path| path.is_symlink())
        .filter_map(|path| path.canonicalize().ok());
    let all: Addresses = links.filter_map(|path| function_above(&path)).collect();
    (!all.is_empty()).then_some(all)
}

/// Returns the PCI function that a path in sysfs leads through last.
fn function_above(path: &Path) -> Option<String> {
    let parts = path.iter().rev().filter_map(|part| part.to_str());
    let is_function =
        |part: &&str| function_name(part).is_some_and(|sbdf| sbdf.to_string() == **part);
    parts
        .map(str::to_string)
        .find(|part| is_function(&part.as_str()))
}

/// Returns the network cards that are up and have a link.
fn network_cards(root: &Path) -> Option<Addresses> {
    let mut all = Addresses::new();
    for card in fs::read_dir(root.join("sys/class/net")).ok()?.flatten() {
        let path = card.path();
        let says = |name: &str| fs::read_to_string(path.join(name)).unwrap_or_default();
        // A card that is down refuses to say whether it has a carrier.
        if says("carrier").trim() == "1" {
            all.extend(
                path.canonicalize()
                    .ok()
                    .and_then(|path| function_above(&path)),
            );
        }
    }
    Some(all)
}

#[cfg(test)]
#[path = "in_use_tests.rs"]
mod tests;
