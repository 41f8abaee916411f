// SPDX-License-Identifier: GPL-2.0

//! Names that somebody gave, or that have a hardware address in them, and what a report has in
//! their place: the same everywhere, so that a report reads as the machine does.

use crate::{
    dump::Dump,
    files::Tree, //
};

use std::collections::BTreeMap;

/// Names of mapped devices: of volumes, of encrypted disks.
pub(super) struct Mapped(BTreeMap<String, String>);

const BLOCK: &str = "/sys/class/block/";
const NAME: &str = "/dm/name";

impl Mapped {
    /// Finds them.
    pub(super) fn of(dump: &Dump) -> Self {
        let names = dump.files().filter_map(|(path, name)| {
            let public = Self::public_name(&path)?;
            Some((name.trim().to_string(), public))
        });
        Self(names.collect())
    }

    /// Returns what a report has in the file of a name, by that of the kernel (`dm-0`); `None` for
    /// other files.
    pub(super) fn public_name(path: &str) -> Option<String> {
        let device = path.strip_prefix(BLOCK)?.strip_suffix(NAME)?;
        Some(device.replace("dm-", "mapped-"))
    }

    /// Returns what a report has of a file in /dev. What is below a folder has a name that somebody
    /// gave (/dev/zvol), and what is no file in /dev (a pool of ZFS), too.
    pub(super) fn node(&self, source: &str) -> String {
        let Some(node) = source.strip_prefix("/dev/") else {
            return "...".to_string();
        };
        match node.strip_prefix("mapper/") {
            Some(name) => {
                let known = self.0.get(name).map_or("...", String::as_str);
                format!("/dev/mapper/{known}")
            }
            None if node.contains('/') => "/dev/...".to_string(),
            None => source.to_string(),
        }
    }
}

/// Classes whose names may be made of a hardware address.
const CLASSES: [&str; 2] = ["/sys/class/net", "/sys/class/infiniband"];

/// The length of a UUID, as it is written.
const UUID: usize = 36;

/// How many hexadecimal digits in a row are taken for a part of an address: the kernel's and udev's
/// numbers of slots and ports are shorter.
const DIGITS: usize = 6;

/// The folder with one folder a file system of btrfs, named by its UUID.
const POOLS: &str = "/sys/fs/btrfs";

/// Names that may have a hardware address in them (`enx00e04c680001`), and UUIDs.
pub(super) struct Unique(Vec<(String, String)>);

impl Unique {
    /// Finds them, and numbers them.
    pub(super) fn of(dump: &Dump) -> Self {
        let pools = dump.list(POOLS).into_iter();
        let uuids = pools.filter(|name| name.len() == UUID);
        let pools = uuids
            .enumerate()
            .map(|(number, name)| (name, format!("pool-{number}")));
        let names = CLASSES.iter().flat_map(|class| dump.list(class));
        let with_address = names.filter_map(|name| {
            let (at, length) = longest_number(&name)?;
            Some((name, at, length))
        });
        let renamed = with_address
            .enumerate()
            .map(|(number, (name, at, length))| {
                let (before, rest) = name.split_at(at);
                let after = rest.get(length..).unwrap_or_default();
                let public = format!("{before}{number:0length$}{after}");
                (name, public)
            });
        Self(renamed.chain(pools).collect())
    }

    /// Puts the public names in the place of those in a text.
    pub(super) fn renamed(&self, text: &str) -> String {
        let names = self.0.iter();
        names.fold(text.to_string(), |text, (name, public)| {
            text.replace(name, public)
        })
    }
}

/// Returns where the longest row of hexadecimal digits in a name begins, and its length, if it is
/// one that may be of an address.
fn longest_number(name: &str) -> Option<(usize, usize)> {
    let mut rows = Vec::new();
    let mut begun = None;
    for (at, byte) in name.bytes().chain([b' ']).enumerate() {
        match (byte.is_ascii_hexdigit(), begun) {
            (true, None) => begun = Some(at),
            (false, Some(from)) => {
                rows.push((from, at - from));
                begun = None;
            }
            _ => {}
        }
    }
    let longest = rows.into_iter().max_by_key(|(_, length)| *length);
    longest.filter(|(_, length)| *length >= DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_names_are_numbered() {
        let mut dump = Dump::default();
        for name in [
            "enx00e04c680001",
            "enx00e04c680002",
            "br-1a2b3c4d5e6f",
            "slx0011223344",
            "eth0",
            "enp130s0f0np1",
            "enP10p0s31f6",
            "xenbr0",
            "vif12.0-emu",
        ] {
            dump.add_link(&format!("/sys/class/net/{name}"), &format!("../{name}"));
        }
        let uuid = "12345678-abcd-abcd-abcd-1234567890ab";
        dump.add_file(&format!("{POOLS}/{uuid}/devices/sda1"), "");
        let unique = Unique::of(&dump);
        let renamed = |text: &str| unique.renamed(text);
        assert_eq!(renamed(&format!("{POOLS}/{uuid}")), "/sys/fs/btrfs/pool-0");
        // In the order of the names.
        assert_eq!(renamed("../br-1a2b3c4d5e6f"), "../br-000000000000");
        assert_eq!(renamed("lower_enx00e04c680001"), "lower_enx000000000001");
        assert_eq!(renamed("enx00e04c680002 x"), "enx000000000002 x");
        assert_eq!(renamed("slx0011223344"), "slx0000000003");
        for name in [
            "eth0",
            "enp130s0f0np1",
            "enP10p0s31f6",
            "xenbr0",
            "vif12.0-emu",
        ] {
            assert_eq!(renamed(name), name);
        }
    }

    #[test]
    fn volumes_have_the_number_of_the_kernel() {
        let mut dump = Dump::default();
        dump.add_file("/sys/class/block/dm-0/dm/name", "luks-jane\n");
        let mapped = Mapped::of(&dump);
        assert_eq!(mapped.node("/dev/mapper/luks-jane"), "/dev/mapper/mapped-0");
        assert_eq!(mapped.node("/dev/mapper/other"), "/dev/mapper/...");
        assert_eq!(mapped.node("/dev/nvme0n1p2"), "/dev/nvme0n1p2");
        assert_eq!(mapped.node("/dev/zvol/jane"), "/dev/...");
        assert_eq!(mapped.node("jane/root"), "...");
    }
}
