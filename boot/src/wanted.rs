// SPDX-License-Identifier: GPL-2.0

//! Gathers what is wanted and what is known, and has [`crate::plan`] decide.

use crate::{
    driver::pure::bdf_grammar::HideList,
    in_use,
    machine,
    options::{
        self,
        Given, //
    },
    plan::{
        plan,
        Plan,
        Wanted, //
    },
    record::Record,
    store, //
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{
        Path,
        PathBuf, //
    },
};

/// The folder with one file a device.
const STORE: &str = "etc/rust-pciback/devices.d";

/// What was in use when the initramfs was made; it is in there only.
const RECORD: &str = "etc/rust-pciback/in-use";

/// Where modprobe looks, the first first (modprobe.d(5)): of files of one name the first counts.
const MODPROBE: [&str; 5] = [
    "etc/modprobe.d",
    "run/modprobe.d",
    "usr/local/lib/modprobe.d",
    "usr/lib/modprobe.d",
    "lib/modprobe.d",
];

/// What was decided.
pub(crate) struct Decided {
    /// The plan.
    pub(crate) plan: Plan,
    /// What could not be understood, one line each.
    pub(crate) faults: Vec<String>,
    /// Other parameters for the driver, which modprobe doesn't give it by itself.
    pub(crate) parameters: Vec<Given>,
}

impl Decided {
    /// Returns the lines for people and programs.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for claim in &self.plan.claims {
            let moved = claim
                .moved_from
                .map(|old| format!(" (was {old})"))
                .unwrap_or_default();
            lines.push(format!("claim {} {}{moved}", claim.address, claim.source));
        }
        for refusal in &self.plan.refusals {
            lines.push(format!(
                "refuse {} {}: {}",
                refusal.address, refusal.source, refusal.why
            ));
        }
        lines.extend(self.faults.iter().map(|fault| format!("fault {fault}")));
        lines
    }

    /// Returns `true` if all that is wanted is to be done.
    pub(crate) fn is_fulfilled(&self) -> bool {
        self.plan.refusals.is_empty() && self.faults.is_empty()
    }

    /// Returns `true` if nothing is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.plan == Plan::default() && self.faults.is_empty()
    }
}

/// Reads everything and decides. `arguments` is what modprobe was told.
///
/// # Errors
///
/// - Those of reading the folder of all devices.
pub(crate) fn decide(root: &Path, arguments: &str) -> io::Result<Decided> {
    let machine = machine::read(root)?;
    let (mut wanted, mut faults, mut parameters) = (Wanted::default(), Vec::new(), Vec::new());
    for path in files(&root.join(STORE)) {
        let source = format!("/{STORE}/{}", name_of(&path));
        match fs::read_to_string(&path) {
            Ok(text) => match store::parse(&text) {
                Ok(entry) => wanted.entries.push((source, entry)),
                Err(fault) => faults.push(format!("{source}: {fault}")),
            },
            Err(error) => faults.push(format!("{source}: {error}")),
        }
    }
    for (source, given) in given(root, arguments) {
        if given.name == "hide" {
            for pattern in HideList::new(given.value.as_bytes()) {
                match pattern {
                    Ok(pattern) => wanted.hide.push((source.clone(), pattern)),
                    Err(_) => {
                        faults.push(format!("{source}: hide={} is not understood", given.value))
                    }
                }
            }
        } else if options::is_of_c_driver_only(&given.name) {
            faults.push(format!(
                "{source}: {} is an option of xen-pciback only",
                given.name
            ));
        } else if !parameters.contains(&given) {
            parameters.push(given);
        }
    }
    let record = match fs::read_to_string(root.join(RECORD)) {
        Ok(text) => Record::parse(&text),
        Err(_) => in_use::record(root, &machine),
    };
    Ok(Decided {
        plan: plan(&machine, &record, &wanted),
        faults,
        parameters,
    })
}

/// Returns all options, in the order in which a later one counts more.
fn given(root: &Path, arguments: &str) -> Vec<(String, Given)> {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let mut all = Vec::new();
    // The first folder that has a file of a name has it for all.
    let mut by_name = BTreeMap::new();
    for folder in MODPROBE {
        for path in files(&root.join(folder)) {
            by_name
                .entry(name_of(&path))
                .or_insert((format!("/{folder}/{}", name_of(&path)), path));
        }
    }
    for (source, path) in by_name.into_values() {
        let options = options::of_modprobe_conf(&read(path));
        all.extend(options.into_iter().map(|option| (source.clone(), option)));
    }
    let line = options::of_command_line(&read(root.join("proc/cmdline")));
    all.extend(
        line.into_iter()
            .map(|option| ("command line".to_string(), option)),
    );
    let told = options::of_arguments(arguments);
    all.extend(
        told.into_iter()
            .map(|option| ("modprobe".to_string(), option)),
    );
    all
}

/// Returns the configuration files of a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    all.sort();
    all
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
