// SPDX-License-Identifier: GPL-2.0

//! Running the program, for all tests.

#![allow(dead_code)] // Each file of tests uses some.

pub mod terminal;

use std::{
    path::Path,
    process::{
        Command,
        Output, //
    },
};

/// The program, as it is built for tests.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_pcibackctl");

/// Runs it on a machine.
pub fn run(root: &Path, arguments: &[&str]) -> Output {
    Command::new(PROGRAM)
        .arg("--root")
        .arg(root)
        .args(arguments)
        .env_clear()
        .env("LANG", "C.UTF-8")
        .output()
        .unwrap()
}

/// What it printed.
pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Runs it on a machine, and takes what it printed apart.
pub fn json(root: &Path, arguments: &[&str]) -> serde_json::Value {
    let output = run(root, &[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}
