// SPDX-License-Identifier: GPL-2.0

//! What is claimed at boot.
//!
//! One file a device in [`STORE`], which says by its place, identity and address which device is
//! meant: when the buses are numbered anew, another device has the address, and that one must not
//! be taken. It is read by the code that reads it at boot (see rust-pciback-devices(5)), and so is
//! each `hide=`. driverctl's overrides know addresses only; they count as well. Of all these only
//! our own files are ever written here.

use crate::{
    boot::rules::{
        identity::Place,
        plan::Wanted,
        store::{
            Entry,
            Force, //
        },
        wanted::STORE, //
    },
    driver::pure::{
        bdf_grammar::Pattern,
        sbdf::Sbdf, //
    },
    files::Files,
    machine::{
        kernel_name,
        Device,
        DRIVER, //
    },
};

use std::{
    fmt::Write,
    path::Path, //
};

/// driverctl's.
pub(crate) const DRIVERCTL: &str = "/etc/driverctl.d";

/// Who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// A file in [`STORE`].
    Us,
    /// An override of driverctl.
    Driverctl,
    /// `hide=` of the driver or of xen-pciback, in modprobe.d or on the kernel's command line.
    Hide,
}

/// Which devices are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// One, by what is written of it.
    Device(Entry),
    /// Whatever has such an address.
    Addresses(Pattern),
}

/// What is claimed at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The file, or [`COMMAND_LINE`](crate::boot::rules::wanted::COMMAND_LINE).
    pub(crate) file: String,
    /// What is in it, if it is one device's.
    pub(crate) text: String,
    /// Who keeps it.
    pub(crate) by: By,
    /// Which.
    pub(crate) meant: Meant,
}

impl Kept {
    /// Returns `true` if a device is where the file says: at the place, or without one at the
    /// address.
    pub(crate) fn means(&self, device: &Device) -> bool {
        match &self.meant {
            Meant::Addresses(pattern) => pattern.covers(device.sbdf),
            Meant::Device(entry) => match &entry.place {
                Some(written) => Some(written) == place(device).as_ref(),
                None => entry.address == device.sbdf,
            },
        }
    }

    /// Returns `true` if that device is the one that is claimed at boot: it has the identity, or
    /// where none is written down the address.
    pub(crate) fn claims(&self, device: &Device) -> bool {
        let same = match &self.meant {
            Meant::Addresses(_) => true,
            Meant::Device(entry) => match entry.id {
                Some(written) => written.to_string() == id(device),
                None => entry.address == device.sbdf,
            },
        };
        same && self.means(device)
    }

    /// Returns what it says of one device.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        match &self.meant {
            Meant::Device(entry) => Some(entry),
            Meant::Addresses(_) => None,
        }
    }
}

/// A device's identity, as it is written down.
pub(crate) fn id(device: &Device) -> String {
    format!("{:04x}:{:04x}", device.ids.vendor, device.ids.device)
}

/// A device's place, which stays the same when buses are numbered anew.
pub(crate) fn place(device: &Device) -> Option<Place> {
    Place::of_sysfs(Path::new(&device.path))
}

/// Returns a file of ours, by its name.
pub(crate) fn file(name: &str) -> String {
    format!("{STORE}/{name}.conf")
}

/// Returns what is in the file of a device; `force` has it claimed although the machine needs it.
pub(crate) fn text(device: &Device, force: Force) -> String {
    let (sbdf, title) = (device.sbdf, device.title());
    let mut text = format!("# {title}\naddress={sbdf}\nid={}\n", id(device));
    if let Some(place) = place(device) {
        let _ = writeln!(text, "place={place}");
    }
    if force != Force::default() {
        let _ = writeln!(text, "force={force}");
    }
    text
}

/// An override of driverctl.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Override {
    /// Its file.
    pub(crate) file: String,
    /// What is in it.
    text: String,
    /// The device.
    pub(crate) address: Sbdf,
}

impl Override {
    /// Returns the driver that it gives the device to at boot.
    pub(crate) fn driver(&self) -> &str {
        self.text.trim()
    }
}

/// Returns all that is kept: ours first, then driverctl's, then what is hidden.
pub(crate) fn read(files: &dyn Files, wanted: &Wanted, overrides: &[Override]) -> Vec<Kept> {
    let ours = wanted.entries.iter().map(|(file, entry)| Kept {
        file: file.clone(),
        text: files.read(file).unwrap_or_default(),
        by: By::Us,
        meant: Meant::Device(entry.clone()),
    });
    let theirs = overrides.iter().filter(|it| it.driver() == DRIVER);
    let theirs = theirs.map(|it| Kept {
        file: it.file.clone(),
        text: it.text.clone(),
        by: By::Driverctl,
        meant: Meant::Device(Entry {
            address: it.address,
            id: None,
            place: None,
            force: Force::default(),
        }),
    });
    let hidden = wanted.hide.iter().map(|(source, pattern)| Kept {
        file: source.clone(),
        text: String::new(),
        by: By::Hide,
        meant: Meant::Addresses(*pattern),
    });
    ours.chain(theirs).chain(hidden).collect()
}

/// Returns the overrides of driverctl, for whichever drivers.
pub(crate) fn overrides(files: &dyn Files) -> Vec<Override> {
    let names = files.list(DRIVERCTL).into_iter();
    let overrides = names.filter_map(|name| {
        let file = format!("{DRIVERCTL}/{name}");
        Some(Override {
            text: files.read(&file)?,
            address: kernel_name(name.strip_prefix("pci-")?)?,
            file,
        })
    });
    overrides.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        boot::rules::wanted::gather,
        dump::Dump, //
    };

    #[test]
    fn ours_and_theirs_and_what_is_hidden_are_read() {
        let mut dump = Dump::default();
        let conf =
            "# Intel 82576\naddress=0000:01:00.0\nid=8086:10C9\nplace=pci0000:00/04.0/00.0\n";
        dump.add_file(&file("0000:01:00.0"), conf);
        dump.add_file(
            "/etc/rust-pciback/devices.d/notes.txt",
            "address=0000:09:00.0\n",
        );
        dump.add_file("/etc/rust-pciback/devices.d/short.conf", "address = 4:0.1");
        dump.add_file("/etc/rust-pciback/devices.d/wrong.conf", "adress=4:0.1");
        dump.add_file("/etc/driverctl.d/pci-0000:02:00.0", "pciback\n");
        dump.add_file("/etc/driverctl.d/pci-0000:03:00.0", "vfio-pci\n");
        dump.add_file(
            "/etc/modprobe.d/xen.conf",
            "options xen-pciback hide=(05:00.*)\n",
        );
        dump.add_file("/proc/cmdline", "ro xen-pciback.hide=(06:00.0)\n");
        let gathered = gather(&dump, "");
        let kept = read(&dump, &gathered.wanted, &overrides(&dump));
        let all: Vec<_> = kept
            .iter()
            .map(|kept| (kept.by, kept.file.as_str()))
            .collect();
        assert_eq!(
            all,
            [
                (By::Us, "/etc/rust-pciback/devices.d/0000:01:00.0.conf"),
                (By::Us, "/etc/rust-pciback/devices.d/short.conf"),
                (By::Driverctl, "/etc/driverctl.d/pci-0000:02:00.0"),
                (By::Hide, "/etc/modprobe.d/xen.conf"),
                (By::Hide, "command line"),
            ]
        );
        assert_eq!(kept[0].text, conf);
        let faults: Vec<_> = gathered.faults.iter().map(|fault| &fault.source).collect();
        assert_eq!(faults, ["/etc/rust-pciback/devices.d/wrong.conf"]);
    }
}
