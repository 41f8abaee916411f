// SPDX-License-Identifier: GPL-2.0

//! Claims devices at boot, before their native drivers are loaded, and knows which must not be
//! claimed. See rust-pciback(8) and rust-pciback-devices(5).
//!
//! [`rules`] decide, for what [`machine`] reads; [`claim`] carries it out.

mod claim;
#[cfg(test)]
mod in_use_tests;
mod log;
mod machine;
mod root;
// Some of it is for pcibackctl only.
#[allow(dead_code)]
mod rules;

/// What of the driver's decisions is used here: the forms of addresses.
#[path = "../.."]
// Some of their functions are for the driver only.
#[allow(dead_code)]
mod driver {
    pub(crate) mod pure {
        pub(crate) mod bdf_grammar;
        pub(crate) mod sbdf;
    }
}

use std::{
    env,
    io::{
        self,
        Write, //
    },
    path::{
        Path,
        PathBuf, //
    },
    process::ExitCode, //
};

const USAGE: &str = "usage: pciback-boot [--root DIR] COMMAND
  plan           print what would be claimed, and what would not, and why
  wanted         succeed if anything is to be claimed
  claim          load the driver and claim it
  load OPTIONS   load the driver with these options and all others that it is given; for modprobe
  load-xen-pciback OPTIONS
                 the same, or the C driver if this kernel has no other
  in-use         print what the running system uses, for the initramfs";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = env::args().skip(1).collect();
    let mut root = PathBuf::from("/");
    if arguments.first().is_some_and(|first| first == "--root") && arguments.len() > 1 {
        root = PathBuf::from(arguments.remove(1));
        arguments.remove(0);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["plan"] => print_plan(&root),
        ["wanted"] => match machine::is_anything_wanted(&root) {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        },
        ["claim"] => claim::claim(&root),
        ["load"] => claim::load(&root, ""),
        ["load", options] => claim::load(&root, options),
        ["load-xen-pciback"] => claim::load_xen_pciback(&root, ""),
        ["load-xen-pciback", options] => claim::load_xen_pciback(&root, options),
        ["in-use"] => print_in_use(&root),
        ["--help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Prints what would be claimed; fails where something that is wanted would not be.
fn print_plan(root: &Path) -> ExitCode {
    let decided = match machine::decide_for_next_boot(root) {
        Ok(decided) => decided,
        Err(error) => {
            eprintln!("pciback-boot: cannot read the devices of this machine: {error}");
            return ExitCode::from(2);
        }
    };
    for line in decided.lines() {
        // Who reads it may have seen enough.
        let _ = writeln!(io::stdout(), "{line}");
    }
    match decided.is_fulfilled() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn print_in_use(root: &Path) -> ExitCode {
    match machine::read(root) {
        Ok(machine) => {
            print!("{}", machine::in_use(root, &machine));
            ExitCode::SUCCESS
        }
        // Nothing is known then, which is what an empty record says.
        Err(_) => ExitCode::SUCCESS,
    }
}
