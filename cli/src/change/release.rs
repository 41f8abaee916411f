// SPDX-License-Identifier: GPL-2.0

//! Releases.

use super::{
    act,
    file,
    keep::{
        and_then_the_initramfs,
        hidden,
        kept_by_us, //
    },
    write,
    Act,
    Refusal,
    Step,
    When, //
};
use crate::{
    boot_store::By,
    driver::pure::sbdf::Sbdf,
    machine::{
        Device,
        Machine,
        DRIVER, //
    },
};

/// Returns what is to be released of a group: those that are claimed or kept. Where none is, what
/// was named, which is then refused.
pub(crate) fn held_of_group<'a>(
    machine: &Machine,
    named: &[&Device],
    group: Vec<&'a Device>,
) -> Vec<&'a Device> {
    let was_named = |device: &Device| named.iter().any(|named| named.sbdf == device.sbdf);
    let is_held = |device: &Device| {
        let kept = machine.kept(device).is_some_and(|kept| kept.claims(device));
        // One without a driver gets one, if that is what was asked for.
        device.claimed.is_some() || kept || (was_named(device) && device.driver.is_none())
    };
    let (held, others): (Vec<_>, Vec<_>) = group.into_iter().partition(|device| is_held(device));
    match held.is_empty() {
        true => others
            .into_iter()
            .filter(|device| was_named(device))
            .collect(),
        false => held,
    }
}

/// Plans to release devices.
///
/// # Errors
///
/// - [`Refusal`]: a device isn't claimed or kept; or, unless it is forced, a guest uses it; or
///   driverctl keeps it.
pub(crate) fn release(
    machine: &Machine,
    targets: &[&Device],
    when: When,
    force: bool,
) -> Result<Vec<Step>, Refusal> {
    let (mut steps, mut kept_no_more) = (Vec::new(), Vec::new());
    for device in targets {
        let bdf = device.sbdf.to_string();
        let refuse = |cause: String, mend: String| {
            Err(Refusal {
                device: device.sbdf.to_string(),
                cause,
                mend,
            })
        };
        let kept = machine.kept(device).filter(|kept| kept.claims(device));
        if let (true, false, Some(kept)) = (when.boot, when.now, hidden(machine, device)) {
            if kept_by_us(machine, device).is_none() {
                let cause = format!("it is in hide= ({})", kept.file);
                return refuse(cause, "take it out there".to_string());
            }
        }
        if let (true, Some(kept)) = (when.boot, kept.filter(|kept| kept.by == By::Driverctl)) {
            let cause = format!("driverctl keeps it ({})", kept.file);
            return refuse(
                cause,
                format!("driverctl unset-override {bdf}, or release it with --now"),
            );
        }
        let used_by = device.claimed.as_ref().and_then(|claimed| claimed.used_by);
        if let (true, Some(domain), false) = (when.now, used_by, force) {
            let cause = format!("domain {domain} uses it");
            return refuse(
                cause,
                format!("xl pci-detach {domain} {bdf}, or use --force"),
            );
        }
        if device.claimed.is_none() && kept.is_none() && device.driver.is_some() {
            return refuse(
                "it is not claimed".to_string(),
                format!("pcibackctl explain {bdf}"),
            );
        }
        if when.now {
            steps.extend(release_now(machine, device));
        }
        if let (true, Some(kept)) = (when.boot, kept_by_us(machine, device)) {
            kept_no_more.push(Step {
                device: bdf,
                path: kept.file.clone(),
                act: Act::Remove,
                undo: vec![(kept.file.clone(), Act::Keep(kept.text.clone()))],
            });
        }
    }
    steps.extend(and_then_the_initramfs(machine, kept_no_more));
    Ok(steps)
}

/// Returns the listed address of a bridge above a device, or of its physical function, or of one
/// above that: for it the driver claims the device whenever that has no driver.
pub(crate) fn listed_above(machine: &Machine, device: &Device) -> Option<Sbdf> {
    let slots = &machine.host.stub.as_ref()?.slots;
    let above = |sbdf: &Sbdf| machine.get(*sbdf)?.above;
    let first = device.physical.or(device.above);
    // No way to the root has more bridges than there are buses in a domain.
    let mut all = std::iter::successors(first, above).take(256);
    all.find(|sbdf| slots.contains(&sbdf.to_string()))
}

fn release_now(machine: &Machine, device: &Device) -> Vec<Step> {
    let bdf = device.sbdf.to_string();
    let mut steps = Vec::new();
    if device.driver_override.as_deref() == Some(DRIVER) {
        let path = format!("{}/driver_override", device.path);
        let undo = vec![act(path.clone(), DRIVER)];
        steps.push(write(&bdf, path, "\n", undo));
    }
    let listed = machine
        .host
        .stub
        .as_ref()
        .is_some_and(|stub| stub.slots.contains(&bdf));
    if device.claimed.is_some() {
        let undo = vec![act(file("bind"), &bdf)];
        steps.push(write(&bdf, file("unbind"), &bdf, undo));
    }
    if listed {
        let undo = vec![act(file("new_slot"), &bdf)];
        steps.push(write(&bdf, file("remove_slot"), &bdf, undo));
    }
    if device.claimed.is_some() || device.driver.is_none() {
        // The driver that came, if one did.
        let undo = vec![act(format!("{}/driver/unbind", device.path), &bdf)];
        let probe = "/sys/bus/pci/drivers_probe".to_string();
        steps.push(write(&bdf, probe, &bdf, undo));
    }
    steps
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
