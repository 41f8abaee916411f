// SPDX-License-Identifier: GPL-2.0

//! Running the program, for all tests.

#![allow(dead_code)] // Each file of tests uses some.

pub mod machine;
pub mod schema;
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

/// Runs it on a machine, and takes what it printed apart. It is as the schema says.
pub fn json(root: &Path, arguments: &[&str]) -> serde_json::Value {
    document(&run(root, &[arguments, &["--json"]].concat()))
}

/// Takes a document apart, and holds it against the schema.
pub fn document(output: &Output) -> serde_json::Value {
    let printed = serde_json::from_slice(&output.stdout);
    let printed = printed.unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let schema = serde_json::from_str(include_str!("../../schema.json")).unwrap();
    if let Err(why) = schema::check(&schema, &printed) {
        panic!("{why}");
    }
    printed
}
