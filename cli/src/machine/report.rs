// SPDX-License-Identifier: GPL-2.0

//! All that is read of a machine, as text, without what is nobody's business.

mod renamed;

use self::renamed::{
    Mapped,
    Unique, //
};
use super::{
    checks, ids,
    nodes::KNOWN_MOUNTS,
    read::{
        machine,
        Account, //
    },
};
use crate::{
    boot::rules::{
        options,
        wanted::{
            MODPROBE,
            STORE, //
        },
    },
    dump::Dump,
    files::{
        Files,
        Recorder, //
    },
};

/// Reads all of it, and returns what was read, without what is nobody's business: addresses of
/// network cards, names of volumes, the places of mounted file systems, comments, the rest of the
/// command line.
pub(crate) fn report(files: &dyn Files) -> Dump {
    let recorder = Recorder::new(files);
    let machine = machine(&recorder);
    for device in &machine.devices {
        // What only `explain` asks for.
        let _ = Account::read(&recorder, device);
    }
    // And what only `doctor` does.
    let _ = checks::read(&recorder);
    let mut dump = recorder.into_dump();
    let pci_ids: Vec<String> = (dump.files().map(|(path, _)| path))
        .filter(|path| path.ends_with("/pci.ids"))
        .collect();
    for path in pci_ids {
        dump.add_file(&path, &ids::excerpt(&machine.devices));
    }
    let mapped = Mapped::of(&dump);
    let private: Vec<(String, String)> = dump
        .files()
        .filter_map(|(path, text)| Some((path.clone(), public(&path, text, &mapped)?)))
        .collect();
    for (path, text) in private {
        dump.add_file(&path, &text);
    }
    let unique = Unique::of(&dump);
    dump.rewrite(|text| unique.renamed(text));
    dump
}

/// What a report has of a file that has more in it than a report should; `None` if it hasn't.
fn public(path: &str, text: &str, mapped: &Mapped) -> Option<String> {
    let lines = |kept: &dyn Fn(&str) -> Option<String>| {
        let kept: Vec<String> = text.lines().filter_map(kept).collect();
        kept.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    };
    if let Some(name) = Mapped::public_name(path) {
        return Some(format!("{name}\n"));
    }
    if path.starts_with(STORE) {
        let is_comment = |line: &str| line.trim_start().starts_with('#');
        return Some(lines(&|line| match is_comment(line) {
            // Lines are told of by their numbers.
            true => Some("#".to_string()),
            false => Some(line.to_string()),
        }));
    }
    if MODPROBE.iter().any(|folder| path.starts_with(folder)) {
        let ours = options::lines_of_modprobe_conf(text);
        return Some(ours.iter().flat_map(|line| [line.as_str(), "\n"]).collect());
    }
    match path {
        "/proc/self/mountinfo" => Some(lines(&|line| mount(line, mapped))),
        "/proc/net/route" => Some(lines(&|line| {
            let mut words = line.split_whitespace();
            let (interface, destination) = (words.next()?, words.next()?);
            matches!(destination, "Destination" | "00000000")
                .then(|| format!("{interface} {destination}"))
        })),
        "/proc/swaps" => Some(lines(&|line| {
            let source = line.split_whitespace().next()?;
            match source {
                "Filename" => Some(source.to_string()),
                _ => source.starts_with("/dev/").then(|| mapped.node(source)),
            }
        })),
        _ => checks::public(path, text),
    }
}

/// What a report has of a line of mountinfo: the number of the device, where it is mounted, what
/// kind of file system it is, and what it is on.
fn mount(line: &str, mapped: &Mapped) -> Option<String> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let (number, place) = (left.next()?, left.nth(1)?);
    let mut right = right.split(' ');
    let (kind, source) = (right.next()?, right.next()?);
    let is_known = KNOWN_MOUNTS.contains(&place);
    if !is_known && !source.starts_with("/dev/") {
        return None;
    }
    let place = if is_known { place } else { "/..." };
    let source = mapped.node(source);
    Some(format!("0 0 {number} / {place} rw - {kind} {source} rw"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(path: &str, text: &str) -> Option<String> {
        super::public(path, text, &Mapped::of(&Dump::default()))
    }

    #[test]
    fn reports_have_nothing_private() {
        assert_eq!(
            public(
                "/proc/cmdline",
                "root=UUID=1 ro rd.luks.key=secret intel_iommu=on pciback.x=\"(1) (2)\"\n"
            )
            .unwrap(),
            "intel_iommu=on \"pciback.x=(1) (2)\"\n"
        );
        let mounts = "22 1 8:1 /@jane / rw shared:1 - btrfs /dev/sda1 rw,subvol=/@jane\n\
            23 22 0:5 / /proc rw - proc proc rw\n\
            24 22 8:2 / /media/jane rw - ext4 /dev/mapper/jane rw\n\
            25 22 0:9 / /usr rw - zfs jane/usr rw\n";
        let short = "0 0 8:1 / / rw - btrfs /dev/sda1 rw\n\
            0 0 8:2 / /... rw - ext4 /dev/mapper/... rw\n\
            0 0 0:9 / /usr rw - zfs ... rw\n";
        assert_eq!(public("/proc/self/mountinfo", mounts).unwrap(), short);
        assert_eq!(public("/proc/self/mountinfo", short).unwrap(), short);
        let route =
            "Iface\tDestination\tGateway\neth0\t00000000\t0102A8C0\neth0\t0002A8C0\t00000000\n";
        assert_eq!(
            public("/proc/net/route", route).unwrap(),
            "Iface Destination\neth0 00000000\n"
        );
        assert_eq!(public("/sys/x", "y"), None);
        let swaps = "Filename\tType\n/dev/dm-1 partition 1\n/home/jane/swap file 1\n";
        assert_eq!(
            public("/proc/swaps", swaps).unwrap(),
            "Filename\n/dev/dm-1\n"
        );
        let kept = "# of jane\naddress=01:00.0\n  #\n";
        assert_eq!(
            public("/etc/rust-pciback/devices.d/a.conf", kept).unwrap(),
            "#\naddress=01:00.0\n#\n"
        );
        let modprobe = "# of jane\noptions xen-pciback hide=(01:00.0) \\\n x\noptions wifi key=1\n";
        assert_eq!(
            public("/etc/modprobe.d/a.conf", modprobe).unwrap(),
            "options xen-pciback hide=(01:00.0)   x\n"
        );
    }

    #[test]
    fn nothing_of_a_whole_machine_is_private() {
        let mut dump = Dump::default();
        let dm = "/sys/class/block/dm-3/dm/name";
        dump.add_file(dm, "vg-jane\n");
        dump.add_link("/sys/class/net/enx00e04c680001", "../x/net/enx00e04c680001");
        let mounts = "24 22 253:3 / /home rw - ext4 /dev/mapper/vg-jane rw\n";
        dump.add_file("/proc/self/mountinfo", mounts);
        dump.add_file("/proc/net/route", "I D\nenx00e04c680001 00000000\n");
        dump.add_file("/proc/swaps", "Filename\n/dev/mapper/vg-jane partition\n");
        dump.add_file("/etc/rust-pciback/devices.d/a.conf", "# jane\n");
        let text = report(&dump).to_string();
        assert!(!text.contains("jane") && !text.contains("00e04c"), "{text}");
        let again = report(&Dump::parse(&text).unwrap());
        assert_eq!(again.to_string(), text);
        assert!(text.contains("/dev/mapper/mapped-3"), "{text}");
    }

    #[test]
    fn what_was_made_public_is_read_the_same() {
        let text = "eth0\t00000000\t0102A8C0\n";
        assert_eq!(public("/proc/net/route", text).unwrap(), "eth0 00000000\n");
    }
}
