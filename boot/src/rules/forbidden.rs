// SPDX-License-Identifier: GPL-2.0

//! Which devices the machine can't do without: the disk with the root file system, its console,
//! its network.

use super::{
    device::Device,
    record::{
        Record,
        Use, //
    },
    refusal::Why,
    store::Force, //
};
use crate::driver::pure::sbdf::Sbdf;

/// A device that would be claimed if nothing forbids it.
pub(super) struct Candidate<'a> {
    pub(super) device: &'a Device,
    /// What it may be and is claimed all the same.
    pub(super) force: Force,
    /// By `hide`. The driver claims what that names. A disk that holds the root file system is the
    /// only exception.
    pub(super) hidden: bool,
}

/// A device that must not be claimed, and why.
pub(super) type Forbidden = (Sbdf, Why);

/// Returns all that must not be claimed, and why.
pub(super) fn forbidden(
    machine: &[Device],
    record: &Record,
    candidates: &[Candidate<'_>],
) -> Vec<Forbidden> {
    [
        root(machine, record, candidates),
        console(machine, candidates),
        network(machine, record, candidates),
    ]
    .concat()
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
            let found = machine.binary_search_by_key(address, |device| device.address);
            Some(Candidate {
                device: machine.get(found.ok()?)?,
                force,
                hidden: false,
            })
        })
        .collect();
    forbidden(machine, record, &candidates)
}

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

#[cfg(test)]
#[path = "forbidden_tests.rs"]
mod tests;
