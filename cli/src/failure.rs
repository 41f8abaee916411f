// SPDX-License-Identifier: GPL-2.0

//! Failures, with their exit codes.

use crate::{
    answer::Document,
    change::Refusal,
    interrupt, //
};

use schemars::JsonSchema;
use serde::Serialize;
use std::{
    fmt,
    io::{
        self,
        Write, //
    },
    process::ExitCode, //
};

/// Exit codes (`args::STATUS`). 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// It was tried, and failed.
    Failed = 1,
    /// The command line is wrong; clap's code, too.
    Usage = 2,
    /// There is no such device, or several.
    Unknown = 3,
    /// Nothing was done, for a reason that is said.
    Refused = 4,
    /// That takes another user.
    Permission = 5,
    /// `doctor` found a problem.
    Problem = 6,
}

/// What failed. Parts that nothing is known of are empty.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit_code: u8,
    /// The device, or the devices.
    pub(crate) device: String,
    /// What was being done.
    pub(crate) step: String,
    /// Why it failed.
    pub(crate) cause: String,
    /// What to do.
    pub(crate) mend: String,
}

/// What `--json` prints of a failure.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ErrorAnswer<'a> {
    pub(crate) error: &'a Failure,
}

/// Prints a line for people. Nobody has to read it: what is being done goes on where `eprintln!`
/// would end the program.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl Failure {
    /// Puts one together.
    pub(crate) fn new(code: Code, cause: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            exit_code: code as u8,
            device: String::new(),
            step: String::new(),
            cause: cause.into(),
            mend: mend.into(),
        }
    }

    /// Adds the device.
    pub(crate) fn of(self, device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            ..self
        }
    }

    /// Adds the step.
    pub(crate) fn at(self, step: impl Into<String>) -> Self {
        Self {
            step: step.into(),
            ..self
        }
    }

    /// Says it to people, and returns the exit code.
    pub(crate) fn say(&self) -> ExitCode {
        say(&format!("pcibackctl: {self}"));
        ExitCode::from(self.exit_code)
    }

    /// Says it to people and programs, and returns the exit code.
    pub(crate) fn tell(&self, json: bool) -> ExitCode {
        let code = self.say();
        if json {
            let document = Document::new("error", ErrorAnswer { error: self });
            if let Ok(text) = serde_json::to_string_pretty(&document) {
                let _ = writeln!(io::stdout(), "{text}");
            }
        }
        code
    }
}

impl fmt::Display for Failure {
    /// Writes device, step, cause and mend in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.device, &self.step] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.cause)?;
        match self.mend.as_str() {
            "" => Ok(()),
            mend => write!(f, "\n  {mend}"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(Code::Refused, refusal.cause, refusal.mend).of(refusal.device)
    }
}

/// Returns a failure of the operating system in a step.
pub(crate) fn io_failure(step: &str, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            Failure::new(Code::Permission, error.to_string(), "Try as root.").at(step)
        }
        _ => Failure::new(Code::Failed, error.to_string(), mend(step, error)).at(step),
    }
}

/// Returns the failure of a step that a signal came before, or that failed when one had come (its
/// program was ended by it, too).
pub(crate) fn interrupted(step: &str, signal: i32, error: &io::Error) -> Failure {
    let by = format!("interrupted by {}", interrupt::name(signal));
    let cause = match error.kind() {
        io::ErrorKind::Interrupted => by,
        _ => format!("{error}, {by}"),
    };
    Failure {
        exit_code: interrupt::exit_code(signal),
        ..Failure::new(Code::Failed, cause, "").at(step)
    }
}

/// What to do about an errno of the driver, by the file that was written
/// (Documentation/ABI/testing/sysfs-driver-pciback).
fn mend(step: &str, error: &io::Error) -> &'static str {
    let file = step.rsplit('/').next().unwrap_or(step);
    match (file, error.raw_os_error().unwrap_or(0)) {
        ("probe" | "bind", 16) => {
            "Something else took it, or it has virtual functions: see the kernel's log."
        }
        ("probe" | "bind", 19) => {
            "The driver refused it: see the kernel's log (dmesg | grep pciback)."
        }
        ("probe" | "bind", 17) => "Xen refused it: use Xen 4.21 or later, or a PV dom0.",
        ("probe" | "bind" | "reset_device", 5) => {
            "The device doesn't answer: remove it and rescan its bus, or power it off."
        }
        ("reset_device", 16) => "A reset would reach others: pcibackctl explain shows which.",
        ("reset_device", 25) => "There is no reset that cleans it: pcibackctl explain shows why.",
        ("reset_device", 11) => "Something else goes on with it: try again.",
        ("reset_device", 110) => "It did not come back in time: try again, or power it off.",
        (_, 2) => "It is gone: look again with pcibackctl list.",
        _ => "",
    }
}
