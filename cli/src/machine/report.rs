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
    match path {
        "/proc/self/mounts" => Some(lines(&|line| {
            let mut words = line.split(' ');
            let (source, place) = (words.next()?, words.next()?);
            let place = if KNOWN_MOUNTS.contains(&place) {
                place
            } else {
                "/..."
            };
            source
                .starts_with("/dev/")
                .then(|| format!("{source} {place}"))
        })),
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
                "root=UUID=1 ro rd.luks.key=secret intel_iommu=on pciback.x=1\n"
            )
            .unwrap(),
            "intel_iommu=on pciback.x=1\n"
        );
        let mounts =
            "/dev/sda1 / ext4 rw 0 0\nproc /proc proc rw 0 0\n/dev/sda2 /media/jane ext4 rw 0 0\n";
        assert_eq!(
            public("/proc/self/mounts", mounts).unwrap(),
            "/dev/sda1 /\n/dev/sda2 /...\n"
        );
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
