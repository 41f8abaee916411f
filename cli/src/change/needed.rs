// SPDX-License-Identifier: GPL-2.0

//! What the machine needs, and what may be claimed.

use super::{
    Refusal,
    When, //
};
use crate::{
    answer::device::need,
    boot::rules::store::Force,
    boot_store::By,
    driver::pure::sbdf::Sbdf,
    machine::{
        Device,
        Machine,
        Need,
        DRIVER, //
    },
};

/// A device that the machine needs, what for, and the words by which it is claimed at boot all the
/// same.
pub(super) type Needed = (Sbdf, Need, Force);

/// Returns what the rules for the boot have against claiming these, now beside what is claimed, and
/// at boot beside what is claimed then.
///
/// # Errors
///
/// - [`Refusal`]: a device is none that they know.
pub(super) fn needed(
    machine: &Machine,
    targets: &[&Device],
    when: When,
) -> Result<Vec<Needed>, Refusal> {
    let targets: Vec<Sbdf> = targets.iter().map(|device| device.sbdf).collect();
    let mut all = Vec::new();
    if when.now {
        let claimed = machine.devices.iter();
        let claimed = claimed.filter(|device| device.claimed.is_some());
        let claimed: Vec<Sbdf> = claimed.map(|device| device.sbdf).collect();
        all.extend(machine.objections(&claimed, &targets));
    }
    if when.boot {
        for target in &targets {
            if target.xen_segment().is_none() {
                return Err(Refusal {
                    device: target.to_string(),
                    cause: "its domain is one that can't be claimed at boot".to_string(),
                    mend: "claim it with --now".to_string(),
                });
            }
        }
        let by_others = machine.kept.iter().filter(|kept| kept.by == By::Driverctl);
        let by_others = by_others.filter_map(|kept| Some(kept.entry()?.address));
        let planned = machine.plan.claims.iter().map(|claim| claim.address);
        let claimed: Vec<Sbdf> = planned.chain(by_others).collect();
        all.extend(machine.objections(&claimed, &targets));
    }
    let all = all.iter().filter_map(|(sbdf, why)| {
        let root = || Need::Mounted("/".to_string());
        Some((*sbdf, Need::of(why).unwrap_or_else(root), why.force()?))
    });
    Ok(all.collect())
}

pub(super) fn is_needed(device: Sbdf, needed: &Need) -> Refusal {
    Refusal {
        device: device.to_string(),
        cause: format!("this machine needs it: it {}", need(needed)),
        mend: "do without it first, or use --force".to_string(),
    }
}

pub(super) fn may_be_claimed(device: &Device, when: When, force: bool) -> Result<(), Refusal> {
    let refuse = |cause: String, mend: &str| {
        Err(Refusal {
            device: device.sbdf.to_string(),
            cause,
            mend: mend.to_string(),
        })
    };
    if !device.is_endpoint() {
        return refuse("it is a bridge".to_string(), "claim what is below it");
    }
    // What is asked of all together is left to the rules for the boot; what a route needs now, it
    // may do without then.
    let mut needs = device.needs.iter().filter(|need| match need {
        Need::Mounted(_) | Need::Swap => true,
        Need::DefaultRoute(_) => when.now,
        Need::PerhapsRoot | Need::OnlyDisplay | Need::OnlyNetwork => false,
    });
    if let (Some(first), false, None) = (needs.next(), force, &device.claimed) {
        return Err(is_needed(device.sbdf, first));
    }
    let Some(name) = &device.driver_override else {
        return Ok(());
    };
    if name != DRIVER && !force {
        let cause = format!("its driver_override is {name}: somebody wants it for that driver");
        let mend = format!("driverctl unset-override {}, or use --force", device.sbdf);
        return refuse(cause, &mend);
    }
    Ok(())
}

/// The driver of a physical function takes its virtual functions along, whoever uses them.
pub(super) fn has_no_virtual_functions(device: &Device) -> Result<(), Refusal> {
    match device.vfs {
        Some(vfs) if vfs.now > 0 && device.claimed.is_none() => Err(Refusal {
            device: device.sbdf.to_string(),
            cause: format!("it has {} virtual functions, which would go", vfs.now),
            mend: format!("echo 0 >{}/sriov_numvfs, or use --force", device.path),
        }),
        _ => Ok(()),
    }
}
