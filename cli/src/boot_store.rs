// SPDX-License-Identifier: GPL-2.0

//! What is claimed at boot.
//!
//! One file a device in [`FOLDER`], which says by its place, identity and address which device is
//! meant: when the buses are numbered anew, another device has the address, and that one must not
//! be taken. pciback-boot reads the files at boot, by the same rules as here (see
//! rust-pciback-devices(5)). driverctl's overrides know addresses only; they count as well, and are
//! shown as such, but are never written here.

use crate::{
    driver::pure::{
        bdf_grammar::parse_pattern,
        sbdf::Sbdf, //
    },
    files::Files,
    machine::{
        kernel_name,
        Device,
        Need,
        DRIVER, //
    },
};

use std::fmt::Write;

/// The folder with one file a device.
pub(crate) const FOLDER: &str = "/etc/rust-pciback/devices.d";

/// driverctl's.
pub(crate) const DRIVERCTL: &str = "/etc/driverctl.d";

/// Who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A file in [`FOLDER`].
    Us,
    /// An override of driverctl.
    Driverctl,
}

/// One device that is claimed at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The file.
    pub(crate) file: String,
    /// What is in it.
    pub(crate) text: String,
    /// Who keeps it.
    pub(crate) by: By,
    /// The address that it had when that was written.
    pub(crate) sbdf: Sbdf,
    /// Its identity, `8086:10c9`, if it is written down.
    pub(crate) id: Option<String>,
    /// Its place, see [`place`], if it is written down.
    pub(crate) place: Option<String>,
}

impl Kept {
    /// Returns `true` if a device is where the file says: at the place, or without one at the
    /// address.
    pub(crate) fn means(&self, device: &Device) -> bool {
        match &self.place {
            Some(written) => *written == place(device),
            None => self.sbdf == device.sbdf,
        }
    }

    /// Returns `true` if that device is the one that is claimed at boot: it has the identity, or
    /// where none is written down the address.
    pub(crate) fn claims(&self, device: &Device) -> bool {
        let same = match &self.id {
            Some(written) => *written == id(device),
            None => self.sbdf == device.sbdf,
        };
        self.means(device) && same
    }
}

/// A file that can't be understood, so that nothing of it is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file.
    pub(crate) file: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// A device's identity, as it is written down.
pub(crate) fn id(device: &Device) -> String {
    format!("{:04x}:{:04x}", device.ids.vendor, device.ids.device)
}

/// A device's place, which stays the same when buses are numbered anew: the device and function
/// numbers on the way from the root bus.
pub(crate) fn place(device: &Device) -> String {
    let parts = device
        .path
        .split('/')
        .skip_while(|part| !part.starts_with("pci"));
    let mut place = String::new();
    for part in parts {
        let part = match kernel_name(part) {
            Some(sbdf) => format!("{:02x}.{}", sbdf.slot(), sbdf.function()),
            None => part.to_string(),
        };
        let _ = write!(place, "{}{part}", if place.is_empty() { "" } else { "/" });
    }
    place
}

/// Returns a file of ours, by its name.
pub(crate) fn file(name: &str) -> String {
    format!("{FOLDER}/{name}.conf")
}

/// Returns what is in it; `force` has the device claimed although the machine needs it.
pub(crate) fn text(device: &Device, force: bool) -> String {
    let (sbdf, title) = (device.sbdf, device.title());
    let mut text = format!(
        "# {title}\naddress={sbdf}\nid={}\nplace={}\n",
        id(device),
        place(device)
    );
    let mut words: Vec<&str> = device.needs.iter().filter_map(force_word).collect();
    words.dedup();
    if force && !words.is_empty() {
        let _ = writeln!(text, "force={}", words.join(" "));
    }
    text
}

/// The word by which what claims at boot takes a device all the same.
fn force_word(need: &Need) -> Option<&'static str> {
    match need {
        Need::Mounted(place) => matches!(place.as_str(), "/" | "/usr").then_some("root"),
        Need::Swap => None,
        Need::DefaultRoute(_) => Some("network"),
        Need::OnlyDisplay => Some("gpu"),
    }
}

/// Reads all that is kept, ours first.
pub(crate) fn read(files: &dyn Files) -> (Vec<Kept>, Vec<Fault>) {
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    for name in files.list(FOLDER) {
        let file = format!("{FOLDER}/{name}");
        if !name.ends_with(".conf") {
            continue;
        }
        let Some(text) = files.read(&file) else {
            let why = "it can't be read".to_string();
            faults.push(Fault { file, why });
            continue;
        };
        match parse(&text) {
            Ok((sbdf, id, place)) => all.push(Kept {
                file,
                text,
                by: By::Us,
                sbdf,
                id,
                place,
            }),
            Err(why) => faults.push(Fault { file, why }),
        }
    }
    all.extend(files.list(DRIVERCTL).into_iter().filter_map(|name| {
        let file = format!("{DRIVERCTL}/{name}");
        let text = files.read(&file)?;
        (text.trim() == DRIVER).then_some(())?;
        Some(Kept {
            sbdf: kernel_name(name.strip_prefix("pci-")?)?,
            file,
            text,
            by: By::Driverctl,
            id: None,
            place: None,
        })
    }));
    (all, faults)
}

type Parsed = (Sbdf, Option<String>, Option<String>);

/// Reads one of our files. Nothing of one that isn't understood to its end counts.
fn parse(text: &str) -> Result<Parsed, String> {
    let (mut address, mut id, mut place, mut force) = (None, None, None, None);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |why: &str| format!("line {}: {why}", number + 1);
        let (key, value) = line.split_once('=').ok_or(bad("not KEY=VALUE"))?;
        let value = value.trim().to_string();
        let place_for = match key.trim() {
            "address" => &mut address,
            "id" => &mut id,
            "place" => &mut place,
            "force" => &mut force,
            _ => return Err(bad("an unknown key")),
        };
        if place_for.replace(value).is_some() {
            return Err(bad("a key that was there before"));
        }
    }
    let address = address.ok_or("there is no line address=")?;
    let sbdf = parse_pattern(address.as_bytes())
        .ok()
        .and_then(|pattern| pattern.single())
        .ok_or("address= is not that of one function")?;
    let forces = ["root", "gpu", "network"];
    let force: String = force.unwrap_or_default();
    if force.split_whitespace().any(|word| !forces.contains(&word)) {
        return Err("force= may have root, gpu and network only".to_string());
    }
    let id = id.map(|id: String| id.to_lowercase());
    if id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err("id= is not like 8086:10c9".to_string());
    }
    if place.as_ref().is_some_and(|place| !is_place(place)) {
        return Err("place= is not like pci0000:00/04.0/00.0".to_string());
    }
    Ok((sbdf, id, place))
}

fn is_id(text: &str) -> bool {
    let is_number =
        |digits: &str| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.split_once(':')).is_some_and(|(vendor, device)| is_number(vendor) && is_number(device))
}

/// Returns `true` for a root bus and at least one function; a host bridge below a device (Intel's
/// VMD) has a root bus in between.
fn is_place(text: &str) -> bool {
    let is_root = |part: &str| part.starts_with("pci");
    let mut parts = text.split('/');
    let is_hop = |part: &str| is_root(part) || kernel_name(&format!("0000:00:{part}")).is_some();
    parts.next().is_some_and(is_root) && text.contains('/') && parts.all(is_hop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::Dump;

    #[test]
    fn ours_and_theirs_are_read() {
        let mut dump = Dump::default();
        let conf =
            "# Intel 82576\naddress=0000:01:00.0\nid=8086:10C9\nplace=pci0000:00/04.0/00.0\n";
        dump.add_file(&file("0000:01:00.0"), conf);
        dump.add_file(
            "/etc/rust-pciback/devices.d/notes.txt",
            "address=0000:09:00.0\n",
        );
        dump.add_file("/etc/rust-pciback/devices.d/short.conf", "address = 4:0.1");
        dump.add_file("/etc/driverctl.d/pci-0000:02:00.0", "pciback\n");
        dump.add_file("/etc/driverctl.d/pci-0000:03:00.0", "vfio-pci\n");
        let (kept, faults) = read(&dump);
        let all: Vec<_> = kept.iter().map(|kept| (kept.sbdf.bus(), kept.by)).collect();
        assert_eq!(all, [(1, By::Us), (4, By::Us), (2, By::Driverctl)]);
        assert_eq!(kept[0].id.as_deref(), Some("8086:10c9"));
        assert_eq!(kept[0].place.as_deref(), Some("pci0000:00/04.0/00.0"));
        assert!(faults.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_a_fault() {
        for (text, why) in [
            ("", "there is no line address="),
            ("0000:01:00.0", "line 1: not KEY=VALUE"),
            (
                "address=0000:01:*.*",
                "address= is not that of one function",
            ),
            ("address=01:00.0\nids=8086:10c9", "line 2: an unknown key"),
            (
                "address=01:00.0\n#\naddress=01:00.0",
                "line 3: a key that was there before",
            ),
            ("address=01:00.0\nid=", "id= is not like 8086:10c9"),
            (
                "address=01:00.0\nplace=pci0000:00",
                "place= is not like pci0000:00/04.0/00.0",
            ),
            (
                "address=01:00.0\nforce=all",
                "force= may have root, gpu and network only",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), why, "{text}");
        }
        assert!(parse("address=1000:e1:00.0\nplace=pci0000:00/0e.0/pci1000:e0/1d.0/00.0").is_ok());
    }
}
