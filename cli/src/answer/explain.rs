// SPDX-License-Identifier: GPL-2.0

//! One device in plain words: who has it, how it was reset, how it would be, and what to do about
//! what is in the way.

use super::device::{
    blockers,
    info,
    BlockerInfo,
    DeviceInfo,
    HIDE, //
};
use crate::{
    machine::{
        read::Account,
        Device,
        Machine, //
    },
    planner::Hierarchy, //
};

use schemars::JsonSchema;
use serde::Serialize;

/// The answer of `explain`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Explanations {
    pub(crate) devices: Vec<Explanation>,
}

/// What there is to say of one device.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Explanation {
    pub(crate) device: DeviceInfo,
    /// What the driver says of it, if it is claimed.
    pub(crate) driver_says: Option<DriverSays>,
    /// What this program finds for `reset_blockers`, whether the device is claimed or not; one line
    /// `root bus` where there is no bridge above.
    pub(crate) slot_or_bus_blockers: Vec<BlockerInfo>,
    /// Each thing to know.
    pub(crate) lines: Vec<Line>,
}

/// What the driver says of a claimed device, as in its files.
#[derive(Serialize, JsonSchema)]
pub(crate) struct DriverSays {
    pub(crate) reset_plan: String,
    pub(crate) reset_blockers: Vec<String>,
    pub(crate) unproven_methods: Vec<String>,
    pub(crate) last_reset_method: String,
    pub(crate) last_reset_proof: String,
    pub(crate) last_reset_error: i32,
    pub(crate) last_reset_time_us: u64,
    pub(crate) last_reset_xen: String,
    pub(crate) guest_interrupts: String,
}

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Line {
    /// `held`, `last`, `next`, `blocker` or `boot`.
    pub(crate) about: &'static str,
    /// What it is.
    pub(crate) text: String,
    /// What to do about it, empty if nothing.
    pub(crate) mend: String,
    /// Where to read more, empty if nowhere.
    pub(crate) doc: &'static str,
}

impl Line {
    fn new(about: &'static str, text: impl Into<String>) -> Self {
        Self {
            about,
            text: text.into(),
            mend: String::new(),
            doc: "",
        }
    }

    fn mend(self, mend: impl Into<String>) -> Self {
        Self {
            mend: mend.into(),
            ..self
        }
    }

    fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }
}

/// Explains a device.
pub(crate) fn explain(
    machine: &Machine,
    hierarchy: &Hierarchy,
    index: usize,
    device: &Device,
    account: Option<&Account>,
) -> Explanation {
    let info = info(machine, hierarchy, index, device);
    let mut lines = held(&info, device);
    if let Some(account) = account {
        lines.push(last(&info, account));
    }
    lines.extend(next(&info, account));
    lines.extend(boot(&info));
    let claimed = hierarchy.with_claimed(machine, &[index]);
    Explanation {
        driver_says: account.map(|account| DriverSays {
            reset_plan: account.plan.clone(),
            reset_blockers: account.blockers.clone(),
            unproven_methods: account.unproven.clone(),
            last_reset_method: account.method.clone(),
            last_reset_proof: account.proof.clone(),
            last_reset_error: account.error,
            last_reset_time_us: account.micros,
            last_reset_xen: account.xen.clone(),
            guest_interrupts: (device.claimed.as_ref())
                .map(|claimed| claimed.interrupts.clone())
                .unwrap_or_default(),
        }),
        slot_or_bus_blockers: match claimed.below(index) {
            Some((_, found)) => blockers(machine, &found),
            None => vec![BlockerInfo {
                bdf: info.bdf.clone(),
                reason: "root bus".to_string(),
            }],
        },
        device: info,
        lines,
    }
}

fn held(info: &DeviceInfo, device: &Device) -> Vec<Line> {
    let bdf = &info.bdf;
    let who = match (info.claimed, info.used_by, &info.driver) {
        (true, Some(domain), _) => Line::new("held", format!("Claimed, and domain {domain} uses it.")),
        (true, None, _) => {
            let line = Line::new("held", "Claimed, and no domain uses it.");
            match info.assignable.as_deref() {
                Some("no") => line.mend(format!(
                    "No guest may have it as it is: pcibackctl reset {bdf}"
                )),
                _ => line,
            }
        }
        (false, _, Some(driver)) if device.is_endpoint() => Line::new("held", format!("Its driver is {driver}."))
            .mend(format!("To have it for guests: pcibackctl claim {bdf}")),
        (false, _, Some(driver)) => Line::new("held", format!("A bridge; its driver is {driver}.")),
        (false, _, None) if device.is_endpoint() => Line::new("held", "It has no driver.").mend(format!(
            "To have it for guests: pcibackctl claim {bdf}; for its own driver: pcibackctl release {bdf}"
        )),
        (false, _, None) => Line::new("held", "A bridge without a driver."),
    };
    let needs = info.needs.iter().map(|need| {
        Line::new("held", format!("This machine needs it: it {need}."))
            .mend("Do without it before a guest gets it. claim refuses it unless it is forced.")
    });
    std::iter::once(who).chain(needs).collect()
}

fn last(info: &DeviceInfo, account: &Account) -> Line {
    let Account {
        method,
        error,
        micros,
        ..
    } = account;
    let state = info.state.as_deref().unwrap_or_default();
    let bdf = &info.bdf;
    let took = format!("in {} ms", micros / 1000);
    let proof = match account.proof.as_str() {
        "proven" => "registers show that it was one",
        "disproven" => "registers show that nothing was reset",
        _ => "no register could tell",
    };
    let line = match state {
        "clean" => Line::new(
            "last",
            format!("Last reset by {method} {took}: clean, {proof}."),
        ),
        "weak" => Line::new(
            "last",
            format!("Last reset by {method} {took}, which cleans little."),
        )
        .mend("Give it to guests that may see what its last user left."),
        "unproven" => Line::new(
            "last",
            format!("The last reset, by {method}, reported success, but {proof}."),
        )
        .mend(format!("Try what else there is: pcibackctl reset {bdf}")),
        "not-reset" => Line::new("last", "Not reset since it was claimed.")
            .mend(format!("pcibackctl reset {bdf}")),
        "used" => Line::new("last", "A guest has had it since its last reset.").mend(format!(
            "When the guest has given it back: pcibackctl reset {bdf}"
        )),
        "failed" => Line::new(
            "last",
            format!("The last reset, by {method}, failed ({error})."),
        )
        .mend(format!(
            "See the kernel's log (dmesg | grep {bdf}), then: pcibackctl reset {bdf}"
        )),
        other => Line::new("last", format!("Its state is {other}.")),
    };
    line.doc("guests.md#devices-that-no-guest-should-have")
}

fn next(info: &DeviceInfo, account: Option<&Account>) -> Vec<Line> {
    let reset = &info.reset;
    let would = if info.claimed {
        "It would be"
    } else {
        "Claimed, it would be"
    };
    let Some(rung) = &reset.rung else {
        let line = match (info.kind, &reset.methods, &info.above) {
            ("endpoint", Some(methods), _) if methods.is_empty() => {
                Line::new("next", "It is not reset: its reset_method was emptied.")
                    .mend(format!(
                        "echo default >/sys/bus/pci/devices/{}/reset_method",
                        info.bdf
                    ))
                    .doc("reset.md#what-reset_method-decides")
            }
            ("endpoint", _, None) => Line::new(
                "next",
                "It can't be reset: it has no method of its own, and no bridge is above it.",
            )
            .mend("Give it to one guest only, or trust that its own driver cleans it.")
            .doc("reset.md#the-ladder"),
            ("endpoint", _, Some(_)) => Line::new(
                "next",
                "It can't be reset: it has no method that may be used.",
            )
            .doc("reset.md#what-reset_method-decides"),
            _ => Line::new("next", "Bridges are not reset.").doc("reset.md#the-ladder"),
        };
        return vec![line];
    };
    let others = reset.claim_too.join(" ");
    let mut lines = Vec::new();
    if reset.ready {
        let line = Line::new(
            "next",
            format!("{would} reset by {rung}: {}.", meaning(rung)),
        );
        let line = match rung.as_str() {
            "pm" => line.mend("Give it to guests that may see what its last user left."),
            _ => line,
        };
        lines.push(line.doc("reset.md#the-ladder"));
    } else {
        let line = Line::new(
            "next",
            format!("{would} reset by {rung}, but that is blocked."),
        );
        let all = format!("{} {others}", info.bdf);
        lines.push(match others.is_empty() {
            true => line,
            false => line.mend(format!("Claim all that it reaches: pcibackctl claim {all}")),
        });
        lines.extend(reset.blockers.iter().map(blocker));
    }
    if let Some(account) = account {
        if account.plan != reset.plan {
            lines.push(Line::new(
                "next",
                format!(
                    "The driver itself says \"{}\", and it decides.",
                    account.plan
                ),
            ));
        }
        if !account.unproven.is_empty() {
            let methods = account.unproven.join(", ");
            let line = Line::new("next", format!("Seen to reset nothing: {methods}."));
            lines.push(line.doc("reset.md#proof"));
        }
    }
    lines
}

fn meaning(rung: &str) -> &'static str {
    match rung {
        "device_specific" => "the kernel knows how this very device is reset",
        "acpi" => "by a method of the firmware",
        "flr" => "Function Level Reset, of this function alone",
        "af_flr" => "Function Level Reset of conventional PCI, of this function alone",
        "slot" => "all that is in its hot-plug slot",
        "bus" => "all that is below the bridge above it",
        "pm" => "a round trip through D3hot, which cleans little",
        _ => "a method of the kernel",
    }
}

fn blocker(blocker: &BlockerInfo) -> Line {
    let BlockerInfo { bdf, reason } = blocker;
    let mend = match reason.split(' ').next().unwrap_or_default() {
        "driver" if reason != "driver changing" => format!("pcibackctl claim {bdf}"),
        "driver" => "A driver comes or goes: look again.".to_string(),
        "no" => format!("pcibackctl claim {bdf}"),
        "domain" => format!(
            "Detach it: xl pci-detach {} {bdf}",
            reason.trim_start_matches("domain ")
        ),
        "being" => "Wait: it is in use in a moment, or free within 30 seconds.".to_string(),
        "reset_method" => {
            format!("Allow it: echo default >/sys/bus/pci/devices/{bdf}/reset_method")
        }
        "kernel" => "Nothing: that one doesn't survive a bus reset.".to_string(),
        _ => "Nothing: the driver can't claim that one.".to_string(),
    };
    let line = Line::new("blocker", format!("{bdf}: {reason}."));
    line.mend(mend).doc("reset.md#what-a-reset-may-reach")
}

fn boot(info: &DeviceInfo) -> Vec<Line> {
    let Some(boot) = &info.at_boot else {
        let needed = info.claimed;
        return needed
            .then(|| {
                Line::new("boot", "It is not claimed at boot.")
                    .mend(format!("To keep it: pcibackctl claim --boot {}", info.bdf))
            })
            .into_iter()
            .collect();
    };
    let line = match (boot.mistaken, &boot.refused) {
        (true, _) => Line::new(
            "boot",
            format!(
                "{} means another device than has the address now.",
                boot.file
            ),
        )
        .mend(format!(
            "If this is the one: pcibackctl claim --boot {}; otherwise remove the file",
            info.bdf
        )),
        (false, Some(why)) => Line::new(
            "boot",
            format!("{} has it, but it is refused at boot: {why}.", boot.file),
        ),
        (false, None) if boot.by == HIDE => Line::new(
            "boot",
            format!("Claimed at boot, by hide= ({}).", boot.file),
        )
        .mend("To have it released after the next boot, too: take it out there"),
        (false, None) => Line::new(
            "boot",
            format!("Claimed at boot, by {} ({}).", boot.by, boot.file),
        ),
    };
    vec![line]
}
