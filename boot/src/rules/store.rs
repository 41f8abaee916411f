// SPDX-License-Identifier: GPL-2.0

//! One file of /etc/rust-pciback/devices.d: one device that is to be claimed at boot.
//!
//! Nothing of a file that is not understood to the end is obeyed: a word spelled wrong may be the
//! one that was to keep a device from being taken.

use super::identity::{
    function_name,
    Id,
    Place, //
};
use crate::driver::pure::sbdf::Sbdf;
use std::fmt;

/// What a device may be and is claimed all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Force {
    /// It holds the root file system.
    pub(crate) root: bool,
    /// It is the last display device.
    pub(crate) gpu: bool,
    /// It is the last network card in use.
    pub(crate) network: bool,
}

impl Force {
    /// The words of all, in the order in which they are written.
    const WORDS: [&str; 3] = ["root", "gpu", "network"];

    /// Returns all that either has.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            root: self.root || other.root,
            gpu: self.gpu || other.gpu,
            network: self.network || other.network,
        }
    }
}

impl fmt::Display for Force {
    /// Writes the words, as a file has them; nothing if none is set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = [self.root, self.gpu, self.network];
        let words = Self::WORDS.iter().zip(set).filter(|(_, set)| *set);
        for (number, (word, _)) in words.enumerate() {
            write!(f, "{}{word}", if number == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// One device to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it was when the file was written.
    pub(crate) address: Sbdf,
    /// What it must be.
    pub(crate) id: Option<Id>,
    /// Where it is, whatever number the bus has.
    pub(crate) place: Option<Place>,
    /// What it may be.
    pub(crate) force: Force,
}

/// A line that can't be understood (0: the file as a whole), and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The number of the line, from 1.
    pub(crate) line: usize,
    /// Why.
    pub(crate) why: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(self.why),
            line => write!(f, "line {line}: {}", self.why),
        }
    }
}

/// Parses the text of a file.
///
/// # Errors
///
/// - [`Fault`] for the first line that doesn't fit, or if there is no `address`.
pub(crate) fn parse(text: &str) -> Result<Entry, Fault> {
    let (mut address, mut id, mut place, mut force) = (None, None, None, None);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |why| Fault {
            line: number.saturating_add(1),
            why,
        };
        let (key, value) = line
            .split_once('=')
            .ok_or(fault("not of the form KEY=VALUE"))?;
        let value = value.trim();
        let again = match key.trim() {
            "address" => set(
                &mut address,
                function_name(value),
                "no address of one function",
            )
            .map_err(fault)?,
            "id" => set(&mut id, Id::parse(value), "no id like 8086:10c9").map_err(fault)?,
            "place" => set(
                &mut place,
                Place::parse(value),
                "no place like pci0000:00/04.0/00.0",
            )
            .map_err(fault)?,
            "force" => set(
                &mut force,
                parse_force(value),
                "may force root, gpu and network only",
            )
            .map_err(fault)?,
            _ => {
                return Err(fault(
                    "an unknown key: there are address, id, place and force",
                ))
            }
        };
        if again {
            return Err(fault("a key that was given before"));
        }
    }
    Ok(Entry {
        address: address.ok_or(Fault {
            line: 0,
            why: "there is no line address=",
        })?,
        id,
        place,
        force: force.unwrap_or_default(),
    })
}

/// Takes a value that was parsed; returns `true` if there was one already.
fn set<T>(to: &mut Option<T>, value: Option<T>, why: &'static str) -> Result<bool, &'static str> {
    Ok(to.replace(value.ok_or(why)?).is_some())
}

fn parse_force(text: &str) -> Option<Force> {
    let mut force = Force::default();
    for word in text.split_whitespace() {
        match word {
            "root" => force.root = true,
            "gpu" => force.gpu = true,
            "network" => force.network = true,
            _ => return None,
        }
    }
    Some(force)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read() {
        let text = "# Intel 82576\n\n address = 0000:01:00.0\nid=8086:10c9\nplace=pci0000:00/04.0/00.0\nforce=gpu network\n";
        let entry = parse(text).unwrap();
        assert_eq!(entry.address, Sbdf::new(0, 1, 0));
        assert_eq!(entry.id, Some(Id::new(0x8086, 0x10c9)));
        assert_eq!(entry.place, Place::parse("pci0000:00/04.0/00.0"));
        let force = Force {
            root: false,
            gpu: true,
            network: true,
        };
        assert_eq!(entry.force, force);
        assert_eq!(force.to_string(), "gpu network");
        assert_eq!(Force::default().to_string(), "");
    }

    #[test]
    fn an_address_is_enough() {
        let entry = parse("address=03:00.1").unwrap();
        assert_eq!(entry.address, Sbdf::new(0, 3, 1));
        assert_eq!(
            (entry.id, entry.place, entry.force),
            (None, None, Force::default())
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let at = |text: &str| parse(text).unwrap_err().line;
        assert_eq!(at(""), 0);
        assert_eq!(at("id=8086:10c9\n"), 0);
        assert_eq!(at("address=0000:01:*.*"), 1);
        assert_eq!(at("address=0000:01:00.0\nids=8086:10c9"), 2);
        assert_eq!(at("address=0000:01:00.0\naddress=0000:01:00.0"), 2);
        assert_eq!(at("address=0000:01:00.0\nid="), 2);
        assert_eq!(at("address=0000:01:00.0\n\nforce=all"), 3);
        assert_eq!(at("0000:01:00.0"), 1);
    }
}
