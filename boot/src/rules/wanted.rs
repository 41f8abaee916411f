// SPDX-License-Identifier: GPL-2.0

//! Gathers what is wanted, and has [`super::plan`] decide.

use super::{
    device::Device,
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
    store,
    tree::Tree, //
};
use crate::driver::pure::bdf_grammar::HideList;
use std::collections::BTreeMap;

/// The folder with one file a device.
pub(crate) const STORE: &str = "/etc/rust-pciback/devices.d";

/// What was in use when the initramfs was made; it is in there only.
pub(crate) const RECORD: &str = "/etc/rust-pciback/in-use";

/// Where modprobe looks, the first first (modprobe.d(5)): of files of one name the first counts.
pub(crate) const MODPROBE: [&str; 5] = [
    "/etc/modprobe.d",
    "/run/modprobe.d",
    "/usr/local/lib/modprobe.d",
    "/usr/lib/modprobe.d",
    "/lib/modprobe.d",
];

/// The source of what the kernel's command line has.
pub(crate) const COMMAND_LINE: &str = "command line";

/// What could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where it is written.
    pub(crate) source: String,
    /// What is wrong with it.
    pub(crate) why: String,
}

/// All that is wanted.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Devices.
    pub(crate) wanted: Wanted,
    /// What could not be understood.
    pub(crate) faults: Vec<Fault>,
    /// Other parameters for the driver, which modprobe doesn't give it by itself.
    pub(crate) parameters: Vec<Given>,
}

/// What was decided.
#[derive(Debug)]
pub(crate) struct Decided {
    /// The plan.
    pub(crate) plan: Plan,
    /// What could not be understood.
    pub(crate) faults: Vec<Fault>,
    /// Other parameters for the driver.
    pub(crate) parameters: Vec<Given>,
}

impl Gathered {
    /// Has it decided for a machine.
    pub(crate) fn decide(self, machine: &[Device], record: &Record) -> Decided {
        Decided {
            plan: plan(machine, record, &self.wanted),
            faults: self.faults,
            parameters: self.parameters,
        }
    }
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
        let faults = self.faults.iter();
        lines.extend(faults.map(|fault| format!("fault {}: {}", fault.source, fault.why)));
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

/// Reads all that is wanted. `arguments` is what modprobe was told.
pub(crate) fn gather<T: Tree + ?Sized>(tree: &T, arguments: &str) -> Gathered {
    let mut all = Gathered::default();
    for source in files(tree, STORE) {
        let read = tree.read(&source).ok_or("it can't be read".to_string());
        match read.and_then(|text| store::parse(&text).map_err(|fault| fault.to_string())) {
            Ok(entry) => all.wanted.entries.push((source, entry)),
            Err(why) => all.faults.push(Fault { source, why }),
        }
    }
    for (source, given) in given(tree, arguments) {
        if given.name == "hide" {
            for pattern in HideList::new(given.value.as_bytes()) {
                match pattern {
                    Ok(pattern) => all.wanted.hide.push((source.clone(), pattern)),
                    Err(_) => all.faults.push(Fault {
                        source: source.clone(),
                        why: format!("hide={} is not understood", given.value),
                    }),
                }
            }
        } else if options::is_of_c_driver_only(&given.name) {
            let why = format!("{} is an option of xen-pciback only", given.name);
            all.faults.push(Fault { source, why });
        } else if !all.parameters.contains(&given) {
            all.parameters.push(given);
        }
    }
    all
}

/// Returns all options, in the order in which a later one counts more.
fn given<T: Tree + ?Sized>(tree: &T, arguments: &str) -> Vec<(String, Given)> {
    let read = |path: &str| tree.read(path).unwrap_or_default();
    let mut all = Vec::new();
    // The first folder that has a file of a name has it for all.
    let mut by_name: BTreeMap<String, String> = BTreeMap::new();
    for folder in MODPROBE {
        for path in files(tree, folder) {
            let name = path.rsplit('/').next().unwrap_or(&path).to_string();
            by_name.entry(name).or_insert(path);
        }
    }
    for path in by_name.into_values() {
        let options = options::of_modprobe_conf(&read(&path));
        all.extend(options.into_iter().map(|option| (path.clone(), option)));
    }
    let line = options::of_command_line(&read("/proc/cmdline"));
    all.extend(
        line.into_iter()
            .map(|option| (COMMAND_LINE.to_string(), option)),
    );
    let told = options::of_arguments(arguments);
    all.extend(
        told.into_iter()
            .map(|option| ("modprobe".to_string(), option)),
    );
    all
}

/// Returns the configuration files of a folder, by name.
fn files<T: Tree + ?Sized>(tree: &T, folder: &str) -> Vec<String> {
    let is_one = |name: &String| {
        name.strip_suffix(".conf")
            .is_some_and(|stem| !stem.is_empty())
    };
    let names = tree.list(folder).into_iter().filter(is_one);
    names.map(|name| format!("{folder}/{name}")).collect()
}
