// SPDX-License-Identifier: GPL-2.0

//! The commands that change something.

use super::Context;
use crate::{
    args::ChangeArguments,
    change::{
        self,
        Step,
        When, //
    },
    failure::{
        interrupted,
        io_failure,
        say,
        Code,
        Failure, //
    },
    files::Host,
    interrupt::Signals,
    machine::{
        read::{
            self,
            Account, //
        },
        Device,
        Machine,
        DRIVER_DIR, //
    },
    planner::Hierarchy,
    progress::Progress,
    run::carry_out,
    view::{
        self,
        paint::{
            of_state,
            Ink, //
        },
    },
};

use schemars::JsonSchema;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    process::ExitCode,
    time::Instant, //
};

/// The answer of `claim`, `release` and `reset`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Changes {
    /// Nothing was done.
    pub(crate) dry_run: bool,
    /// What was done, or would be.
    pub(crate) steps: Vec<Step>,
    /// The devices as they are now; empty for a dry run.
    pub(crate) devices: Vec<After>,
    /// What failed of `reset`, or of a `release` after which a device is claimed again; null if
    /// nothing did. Of others, which are taken back when something fails, that is a document of its
    /// own.
    pub(crate) error: Option<Failure>,
}

/// What is said of a released device that nothing took.
const DRIVERLESS: &str =
    "it has no driver now: none that is loaded takes it (modprobe the one that does)";

/// A change that was not done to its end.
struct Broken {
    failure: Failure,
    /// How many steps were begun.
    begun: usize,
}

/// A device after a change.
#[derive(Serialize, JsonSchema)]
pub(crate) struct After {
    pub(crate) bdf: String,
    /// Its driver.
    pub(crate) driver: Option<String>,
    /// `pciback/state`, if it is claimed.
    pub(crate) state: Option<String>,
    /// `pciback/last_reset_method`.
    pub(crate) method: Option<String>,
    /// `pciback/last_reset_proof`.
    pub(crate) proof: Option<String>,
    /// `pciback/last_reset_error`: 0, or an errno as a negative number.
    pub(crate) error: Option<i32>,
    /// `pciback/last_reset_time_us`.
    pub(crate) time_us: Option<u64>,
    /// What to know about it.
    pub(crate) warning: Option<String>,
}

impl Context {
    pub(super) fn claim(&self, arguments: &ChangeArguments) -> Result<ExitCode, Failure> {
        let targets = self.targets(arguments)?;
        let steps = change::claim(&self.machine, &targets, when(arguments), arguments.force)?;
        self.alter("claim", &targets, steps, arguments.dry_run)
    }

    pub(super) fn release(&self, arguments: &ChangeArguments) -> Result<ExitCode, Failure> {
        let mut targets = self.targets(arguments)?;
        if arguments.group {
            let named = self.devices(&self.resolve(&arguments.devices)?);
            targets = change::held_of_group(&self.machine, &named, targets);
        }
        let steps = change::release(&self.machine, &targets, when(arguments), arguments.force)?;
        self.alter("release", &targets, steps, arguments.dry_run)
    }

    pub(super) fn reset(
        &self,
        names: &[String],
        force: bool,
        dry_run: bool,
    ) -> Result<ExitCode, Failure> {
        let targets = self.devices(&self.resolve(names)?);
        let steps = change::reset(&self.machine, &targets, force)?;
        self.alter("reset", &targets, steps, dry_run)
    }

    fn devices(&self, indices: &[usize]) -> Vec<&Device> {
        let devices = indices.iter();
        devices
            .filter_map(|index| self.machine.devices.get(*index))
            .collect()
    }

    fn targets(&self, arguments: &ChangeArguments) -> Result<Vec<&Device>, Failure> {
        let mut indices = self.resolve(&arguments.devices)?;
        if arguments.group {
            let hierarchy = Hierarchy::of(&self.machine);
            let topology = hierarchy.topology();
            let groups = indices.iter().filter_map(|index| topology.below(*index));
            let reached: Vec<usize> = groups.flat_map(|reset| topology.scope(reset)).collect();
            let endpoint = |index: &usize| {
                let device = self.machine.devices.get(*index);
                device.is_some_and(Device::is_endpoint)
            };
            indices.extend(reached.into_iter().filter(endpoint));
            indices.sort_unstable();
            indices.dedup();
        }
        Ok(self.devices(&indices))
    }

    fn alter(
        &self,
        command: &'static str,
        targets: &[&Device],
        steps: Vec<Step>,
        dry_run: bool,
    ) -> Result<ExitCode, Failure> {
        let mut changes = Changes {
            dry_run,
            steps,
            devices: Vec::new(),
            error: None,
        };
        if dry_run {
            return self.show(command, &changes, || view::texts::steps(&changes.steps));
        }
        let Some(host) = &self.host else {
            let mend = "A report can only be looked at: use --dry-run.";
            return Err(Failure::new(Code::Refused, "this is no machine", mend));
        };
        let begun = Instant::now();
        let done = self.carry_out(host, &changes.steps);
        let seconds = begun.elapsed().as_secs_f32();
        let broken = match done {
            Ok(()) => None,
            // What was reset stays so, and has its result.
            Err(broken) if command == "reset" => Some(broken),
            Err(broken) => return Err(broken.failure),
        };
        let now = read::machine(self.files.as_ref());
        let after = targets
            .iter()
            .map(|device| self.after(command, &now, device));
        changes.devices = after.collect();
        if command == "release" {
            changes.error = claimed_again(&now, &changes);
        }
        if let Some(broken) = broken {
            changes.not_reset_after(broken.begun);
            changes.error = Some(broken.failure);
        }
        let shown = self.show(command, &changes, || self.told(&changes, seconds))?;
        Ok(match &changes.error {
            None => shown,
            Some(failure) => failure.say(),
        })
    }

    fn carry_out(&self, host: &Host, steps: &[Step]) -> Result<(), Broken> {
        let signals = Signals::catch().map_err(|error| Broken {
            failure: io_failure("catching signals", &error),
            begun: 0,
        })?;
        let mut progress = None;
        let begin = |step: &Step| {
            let file = step.path.rsplit('/').next().unwrap_or_default();
            drop(progress.take());
            progress = Progress::begin(file, &step.device);
            if step.act == change::Act::Run {
                say("making the initramfs again, which has what is claimed at boot ...");
            }
        };
        let result = carry_out(host, steps, || signals.last(), begin);
        drop(progress);
        result.map_err(|failed| {
            let step = steps.get(failed.step);
            let path = step.map(|step| step.path.as_str()).unwrap_or_default();
            let device = step.map(|step| step.device.clone()).unwrap_or_default();
            let failure = match failed.signal {
                Some(signal) => interrupted(path, signal, &failed.error),
                None => io_failure(path, &failed.error),
            };
            let mut failure = failure.of(device);
            for (path, error) in &failed.left {
                failure.cause += &format!("; could not be taken back: {path} ({error})");
            }
            let mut done = steps.iter().take(failed.step);
            if failed.signal.is_some() && failed.left.is_empty() && done.any(Step::is_taken_back) {
                failure.cause += "; what was done before was taken back";
            }
            Broken {
                failure,
                begun: failed.step + usize::from(failed.was_begun()),
            }
        })
    }

    fn after(&self, command: &str, now: &Machine, before: &Device) -> After {
        let device = now.get(before.sbdf);
        let account = device.and_then(|device| Account::read(self.files.as_ref(), device));
        let driver = device.and_then(|device| device.driver.clone());
        let mut warnings = Vec::new();
        match (device, command) {
            (None, _) => warnings.push("it is gone".to_string()),
            (Some(device), "release") => {
                if driver.is_none() {
                    warnings.push(DRIVERLESS.to_string());
                }
                if let Some(kept) = change::hidden(now, device) {
                    let file = &kept.file;
                    warnings.push(format!(
                        "it is claimed again at the next boot: hide= ({file})"
                    ));
                }
            }
            _ => {}
        }
        let claimed = device.and_then(|device| device.claimed.as_ref());
        After {
            bdf: before.sbdf.to_string(),
            state: claimed
                .map(|claimed| claimed.state.clone())
                .filter(|state| !state.is_empty()),
            method: account.as_ref().map(|account| account.method.clone()),
            proof: account.as_ref().map(|account| account.proof.clone()),
            error: account.as_ref().map(|account| account.error),
            time_us: account.as_ref().map(|account| account.micros),
            driver,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        }
    }

    fn told(&self, changes: &Changes, seconds: f32) -> String {
        let mut text = String::new();
        for device in &changes.devices {
            let paint = &self.paint;
            let driver = device.driver.as_deref().unwrap_or("no driver");
            text += &format!("{}  {driver}", paint.ink(Ink::Strong, &device.bdf));
            if let Some(state) = &device.state {
                text += &format!("  {}", paint.ink(of_state(state), state));
            }
            if let (Some(method), Some(proof), Some(micros)) =
                (&device.method, &device.proof, device.time_us)
            {
                let result = match device.error {
                    None | Some(0) => proof.clone(),
                    Some(error) => format!("failed ({error}), {proof}"),
                };
                if method != "none" {
                    text += &format!("  by {method}, {result}, {} ms", micros / 1000);
                }
            }
            text.push('\n');
            if let Some(warning) = &device.warning {
                text += &format!("  {}\n", paint.ink(Ink::Bad, warning));
            }
        }
        if changes.steps.is_empty() {
            text += "nothing to do\n";
        } else if changes.devices.len() > 1 {
            text += &format!("{} devices in {seconds:.1} s\n", changes.devices.len());
        }
        for step in &changes.steps {
            match &step.act {
                change::Act::Keep(_) => {
                    text += &format!("kept for the next boot: {}\n", step.path);
                    if !self.machine.host.boot_program {
                        let warning = "nothing is installed that claims at boot: install the rust-pciback package";
                        text += &format!("  {}\n", self.paint.ink(Ink::Bad, warning));
                    }
                }
                change::Act::Remove => {
                    text += &format!("not kept for the next boot: {}\n", step.path)
                }
                change::Act::Write(_) | change::Act::Run => {}
            }
        }
        text
    }
}

impl Changes {
    /// Says of the devices of later steps that they have an older result.
    fn not_reset_after(&mut self, begun: usize) {
        let later = self.steps.iter().skip(begun);
        let untouched: BTreeSet<&str> = later.flat_map(|step| step.device.split(' ')).collect();
        for device in &mut self.devices {
            if untouched.contains(device.bdf.as_str()) {
                device.warning = Some("it was not reset now".to_string());
            }
        }
    }
}

/// Returns what to say of the first device that should have been released and is claimed.
fn claimed_again(now: &Machine, changes: &Changes) -> Option<Failure> {
    let released: BTreeSet<&str> = changes
        .steps
        .iter()
        .filter(|step| step.path.ends_with("/drivers_probe"))
        .map(|step| step.device.as_str())
        .collect();
    let mut devices = now.devices.iter();
    let device = devices.find(|device| {
        device.claimed.is_some() && released.contains(device.sbdf.to_string().as_str())
    })?;
    let (cause, mend) = match change::listed_above(now, device) {
        Some(sbdf) => (
            format!("the driver claimed it again, as {sbdf} above it is listed"),
            format!("echo {sbdf} >{DRIVER_DIR}/remove_slot, then release it again"),
        ),
        None => ("somebody claimed it again".to_string(), String::new()),
    };
    Some(Failure::new(Code::Failed, cause, mend).of(device.sbdf.to_string()))
}

fn when(arguments: &ChangeArguments) -> When {
    When {
        now: !arguments.boot,
        boot: !arguments.now,
    }
}
