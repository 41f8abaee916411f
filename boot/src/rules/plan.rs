// SPDX-License-Identifier: GPL-2.0

//! Which devices are claimed at boot, and which are not, and why.

use super::{
    device::Device,
    forbidden::{
        forbidden,
        Candidate,
        Forbidden, //
    },
    record::Record,
    refusal::{
        Refusal,
        Why, //
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

/// Decides.
pub(crate) fn plan(machine: &[Device], record: &Record, wanted: &Wanted) -> Plan {
    let mut refusals = Vec::new();
    let mut candidates = Vec::new();
    let mut sources = Vec::new();
    for (source, entry) in &wanted.entries {
        match find(machine, entry) {
            Ok(device) => {
                candidates.push(Candidate {
                    device,
                    force: entry.force,
                    hidden: false,
                });
                let moved_from = (device.address != entry.address).then_some(entry.address);
                sources.push((source, moved_from));
            }
            Err(why) => refusals.push(Refusal {
                address: entry.address,
                source: source.clone(),
                why,
            }),
        }
    }
    for (source, pattern) in &wanted.hide {
        let reached = machine.iter();
        let reached = reached.filter(|device| reaches(machine, pattern, device));
        for device in reached {
            candidates.push(Candidate {
                device,
                force: Force::default(),
                hidden: true,
            });
            sources.push((source, None));
        }
    }
    let forbidden = forbidden(machine, record, &candidates);
    let mut claims: Vec<Claim> = Vec::new();
    for (Candidate { device, .. }, (source, moved_from)) in candidates.iter().zip(sources) {
        let address = device.address;
        let source = source.clone();
        match forbidden.iter().find(|(other, _)| *other == address) {
            Some((_, why)) => refusals.push(Refusal {
                address,
                source,
                why: why.clone(),
            }),
            None if claims.iter().any(|other| other.address == address) => (),
            None => claims.push(Claim {
                address,
                source,
                moved_from,
            }),
        }
    }
    Plan {
        listed: listed(machine, &claims, wanted, &forbidden),
        claims,
        refusals,
    }
}

/// Returns `true` if the driver takes a device where it lists a pattern: one that this covers, or
/// that is below a bridge which this covers (`listed_for()` in stub/hotplug.rs). Bridges themselves
/// are left to their driver, as that of the devices below needs it.
fn reaches(machine: &[Device], pattern: &Pattern, device: &Device) -> bool {
    let is_covered = |device: &Device| pattern.covers(device.address);
    let mut above = machine
        .iter()
        .filter(|bridge| bridge.is_bridge && device.place.is_below(&bridge.place));
    !device.is_bridge && (is_covered(device) || above.any(is_covered))
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
        _ if device.is_bridge => Err(Why::Bridge),
        _ => Ok(device),
    }
}

/// Returns what the driver is to list: patterns of `hide` as they are, unless they reach what must
/// not be claimed, and whatever else is claimed.
fn listed(
    machine: &[Device],
    claims: &[Claim],
    wanted: &Wanted,
    forbidden: &[Forbidden],
) -> Vec<Pattern> {
    let mut listed: Vec<Pattern> = Vec::new();
    for (_, pattern) in &wanted.hide {
        let must_not = |device: &&Device| {
            forbidden
                .iter()
                .any(|(address, _)| *address == device.address)
        };
        let harmless = !machine
            .iter()
            .filter(must_not)
            .any(|device| reaches(machine, pattern, device));
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
pub(super) mod tests;
