// SPDX-License-Identifier: GPL-2.0

//! What is claimed at boot: its files, and the initramfs that has a copy of them.

use super::{
    Act,
    Step, //
};
use crate::{
    boot::rules::store::Force,
    boot_store::{
        self,
        By,
        Kept, //
    },
    machine::{
        Device,
        Machine,
        UPDATE_INITRD, //
    },
};

/// The step that keeps a device, unless it is kept as it should be.
pub(super) fn keep(machine: &Machine, device: &Device, force: Force) -> Option<Step> {
    let ours = machine.kept(device).filter(|kept| kept.by == By::Us);
    let kept = machine.kept(device).filter(|kept| kept.claims(device));
    // What it may be already, it may be again.
    let written = kept.and_then(Kept::entry).map(|entry| entry.force);
    let all = written.unwrap_or_default().or(force);
    let is_complete = |kept: &Kept| {
        let mut entry = kept.entry().into_iter();
        entry.all(|entry| entry.address == device.sbdf)
    };
    if kept.is_some_and(is_complete) && all == written.unwrap_or_default() {
        return None;
    }
    let path = match ours {
        // It meant another device here, or has an address from before.
        Some(kept) => kept.file.clone(),
        None => free_file(machine, device),
    };
    let before = ours.map_or(Act::Remove, |kept| Act::Keep(kept.text.clone()));
    Some(Step {
        device: device.sbdf.to_string(),
        path: path.clone(),
        act: Act::Keep(boot_store::text(device, all)),
        undo: vec![(path, before)],
    })
}

/// Returns a file that isn't there: that of the address may be about a device that had it before,
/// and so may that of the address and the identity.
fn free_file(machine: &Machine, device: &Device) -> String {
    let files = machine.kept.iter().map(|kept| kept.file.as_str());
    let faults = machine.faults.iter().map(|fault| fault.source.as_str());
    let taken: Vec<&str> = files.chain(faults).collect();
    let (sbdf, id) = (device.sbdf, boot_store::id(device).replace(':', "-"));
    let numbered = (2..).map(|number| format!("{sbdf}-{id}-{number}"));
    let names = [sbdf.to_string(), format!("{sbdf}-{id}")];
    let files = names.into_iter().chain(numbered);
    let mut files = files.map(|name| boot_store::file(&name));
    // There are more numbers than files.
    files
        .find(|file| !taken.contains(&file.as_str()))
        .unwrap_or_default()
}

/// Returns our file that has a device claimed at boot.
pub(super) fn kept_by_us<'a>(machine: &'a Machine, device: &Device) -> Option<&'a Kept> {
    let mut ours = machine.kept.iter().filter(|kept| kept.by == By::Us);
    ours.find(|kept| kept.claims(device))
}

/// Returns the option that has a device claimed at boot. Those are not written here.
pub(crate) fn hidden<'a>(machine: &'a Machine, device: &Device) -> Option<&'a Kept> {
    let mut hidden = machine.kept.iter().filter(|kept| kept.by == By::Hide);
    hidden.find(|kept| kept.claims(device))
}

/// Adds the step that makes the initramfs again, where what is kept changes and a program for that
/// is there: it has a copy of what is kept.
pub(super) fn and_then_the_initramfs(machine: &Machine, mut steps: Vec<Step>) -> Vec<Step> {
    if machine.host.update_initrd && !steps.is_empty() {
        let mut devices: Vec<&str> = steps.iter().map(|step| step.device.as_str()).collect();
        devices.dedup();
        let devices = devices.join(" ");
        steps.push(Step {
            device: devices,
            path: UPDATE_INITRD.to_string(),
            act: Act::Run,
            // The one before is there until the new one is complete.
            undo: Vec::new(),
        });
    }
    steps
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
