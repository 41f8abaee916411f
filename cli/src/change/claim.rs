// SPDX-License-Identifier: GPL-2.0

//! Claims.

use super::{
    act,
    file,
    keep::{
        and_then_the_initramfs,
        keep, //
    },
    loaded,
    needed::{
        has_no_virtual_functions,
        is_needed,
        may_be_claimed,
        needed, //
    },
    write,
    Refusal,
    Step,
    When,
    AT_ONCE, //
};
use crate::{
    boot::rules::store::Force,
    machine::{
        Device,
        Machine,
        StubKind,
        DRIVER, //
    },
};

/// Plans to claim devices.
///
/// # Errors
///
/// - [`Refusal`]: the driver isn't loaded, a device is none to claim, or, unless it is forced, the
///   machine needs one.
pub(crate) fn claim(
    machine: &Machine,
    targets: &[&Device],
    when: When,
    force: bool,
) -> Result<Vec<Step>, Refusal> {
    for device in targets {
        may_be_claimed(device, when, force)?;
        if when.now && !force {
            has_no_virtual_functions(device)?;
        }
    }
    let needed = needed(machine, targets, when)?;
    if let (Some((sbdf, need, _)), false) = (needed.first(), force) {
        return Err(is_needed(*sbdf, need));
    }
    let mut steps = Vec::new();
    if when.now {
        steps = claim_now(machine, targets)?;
    }
    if when.boot {
        let kept = targets.iter();
        let kept: Vec<Step> = kept
            .filter_map(|device| {
                let needed = needed.iter().filter(|(sbdf, ..)| *sbdf == device.sbdf);
                let force = needed.fold(Force::default(), |all, (.., force)| all.or(*force));
                keep(machine, device, force)
            })
            .collect();
        steps.extend(and_then_the_initramfs(machine, kept));
    }
    Ok(steps)
}

fn claim_now(machine: &Machine, targets: &[&Device]) -> Result<Vec<Step>, Refusal> {
    let stub = loaded(machine, targets)?;
    let targets: Vec<_> = targets
        .iter()
        .filter(|device| device.claimed.is_none())
        .collect();
    let mut steps = Vec::new();
    for device in &targets {
        let bdf = device.sbdf.to_string();
        // Listed before it has no driver, so that there is no moment in which anybody could come.
        let listed = machine
            .host
            .stub
            .as_ref()
            .is_some_and(|stub| stub.slots.contains(&bdf));
        let undo = vec![act(file("remove_slot"), &bdf)];
        steps.push(write(
            &bdf,
            file("new_slot"),
            &bdf,
            if listed { Vec::new() } else { undo },
        ));
        if let Some(driver) = &device.driver {
            let folder = format!("/sys/bus/pci/drivers/{driver}");
            let undo = vec![act(format!("{folder}/bind"), &bdf)];
            steps.push(write(&bdf, format!("{folder}/unbind"), &bdf, undo));
        }
        // After the driver has gone: when this is taken back, it is there again before the driver
        // that may match by it alone is bound.
        if let Some(name) = device
            .driver_override
            .as_ref()
            .filter(|name| *name != DRIVER)
        {
            let path = format!("{}/driver_override", device.path);
            let undo = vec![act(path.clone(), name)];
            steps.push(write(&bdf, path, "\n", undo));
        }
    }
    let names: Vec<String> = targets
        .iter()
        .map(|device| device.sbdf.to_string())
        .collect();
    // Where some are claimed and others aren't, none shall be.
    let unbind = |bdf: &String| act(file("unbind"), bdf);
    match stub {
        StubKind::Rust => steps.extend(names.chunks(AT_ONCE).map(|names| {
            let all = names.join(" ");
            write(
                &all,
                file("probe"),
                &all,
                names.iter().map(unbind).collect(),
            )
        })),
        StubKind::C => steps.extend(
            names
                .iter()
                .map(|bdf| write(bdf, file("bind"), bdf, vec![unbind(bdf)])),
        ),
    }
    Ok(steps)
}

#[cfg(test)]
#[path = "claim_tests.rs"]
mod tests;
