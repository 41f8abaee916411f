// SPDX-License-Identifier: GPL-2.0

//! Which devices are claimed at boot, and which are not, and why.

use super::{
    device::Device,
    identity::{
        Id,
        Place, //
    },
    record::{
        Record,
        Use, //
    },
    store::{
        Entry,
        Force, //
    },
};
use crate::driver::pure::{
    bdf_grammar::{
        Pattern,
        Unit, //
    },
    sbdf::Sbdf, //
};
use std::fmt;

/// What is wanted, with where that is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Files of the store.
    pub(crate) entries: Vec<(String, Entry)>,
    /// `hide=` of options.
    pub(crate) hide: Vec<(String, Pattern)>,
}

/// A device that is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its address.
    pub(crate) address: Sbdf,
    /// Who wants it.
    pub(crate) source: String,
    /// The address that it had when that was written, if it is another.
    pub(crate) moved_from: Option<Sbdf>,
}

/// Something that is wanted and isn't done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The address that it is about.
    pub(crate) address: Sbdf,
    /// Who wants it.
    pub(crate) source: String,
    /// Why.
    pub(crate) why: Why,
}

/// Why a device isn't claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no device at the address, or at the place.
    Absent(Option<Place>),
    /// Another device is there.
    OtherId {
        /// What is there.
        found: Id,
        /// What is wanted.
        wanted: Id,
    },
    /// What is at the place has this address now, and no id says that it is the same device.
    OtherAddress(Sbdf),
    /// It holds the root file system.
    Root,
    /// It may hold the root file system.
    PerhapsRoot,
    /// No display device would be left.
    Gpu,
    /// No network card in use would be left.
    Network,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(None) => f.write_str("there is no device at this address")?,
            Self::Absent(Some(place)) => write!(f, "there is no device at {place}")?,
            Self::OtherId { found, wanted } => {
                write!(f, "the device there is {found}, not {wanted}")?;
            }
            Self::OtherAddress(address) => write!(
                f,
                "the device at its place has the address {address} now; add its id= or correct address="
            )?,
            Self::Root => f.write_str("it holds the root file system")?,
            Self::PerhapsRoot => f.write_str(
                "it may hold the root file system, for it isn't known which device does; make the \
                 initramfs again on the running machine, or use force=root",
            )?,
            Self::Gpu => f.write_str("it has the console and no display device would be left")?,
            Self::Network => f.write_str("no network card in use would be left")?,
        }
        match self {
            Self::PerhapsRoot => Ok(()),
            _ => match self.force() {
                Some(force) => write!(f, "; force={force} claims it all the same"),
                None => Ok(()),
            },
        }
    }
}

impl Why {
    /// Returns what claims the device all the same; `None` if nothing does.
    pub(crate) fn force(&self) -> Option<Force> {
        let mut force = Force::default();
        match self {
            Self::Root | Self::PerhapsRoot => force.root = true,
            Self::Gpu => force.gpu = true,
            Self::Network => force.network = true,
            Self::Absent(_) | Self::OtherId { .. } | Self::OtherAddress(_) => return None,
        }
        Some(force)
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Devices of the store, and those of `hide` that are there.
    pub(crate) claims: Vec<Claim>,
    /// What is not claimed.
    pub(crate) refusals: Vec<Refusal>,
    /// What the driver is to list: claimed devices, and all of `hide`, with a device or without.
    pub(crate) listed: Vec<Pattern>,
}

/// A device that would be claimed if nothing forbids it.
struct Candidate<'a> {
    device: &'a Device,
    claim: Claim,
    force: Force,
    /// By `hide`. The driver claims what that names. A disk that holds the root file system is the
    /// only exception.
    hidden: bool,
}

/// Decides.
pub(crate) fn plan(machine: &[Device], record: &Record, wanted: &Wanted) -> Plan {
    let mut refusals = Vec::new();
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for (source, entry) in &wanted.entries {
        match find(machine, entry) {
            Ok(device) => candidates.push(Candidate {
                device,
                claim: Claim {
                    address: device.address,
                    source: source.clone(),
                    moved_from: (device.address != entry.address).then_some(entry.address),
                },
                force: entry.force,
                hidden: false,
            }),
            Err(why) => refusals.push(Refusal {
                address: entry.address,
                source: source.clone(),
                why,
            }),
        }
    }
    for (source, pattern) in &wanted.hide {
        let covered = machine
            .iter()
            .filter(|device| pattern.covers(device.address));
        candidates.extend(covered.map(|device| Candidate {
            device,
            claim: Claim {
                address: device.address,
                source: source.clone(),
                moved_from: None,
            },
            force: Force::default(),
            hidden: true,
        }));
    }
    let forbidden = forbidden(machine, record, &candidates);
    let mut claims: Vec<Claim> = Vec::new();
    for Candidate { claim, .. } in candidates {
        match forbidden
            .iter()
            .find(|(address, _)| *address == claim.address)
        {
            Some((address, why)) => refusals.push(Refusal {
                address: *address,
                source: claim.source,
                why: why.clone(),
            }),
            None if claims.iter().any(|other| other.address == claim.address) => (),
            None => claims.push(claim),
        }
    }
    Plan {
        listed: listed(&claims, wanted, &forbidden),
        claims,
        refusals,
    }
}

/// Returns which of `more` would be refused, and why, if they were wanted without any force beside
/// `others`, which are claimed whatever they are. The machine is in the order of addresses.
pub(crate) fn objections(
    machine: &[Device],
    record: &Record,
    others: &[Sbdf],
    more: &[Sbdf],
) -> Vec<(Sbdf, Why)> {
    let all = Force {
        root: true,
        gpu: true,
        network: true,
    };
    let others = others.iter().map(|address| (address, all));
    let more = more.iter().map(|address| (address, Force::default()));
    let candidates: Vec<Candidate<'_>> = others
        .chain(more)
        .filter_map(|(address, force)| {
            let claim = Claim {
                address: *address,
                source: String::new(),
                moved_from: None,
            };
            let found = machine.binary_search_by_key(address, |device| device.address);
            Some(Candidate {
                device: machine.get(found.ok()?)?,
                claim,
                force,
                hidden: false,
            })
        })
        .collect();
    forbidden(machine, record, &candidates)
}

/// Returns all that must not be claimed, and why.
fn forbidden(machine: &[Device], record: &Record, candidates: &[Candidate<'_>]) -> Vec<Forbidden> {
    [
        root(machine, record, candidates),
        console(machine, candidates),
        network(machine, record, candidates),
    ]
    .concat()
}

/// Returns the device that a file means.
fn find<'a>(machine: &'a [Device], entry: &Entry) -> Result<&'a Device, Why> {
    let device = match &entry.place {
        Some(place) => machine.iter().find(|device| device.place == *place),
        None => machine
            .iter()
            .find(|device| device.address == entry.address),
    };
    let device = device.ok_or_else(|| Why::Absent(entry.place.clone()))?;
    match entry.id {
        Some(wanted) if wanted != device.id => Err(Why::OtherId {
            found: device.id,
            wanted,
        }),
        None if device.address != entry.address => Err(Why::OtherAddress(device.address)),
        _ => Ok(device),
    }
}

/// A device that must not be claimed, and why.
type Forbidden = (Sbdf, Why);

/// Returns the candidates that hold the root file system, or may.
fn root(machine: &[Device], record: &Record, candidates: &[Candidate<'_>]) -> Vec<Forbidden> {
    let known = record.knows(Use::Root, machine);
    let why = |candidate: &Candidate<'_>| {
        let device = candidate.device;
        let why = if record.has(Use::Root, device) {
            Why::Root
        } else if !known && device.class == Device::STORAGE && !candidate.hidden {
            Why::PerhapsRoot
        } else {
            return None;
        };
        let forced = is_forced(candidates, device, |force| force.root, false);
        (!forced).then_some((device.address, why))
    };
    candidates.iter().filter_map(why).collect()
}

/// Returns the candidates with the console, if no display device would be left.
fn console(machine: &[Device], candidates: &[Candidate<'_>]) -> Vec<Forbidden> {
    let displays: Vec<_> = machine
        .iter()
        .filter(|device| device.class == Device::DISPLAY)
        .collect();
    let has_console: Vec<_> = match displays.iter().any(|device| device.boot_vga) {
        true => displays
            .iter()
            .filter(|device| device.boot_vga)
            .copied()
            .collect(),
        false => displays.clone(),
    };
    last(&displays, &has_console, candidates, &Why::Gpu, |force| {
        force.gpu
    })
}

/// Returns the candidates that are network cards in use, if no other one would be left.
fn network(machine: &[Device], record: &Record, candidates: &[Candidate<'_>]) -> Vec<Forbidden> {
    let known = record.knows(Use::Network, machine);
    let in_use = |device: &&Device| match known {
        true => record.has(Use::Network, device),
        false => device.class == Device::NETWORK,
    };
    let cards: Vec<_> = machine.iter().filter(in_use).collect();
    last(&cards, &cards, candidates, &Why::Network, |force| {
        force.network
    })
}

/// Returns those of `keep` that nobody forced, if each device of `group` is a candidate.
fn last(
    group: &[&Device],
    keep: &[&Device],
    candidates: &[Candidate<'_>],
    why: &Why,
    word: fn(Force) -> bool,
) -> Vec<Forbidden> {
    let is_candidate = |device: &&Device| {
        candidates
            .iter()
            .any(|c| c.device.address == device.address)
    };
    if !group.iter().all(is_candidate) {
        return Vec::new();
    }
    let unforced = keep
        .iter()
        .filter(|device| !is_forced(candidates, device, word, true));
    unforced
        .map(|device| (device.address, why.clone()))
        .collect()
}

/// Returns `true` if somebody who wants a device says that it may be taken whatever it is.
fn is_forced(
    candidates: &[Candidate<'_>],
    device: &Device,
    word: fn(Force) -> bool,
    by_hide: bool,
) -> bool {
    let of_device = |candidate: &&Candidate<'_>| candidate.device.address == device.address;
    candidates
        .iter()
        .filter(of_device)
        .any(|candidate| word(candidate.force) || (by_hide && candidate.hidden))
}

/// Returns what the driver is to list: patterns of `hide` as they are, unless they cover what must
/// not be claimed, and whatever else is claimed.
fn listed(claims: &[Claim], wanted: &Wanted, forbidden: &[Forbidden]) -> Vec<Pattern> {
    let mut listed: Vec<Pattern> = Vec::new();
    for (_, pattern) in &wanted.hide {
        let harmless = !forbidden
            .iter()
            .any(|(address, _)| pattern.covers(*address));
        if harmless && !listed.contains(pattern) {
            listed.push(*pattern);
        }
    }
    for claim in claims {
        if !listed.iter().any(|pattern| pattern.covers(claim.address)) {
            listed.extend(pattern_of(claim.address));
        }
    }
    listed
}

/// Returns the pattern for one function; none in a domain that Xen cannot name.
fn pattern_of(address: Sbdf) -> Option<Pattern> {
    Some(Pattern {
        domain: address.xen_segment()?,
        bus: address.bus(),
        unit: Unit::Function(address.devfn()),
    })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
