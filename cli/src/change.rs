// SPDX-License-Identifier: GPL-2.0

//! What has to be written to claim devices, to release them, and to reset them: a list of writes,
//! each with the one that takes it back. Nothing is written here.

use crate::{
    answer::device::need,
    boot::rules::store::Force,
    boot_store::{
        self,
        By,
        Kept, //
    },
    driver::pure::sbdf::Sbdf,
    machine::{
        Device,
        Machine,
        Need,
        StubKind,
        DRIVER,
        DRIVER_DIR,
        UPDATE_INITRD, //
    },
};

use schemars::JsonSchema;
use serde::Serialize;

/// What is done to a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    /// Write this to a file of the kernel.
    Write(String),
    /// Have a file with this in it.
    Keep(String),
    /// Have no such file.
    Remove,
    /// Run this program.
    Run,
}

/// One act, and how it is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Step {
    /// The device that it is for, or the devices.
    pub(crate) device: String,
    /// The file.
    pub(crate) path: String,
    pub(crate) act: Act,
    /// The acts that take it back, in this order; empty if it needs none.
    #[serde(skip)]
    pub(crate) undo: Vec<(String, Act)>,
}

impl Step {
    /// Returns `true` if something takes it back.
    pub(crate) fn is_taken_back(&self) -> bool {
        !self.undo.is_empty()
    }
}

/// Why nothing is done, in parts of the one line that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) device: String,
    pub(crate) cause: String,
    pub(crate) mend: String,
}

/// When a claim or a release holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When {
    /// Now.
    pub(crate) now: bool,
    /// After the next boot.
    pub(crate) boot: bool,
}

fn write(device: &str, path: String, text: &str, undo: Vec<(String, Act)>) -> Step {
    Step {
        device: device.to_string(),
        path,
        act: Act::Write(text.to_string()),
        undo,
    }
}

fn act(path: impl Into<String>, text: impl Into<String>) -> (String, Act) {
    (path.into(), Act::Write(text.into()))
}

fn file(name: &str) -> String {
    format!("{DRIVER_DIR}/{name}")
}

/// How many addresses are written at once. A write to sysfs has a page at most, and an address of
/// the driver's grammar, with a blank, 13 bytes.
const AT_ONCE: usize = 256;

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

/// Adds the step that makes the initramfs again, where what is kept changes and a program for that
/// is there: it has a copy of what is kept.
fn and_then_the_initramfs(machine: &Machine, mut steps: Vec<Step>) -> Vec<Step> {
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

/// A device that the machine needs, what for, and the words by which it is claimed at boot all the
/// same.
type Needed = (Sbdf, Need, Force);

/// Returns what the rules for the boot have against claiming these, now beside what is claimed, and
/// at boot beside what is claimed then.
///
/// # Errors
///
/// - [`Refusal`]: a device is none that they know.
fn needed(machine: &Machine, targets: &[&Device], when: When) -> Result<Vec<Needed>, Refusal> {
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

fn is_needed(device: Sbdf, needed: &Need) -> Refusal {
    Refusal {
        device: device.to_string(),
        cause: format!("this machine needs it: it {}", need(needed)),
        mend: "do without it first, or use --force".to_string(),
    }
}

fn may_be_claimed(device: &Device, when: When, force: bool) -> Result<(), Refusal> {
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
fn has_no_virtual_functions(device: &Device) -> Result<(), Refusal> {
    match device.vfs {
        Some(vfs) if vfs.now > 0 && device.claimed.is_none() => Err(Refusal {
            device: device.sbdf.to_string(),
            cause: format!("it has {} virtual functions, which would go", vfs.now),
            mend: format!("echo 0 >{}/sriov_numvfs, or use --force", device.path),
        }),
        _ => Ok(()),
    }
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

fn loaded(machine: &Machine, targets: &[&Device]) -> Result<StubKind, Refusal> {
    let devices: Vec<String> = targets
        .iter()
        .map(|device| device.sbdf.to_string())
        .collect();
    machine
        .host
        .stub
        .as_ref()
        .map(|stub| stub.kind)
        .ok_or_else(|| Refusal {
            device: devices.join(" "),
            cause: "the driver is not loaded".to_string(),
            mend: "modprobe rust_pciback".to_string(),
        })
}

/// The step that keeps a device, unless it is kept as it should be.
fn keep(machine: &Machine, device: &Device, force: Force) -> Option<Step> {
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

/// Returns our file that has a device claimed at boot.
fn kept_by_us<'a>(machine: &'a Machine, device: &Device) -> Option<&'a Kept> {
    let mut ours = machine.kept.iter().filter(|kept| kept.by == By::Us);
    ours.find(|kept| kept.claims(device))
}

/// Returns the option that has a device claimed at boot. Those are not written here.
pub(crate) fn hidden<'a>(machine: &'a Machine, device: &Device) -> Option<&'a Kept> {
    let mut hidden = machine.kept.iter().filter(|kept| kept.by == By::Hide);
    hidden.find(|kept| kept.claims(device))
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

/// Plans to reset claimed devices, together.
///
/// # Errors
///
/// - [`Refusal`]: a device isn't claimed, or a guest uses it and it isn't forced.
pub(crate) fn reset(
    machine: &Machine,
    targets: &[&Device],
    force: bool,
) -> Result<Vec<Step>, Refusal> {
    let stub = loaded(machine, targets)?;
    for device in targets {
        let refuse = |cause: String, mend: String| {
            Err(Refusal {
                device: device.sbdf.to_string(),
                cause,
                mend,
            })
        };
        let Some(claimed) = &device.claimed else {
            let mend = format!("pcibackctl claim {}", device.sbdf);
            return refuse("it is not claimed".to_string(), mend);
        };
        if let (Some(domain), false) = (claimed.used_by, force) {
            let mend = format!("xl pci-detach {domain} {}, or use --force", device.sbdf);
            return refuse(format!("domain {domain} uses it"), mend);
        }
        if stub == StubKind::C {
            let mend = "load rust_pciback".to_string();
            return refuse("xen-pciback can't be asked for a reset".to_string(), mend);
        }
    }
    let names: Vec<String> = targets
        .iter()
        .map(|device| device.sbdf.to_string())
        .collect();
    let parts = names.chunks(AT_ONCE).map(|names| names.join(" "));
    Ok(parts
        .map(|all| write(&all, file("reset_device"), &all, Vec::new()))
        .collect())
}

#[cfg(test)]
mod tests;
