// SPDX-License-Identifier: GPL-2.0

//! `pcibackctl`: what the driver knows of a machine's PCI devices, for people. (See
//! Documentation/pcibackctl.md.)
//!
//! A [`machine`] is read once, from sysfs or from a report. [`answer`]s are made of it, and of
//! nothing else, by the driver's own planner ([`planner`]); [`view`] puts them into words.
//! [`change`] says what has to be written, and [`run`] does it.

// What only the module calls of the driver's part is unused here. It is checked by the kernel's
// lints.
#[allow(dead_code, unused_imports, clippy::precedence)]
#[path = "../.."]
mod driver {
    pub(crate) mod pure;
}
/// What decides at boot (boot/).
#[allow(dead_code)]
#[path = "../../boot/src"]
mod boot {
    pub(crate) mod rules;
}
// The driver's files name it so.
#[cfg(test)]
use driver::pure;

mod answer;
mod args;
mod boot_store;
mod change;
mod command;
mod dump;
mod failure;
mod files;
mod interrupt;
mod lock;
mod machine;
mod names;
mod planner;
mod progress;
mod run;
mod view;
mod watch;

use clap::{
    CommandFactory,
    Parser, //
};
use std::process::ExitCode;

fn main() -> ExitCode {
    // A shell asks for completions by the environment.
    clap_complete::CompleteEnv::with_factory(args::Arguments::command).complete();
    let arguments = args::Arguments::parse();
    let json = arguments.json;
    match command::execute(arguments) {
        Ok(code) => code,
        Err(failure) => failure.tell(json),
    }
}
