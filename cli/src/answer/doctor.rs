// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a machine for passthrough, and how each is mended.

mod known;
mod software;

use crate::{
    boot::rules::wanted::STORE,
    boot_store::By,
    machine::{
        checks::Checks,
        Machine,
        DRIVER, //
    },
    planner::Hierarchy, //
};

use schemars::JsonSchema;
use serde::Serialize;

/// The answer of `doctor`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Diagnosis {
    pub(crate) findings: Vec<Finding>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// It is as it should be.
    Ok,
    /// It is good to know.
    Note,
    /// Something won't work as one would expect.
    Warning,
    /// Nothing will work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Finding {
    /// What was looked at, a word that stays.
    pub(crate) check: &'static str,
    pub(crate) level: Level,
    /// What was found.
    pub(crate) text: String,
    /// What to do, empty if nothing.
    pub(crate) mend: String,
}

impl Finding {
    fn new(check: &'static str, level: Level, text: impl Into<String>, mend: &str) -> Self {
        Self {
            check,
            level,
            text: text.into(),
            mend: mend.to_string(),
        }
    }
}

/// Looks at all of it.
pub(crate) fn diagnose(machine: &Machine, checks: &Checks) -> Diagnosis {
    let mut findings = software::xen(machine, checks);
    findings.extend(software::driver(machine, checks));
    findings.extend(software::command_line(machine));
    findings.extend(at_boot(machine, checks));
    findings.extend(devices(machine));
    Diagnosis { findings }
}

fn at_boot(machine: &Machine, checks: &Checks) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |level, text: String, mend: &str| {
        findings.push(Finding::new("at-boot", level, text, mend));
    };
    for fault in &machine.faults {
        let (source, why) = (&fault.source, &fault.why);
        match source.starts_with(STORE) {
            true => find(
                Level::Problem,
                format!("{source}: {why}: nothing of it is claimed at boot."),
                "Correct the file (rust-pciback-devices(5))",
            ),
            false => find(Level::Warning, format!("{source}: {why}."), "Correct that"),
        }
    }
    for refusal in &machine.plan.refusals {
        // The others are told of below.
        if refusal.why.force().is_some() {
            let (source, address, why) = (&refusal.source, refusal.address, &refusal.why);
            let text = format!("{source} has {address}, which is refused at boot: {why}.");
            let mend = format!("pcibackctl claim --boot --force {address}, or don't claim it");
            find(Level::Warning, text, &mend);
        }
    }
    let ours = [By::Us, By::Hide];
    if machine.kept.iter().any(|kept| ours.contains(&kept.by)) && !machine.host.boot_program {
        find(
            Level::Problem,
            "Devices are to be claimed at boot, and nothing is installed that does it.".to_string(),
            "Install the rust-pciback package",
        );
    }
    for line in &checks.not_at_boot {
        find(
            Level::Warning,
            format!("At the last boot: {line}."),
            "Correct that, then: /usr/libexec/rust-pciback/update-initrd",
        );
    }
    for kept in &machine.kept {
        let Some(entry) = kept.entry() else { continue };
        let (file, sbdf) = (&kept.file, entry.address);
        let mut devices = machine.devices.iter();
        match devices.find(|device| kept.means(device)) {
            None => find(
                Level::Warning,
                format!("{file} means {sbdf}, and no device is there."),
                "See where it is now (pcibackctl list -a), claim it with --boot there, and remove the file",
            ),
            Some(device) if !kept.claims(device) => find(
                Level::Problem,
                format!("{file} means another device than {} at {}.", device.title(), device.sbdf),
                "See where it is now (pcibackctl list -a), claim it with --boot there, and remove the file",
            ),
            Some(device) if device.sbdf != sbdf => find(
                Level::Note,
                format!("{file} says {sbdf}, and the device is at {} now, where it is claimed.", device.sbdf),
                &format!("To write that down: pcibackctl claim --boot {}", device.sbdf),
            ),
            Some(device) if machine.host.stub.is_some() && device.claimed.is_none() => find(
                Level::Warning,
                format!("{sbdf} is to be claimed at boot, and isn't claimed."),
                &format!("pcibackctl explain {sbdf}"),
            ),
            Some(_) => {}
        }
    }
    let addresses = |by: By| {
        let kept = machine.kept.iter().filter(move |kept| kept.by == by);
        kept.filter_map(|kept| Some(kept.entry()?.address))
    };
    for sbdf in addresses(By::Driverctl) {
        if addresses(By::Us).any(|other| other == sbdf) {
            find(
                Level::Note,
                format!("{sbdf} is kept twice, by driverctl too."),
                &format!("driverctl unset-override {sbdf}"),
            );
        }
    }
    for other in &machine.overrides {
        let (sbdf, driver) = (other.address, other.driver());
        if driver != DRIVER && addresses(By::Us).any(|ours| ours == sbdf) {
            find(
                Level::Warning,
                format!(
                    "{sbdf} is to be claimed at boot, and driverctl gives it to {driver} then."
                ),
                &format!("driverctl unset-override {sbdf}, or pcibackctl release --boot {sbdf}"),
            );
        }
    }
    findings
}

fn devices(machine: &Machine) -> Vec<Finding> {
    let hierarchy = Hierarchy::of(machine);
    let mut findings = Vec::new();
    let (mut never, mut weakly) = (Vec::new(), Vec::new());
    for (index, device) in machine.devices.iter().enumerate() {
        if !device.is_endpoint() || device.is_chipset() {
            continue;
        }
        let (sbdf, title) = (device.sbdf, device.title());
        let outlook = hierarchy.outlook(machine, index);
        let weak = outlook.rung.is_some_and(|rung| rung.is_weak());
        let level = match device.claimed {
            Some(_) => Level::Warning,
            None => Level::Note,
        };
        let mut find = |check, level, text: String, mend: &str| {
            findings.push(Finding::new(check, level, text, mend));
        };
        if let Some((text, mend)) = known::trouble(device, outlook.rung) {
            find("known", level, format!("{sbdf} ({title}): {text}"), mend);
        } else if outlook.rung.is_none() || weak {
            let how = if weak { WEAKLY } else { NEVER };
            if device.claimed.is_none() {
                let these = if weak { &mut weakly } else { &mut never };
                these.push(sbdf.to_string());
                continue;
            }
            let mend = format!("Give it to one guest only; see pcibackctl explain {sbdf}");
            find("reset", level, format!("{sbdf} ({title}) {how}."), &mend);
        }
        let Some(claimed) = &device.claimed else {
            continue;
        };
        if claimed.assignable == "no" {
            let text = format!(
                "{sbdf} ({title}) is {}: no guest may have it.",
                claimed.state
            );
            let mend = format!("pcibackctl explain {sbdf}");
            find("claimed", Level::Warning, text, &mend);
        }
        if claimed.interrupts == "none" || claimed.interrupts.contains("(no MSI-X") {
            let text = format!(
                "{sbdf} ({title}): a guest's interrupts are {}.",
                claimed.interrupts
            );
            find(
                "interrupts",
                Level::Warning,
                text,
                "See Documentation/msix.md",
            );
        }
    }
    for (bdfs, how) in [(never, NEVER), (weakly, WEAKLY)] {
        if !bdfs.is_empty() {
            let text = format!("Not claimed, and {how}: {}.", bdfs.join(" "));
            let mend = "Give such a device to one guest only; see pcibackctl explain DEVICE";
            findings.push(Finding::new("reset", Level::Note, text, mend));
        }
    }
    findings
}

/// What is said of a device without a reset.
const NEVER: &str = "can't be reset, by no method of its own and by no bridge";
const WEAKLY: &str = "can only be reset by pm, which cleans little";
