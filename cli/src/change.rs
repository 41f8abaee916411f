// SPDX-License-Identifier: GPL-2.0

//! What has to be written to claim devices, to release them, and to reset them: a list of writes,
//! each with the one that takes it back. Nothing is written here.

mod claim;
#[cfg(test)]
mod fixture;
mod keep;
mod needed;
mod release;

pub(crate) use claim::claim;
pub(crate) use keep::hidden;
pub(crate) use release::{
    held_of_group,
    listed_above,
    release, //
};

use crate::machine::{
    Device,
    Machine,
    StubKind,
    DRIVER_DIR, //
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
