// SPDX-License-Identifier: GPL-2.0

//! All that is read of a machine, as text, without what is nobody's business.

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
        wanted::MODPROBE, //
    },
    dump::Dump,
    files::{
        Files,
        Recorder, //
    },
};

/// Reads all of it, and returns what was read, without what is nobody's business: addresses of
/// network cards, the places of mounted file systems, the rest of the command line.
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
    let private: Vec<(String, String)> = dump
        .files()
        .filter_map(|(path, text)| Some((path.clone(), public(&path, text)?)))
        .collect();
    for (path, text) in private {
        dump.add_file(&path, &text);
    }
    dump.rewrite(without_hardware_addresses);
    dump
}

/// What a report has of a file that has more in it than a report should; `None` if it hasn't.
fn public(path: &str, text: &str) -> Option<String> {
    let lines = |kept: &dyn Fn(&str) -> Option<String>| {
        let kept: Vec<String> = text.lines().filter_map(kept).collect();
        kept.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    };
    if MODPROBE.iter().any(|folder| path.starts_with(folder)) {
        let ours = options::lines_of_modprobe_conf(text);
        return Some(ours.iter().flat_map(|line| [line.as_str(), "\n"]).collect());
    }
    match path {
        "/proc/self/mountinfo" => Some(lines(&mount)),
        "/proc/net/route" => Some(lines(&|line| {
            let mut words = line.split_whitespace();
            let (interface, destination) = (words.next()?, words.next()?);
            matches!(destination, "Destination" | "00000000")
                .then(|| format!("{interface} {destination}"))
        })),
        "/proc/swaps" => Some(lines(&|line| {
            let source = line.split_whitespace().next()?;
            (source == "Filename" || source.starts_with("/dev/")).then(|| source.to_string())
        })),
        _ => checks::public(path, text),
    }
}

/// What a report has of a line of mountinfo: the number of the device, where it is mounted, what
/// kind of file system it is, and what it is on.
fn mount(line: &str) -> Option<String> {
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
    let source = if source.starts_with("/dev/") {
        source
    } else {
        "..."
    };
    Some(format!("0 0 {number} / {place} rw - {kind} {source} rw"))
}

/// Network interfaces may be named after their hardware address: of Ethernet, wireless and mobile
/// ones `enx`, `wlx` or `wwx`, and twelve digits.
fn without_hardware_addresses(text: &str) -> String {
    ["enx", "wlx", "wwx"]
        .iter()
        .fold(text.to_string(), |text, kind| without(&text, kind))
}

fn without(text: &str, kind: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(kind) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        out.push_str(kind);
        let digits = from
            .get(3..15)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if digits.is_some() {
            out.push_str("000000000000");
        }
        rest = from
            .get(if digits.is_some() { 15 } else { 3 }..)
            .unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

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
            0 0 8:2 / /... rw - ext4 /dev/mapper/jane rw\n\
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
        let modprobe = "# of jane\noptions xen-pciback hide=(01:00.0) \\\n x\noptions wifi key=1\n";
        assert_eq!(
            public("/etc/modprobe.d/a.conf", modprobe).unwrap(),
            "options xen-pciback hide=(01:00.0)   x\n"
        );
        let name = "../net/enx00e04c680001 enxa enxzz wlx00e04c680001";
        assert_eq!(
            without_hardware_addresses(name),
            "../net/enx000000000000 enxa enxzz wlx000000000000"
        );
    }

    #[test]
    fn what_was_made_public_is_read_the_same() {
        let text = "eth0\t00000000\t0102A8C0\n";
        assert_eq!(public("/proc/net/route", text).unwrap(), "eth0 00000000\n");
    }
}
