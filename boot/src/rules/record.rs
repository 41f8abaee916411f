// SPDX-License-Identifier: GPL-2.0

//! What was in use when the initramfs was made: in there, before any driver is loaded, nobody can
//! tell which disk has the root file system and which network card has a cable.

use super::{
    device::Device,
    identity::{
        function_name,
        Id,
        Place, //
    },
};
use crate::driver::pure::sbdf::Sbdf;
use std::fmt;

/// What a device was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It holds / or /usr.
    Root,
    /// It is a network card, and it is up.
    Network,
}

impl Use {
    const ALL: [Self; 2] = [Self::Root, Self::Network];

    const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Network => "network",
        }
    }
}

/// A device that was in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Used {
    /// What for.
    pub(crate) by: Use,
    /// Where it was.
    pub(crate) address: Sbdf,
    /// What it is.
    pub(crate) id: Id,
    /// Where it is, whatever number the bus has.
    pub(crate) place: Place,
}

impl Used {
    fn is(&self, device: &Device) -> bool {
        self.id == device.id && self.place == device.place
    }
}

/// All that was in use, and for what uses all devices are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Uses of which every device is in `used`.
    pub(crate) known: Vec<Use>,
    /// The devices.
    pub(crate) used: Vec<Used>,
}

impl Record {
    /// Parses the written form. A line that isn't understood is one that isn't there; then a use
    /// is not known unless its own line says so.
    pub(crate) fn parse(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            let by = |word: &str| Use::ALL.into_iter().find(|by| by.word() == word);
            match *words.as_slice() {
                ["known", word] => record.known.extend(by(word)),
                [word, address, id, place] => record.used.extend((|| {
                    Some(Used {
                        by: by(word)?,
                        address: function_name(address)?,
                        id: Id::parse(id)?,
                        place: Place::parse(place)?,
                    })
                })()),
                _ => (),
            }
        }
        record
    }

    /// Returns what of this is known at boot. Where no card is up, the network may not have been
    /// begun yet, so nobody knows which cards will be in use.
    pub(crate) fn at_boot(mut self) -> Self {
        if !self.used.iter().any(|used| used.by == Use::Network) {
            self.known.retain(|by| *by != Use::Network);
        }
        self
    }

    /// Returns this, and of the uses that it doesn't know what `other` has.
    pub(crate) fn or(mut self, other: Self) -> Self {
        let is_missing = |by: &Use| !self.known.contains(by);
        let missing: Vec<_> = Use::ALL.into_iter().filter(is_missing).collect();
        let known = other.known.into_iter().filter(|by| missing.contains(by));
        let used = other.used.into_iter();
        self.known.extend(known);
        self.used
            .extend(used.filter(|used| missing.contains(&used.by)));
        self
    }

    /// Returns `true` if a device of the machine was used so.
    pub(crate) fn has(&self, by: Use, device: &Device) -> bool {
        self.used
            .iter()
            .any(|used| used.by == by && used.is(device))
    }

    /// Returns `true` if all devices of a use are known: the record says so, and each of them is
    /// where it was.
    pub(crate) fn knows(&self, by: Use, machine: &[Device]) -> bool {
        let here = |used: &Used| used.by != by || machine.iter().any(|device| used.is(device));
        self.known.contains(&by) && self.used.iter().all(here)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for by in &self.known {
            writeln!(f, "known {}", by.word())?;
        }
        for Used {
            by,
            address,
            id,
            place,
        } in &self.used
        {
            writeln!(f, "{} {address} {id} {place}", by.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_it_is_written() {
        let text = "known root\nknown network\nroot 0000:01:00.0 1b36:0010 pci0000:00/05.0/00.0\n\
            network 0000:02:00.0 8086:10c9 pci0000:00/06.0/00.0\n";
        let record = Record::parse(text);
        assert_eq!(record.used.len(), 2);
        assert_eq!(record.to_string(), text);
    }

    #[test]
    fn what_is_not_understood_makes_nothing_known() {
        assert_eq!(
            Record::parse("known\nknown disk\nroot 0000:01:00.0\n\nroot x 1b36:0010 y\n"),
            Record::default()
        );
    }

    #[test]
    fn what_one_record_lacks_another_has() {
        let card = "network 0000:01:00.0 8086:10c9 pci0000:00/02.0/00.0\n";
        let disk = "root 0000:03:00.0 1b36:0010 pci0000:00/05.0/00.0\n";
        // An initramfs that was made in a tree doesn't know the disk.
        let made = Record::parse(&format!("known network\n{card}"));
        let other = "network 0000:02:00.0 8086:10c9 pci0000:00/06.0/00.0\n";
        let now = Record::parse(&format!("known root\nknown network\n{disk}{other}"));
        let both = format!("known network\nknown root\n{card}{disk}");
        assert_eq!(made.or(now).to_string(), both);
    }

    #[test]
    fn cards_are_unknown_until_one_is_up() {
        let card = "network 0000:01:00.0 8086:10c9 pci0000:00/02.0/00.0";
        let up = Record::parse(&format!("known root\nknown network\n{card}\n"));
        assert_eq!(up.used.len(), 1);
        assert_eq!(up.clone().at_boot(), up);
        let down = Record::parse("known root\nknown network\n");
        assert_eq!(down.at_boot(), Record::parse("known root\n"));
    }
}
