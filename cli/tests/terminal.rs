// SPDX-License-Identifier: GPL-2.0

//! The program in a real terminal, with the screen compared.

mod common;

use common::terminal::Terminal;

use std::{
    fs,
    path::Path, //
};

/// Runs the program in a terminal of that size, and compares the screen with a file.
fn compare(name: &str, columns: u32, rows: u32, arguments: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let command = format!("pcibackctl {arguments}; echo over; cat");
    let terminal = Terminal::new(name, (columns, rows), here, &command);
    terminal.wait_for("over\n");
    let screen = terminal.screen();
    let file = here.join(format!("tests/screens/{name}.txt"));
    if std::env::var("TRYCMD").as_deref() == Ok("overwrite") {
        fs::write(&file, &screen).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap();
    assert_eq!(screen, expected, "{name}: the screen was\n{screen}");
}

#[test]
fn a_list_fits_a_terminal_of_80_columns() {
    compare(
        "list-80",
        80,
        24,
        "--root tests/trees/thunderbolt-laptop.txt",
    );
}

#[test]
fn a_tree_has_colours() {
    compare(
        "tree-100",
        100,
        40,
        "--root tests/trees/lab-nested.txt tree",
    );
}

#[test]
fn an_explanation_has_colours() {
    compare(
        "explain-100",
        100,
        24,
        "--root tests/trees/lab-shared.txt explain 01:00.0",
    );
}

#[test]
fn a_failure_is_one_line_and_what_to_do() {
    compare(
        "failure-80",
        80,
        10,
        "--root tests/trees/lab-shared.txt claim --now 01:00.0",
    );
}
