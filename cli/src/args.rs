// SPDX-License-Identifier: GPL-2.0

//! The command line. The man pages and the completions are made of this.

use crate::{
    dump::Dump,
    files::Host,
    machine::{
        read,
        Device,
        Machine, //
    },
    view::paint::When as Colour, //
};

use clap::{
    Args,
    Parser,
    Subcommand,
    ValueEnum, //
};
use clap_complete::engine::{
    ArgValueCompleter,
    CompletionCandidate, //
};
use std::{
    ffi::OsStr,
    path::{
        Path,
        PathBuf, //
    },
};

/// What is said of devices and of the exit status, in the help and in the man page.
pub(crate) const DEVICES: &str = "\
A DEVICE is an address (0000:03:00.0, 03:00.0, 03:00 for all functions, 03:00.*), a name of the kernel \
(eth1, nvme0), a pair of IDs (8086:10c9), or a part of its name in pci.ids that is unique.";

/// The exit status (see `failure::Code`).
pub(crate) const STATUS: [(&str, &str); 10] = [
    ("0", "done"),
    (
        "1",
        "it was tried and failed; the message has device, step and cause",
    ),
    ("2", "the command line is wrong"),
    ("3", "there is no such device, or a name is that of several"),
    ("4", "refused: nothing was done"),
    ("5", "not permitted: try as root"),
    ("6", "doctor found a problem"),
    (
        "129",
        "ended by SIGHUP; what a claim or a release had done was taken back",
    ),
    ("130", "the same, by SIGINT (Ctrl-C)"),
    ("143", "the same, by SIGTERM"),
];

fn after() -> String {
    let status = STATUS.map(|(code, meaning)| format!("  {code:<3}  {meaning}"));
    format!("{DEVICES}\n\nExit status:\n{}", status.join("\n"))
}

/// Show the PCI devices of a machine, how they are reset and why not, and give them to guests.
#[derive(Parser)]
#[command(name = "pcibackctl", version, after_help = after())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Print the answer as JSON (Documentation/pcibackctl.md).
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Take this for the machine: a folder with sys/, proc/ and etc/ in it, or a file that
    /// `report` wrote.
    #[arg(long, global = true, value_name = "PATH", default_value = "/")]
    pub(crate) root: PathBuf,

    /// When to use colours; by default on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Colour,

    /// Draw with ASCII characters.
    #[arg(long, global = true)]
    pub(crate) ascii: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List devices: who has them, and how they would be reset (the command if none is given).
    List(ListArguments),
    /// Draw the hierarchy, with what a reset at each place would reach, and what is in its way.
    Tree {
        /// As it would be if this device were claimed (may be repeated).
        #[arg(long, value_name = "DEVICE", add = ArgValueCompleter::new(devices))]
        if_claimed: Vec<String>,
    },
    /// Say in plain words how a device was and would be reset, what is in the way, and what to do.
    Explain {
        /// Devices.
        #[arg(required = true, value_name = "DEVICE", add = ArgValueCompleter::new(devices))]
        devices: Vec<String>,
    },
    /// Take devices from their drivers, so that guests can have them, now and at each boot.
    Claim(ChangeArguments),
    /// Give devices back to their drivers, now and at each boot.
    #[command(mut_arg("devices", |it| it.add(ArgValueCompleter::new(held))))]
    Release(ChangeArguments),
    /// Reset claimed devices.
    Reset {
        /// Devices.
        #[arg(required = true, value_name = "DEVICE", add = ArgValueCompleter::new(claimed))]
        devices: Vec<String>,
        /// Reset also what a guest uses.
        #[arg(long)]
        force: bool,
        /// Only say what would be written.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show events as they come: resets, errors, devices and drivers that come and go.
    Watch {
        /// End after so many events.
        #[arg(long, value_name = "N")]
        count: Option<u64>,
    },
    /// Look for what keeps passthrough from working, and say how each is mended.
    Doctor,
    /// Draw the hierarchy for a page: as SVG, or as DOT for graphviz.
    Graph {
        /// The format.
        #[arg(long, value_enum, default_value = "svg")]
        format: GraphFormat,
    },
    /// Write all that this program reads of the machine, without private data, for a bug report.
    Report,
    /// Print the completions for a shell.
    Completion {
        /// The shell: bash, zsh or fish.
        shell: String,
    },
    /// Write man pages to a folder.
    #[command(hide = true)]
    Man {
        /// The folder.
        folder: PathBuf,
    },
    /// Print the JSON schema of all that --json prints.
    Schema,
}

impl Command {
    /// Returns `true` if it changes something.
    pub(crate) fn changes(&self) -> bool {
        match self {
            Self::Claim(arguments) | Self::Release(arguments) => !arguments.dry_run,
            Self::Reset { dry_run, .. } => !dry_run,
            _ => false,
        }
    }
}

#[derive(Args, Default)]
pub(crate) struct ListArguments {
    /// Bridges and parts of the chipset as well.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Only claimed devices.
    #[arg(long)]
    pub(crate) claimed: bool,
    /// Only those of a class: a part of its name (ethernet), or first digits of its number (0200).
    #[arg(long)]
    pub(crate) class: Option<String>,
    /// Only those with this driver; "none" for those without.
    #[arg(long)]
    pub(crate) driver: Option<String>,
    /// Sort by this.
    #[arg(long, value_enum, default_value = "address")]
    pub(crate) sort: Sort,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    #[default]
    Address,
    Class,
    Driver,
    State,
    Reset,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    Svg,
    Dot,
}

#[derive(Args)]
pub(crate) struct ChangeArguments {
    /// Devices.
    #[arg(required = true, value_name = "DEVICE", add = ArgValueCompleter::new(devices))]
    pub(crate) devices: Vec<String>,
    /// Only now: nothing changes for the next boot.
    #[arg(long, conflicts_with = "boot")]
    pub(crate) now: bool,
    /// Only from the next boot on: nothing changes now.
    #[arg(long)]
    pub(crate) boot: bool,
    /// And all others that their slot or bus resets reach.
    #[arg(long)]
    pub(crate) group: bool,
    /// Do it even if this machine, a guest or somebody else needs the device.
    #[arg(long)]
    pub(crate) force: bool,
    /// Only say what would be written.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// The machine of a command line that is being completed: as `--root` says, if it does.
fn machine() -> Machine {
    let mut words = std::env::args_os().skip_while(|word| word != "--root");
    let root = words.nth(1).unwrap_or("/".into());
    let path = Path::new(&root);
    let dump = std::fs::read_to_string(path).ok();
    match dump.and_then(|text| Dump::parse(&text).ok()) {
        Some(dump) => read::machine(&dump),
        None => read::machine(&Host::new(path)),
    }
}

/// Completes devices.
fn devices(current: &OsStr) -> Vec<CompletionCandidate> {
    complete(current, |_, _| true)
}

/// Completes those that are claimed.
fn claimed(current: &OsStr) -> Vec<CompletionCandidate> {
    complete(current, |_, device| device.claimed.is_some())
}

/// Completes those that are claimed, now or at boot.
fn held(current: &OsStr) -> Vec<CompletionCandidate> {
    complete(current, |machine, device| {
        device.claimed.is_some() || machine.kept(device).is_some()
    })
}

/// Completes devices that fit: addresses, with names as help, and names of the kernel.
fn complete(current: &OsStr, fits: impl Fn(&Machine, &Device) -> bool) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let machine = machine();
    let mut found = Vec::new();
    let endpoints = machine.devices.iter().filter(|device| device.is_endpoint());
    for device in endpoints.filter(|device| fits(&machine, device)) {
        let address = device.sbdf.to_string();
        let short = address.strip_prefix("0000:").unwrap_or(&address);
        let names = device.nodes.iter().map(|node| node.name.as_str());
        for name in [address.as_str(), short].into_iter().chain(names) {
            if name.starts_with(current.as_ref()) && !(current.is_empty() && name == short) {
                found.push(CompletionCandidate::new(name).help(Some(device.title().into())));
            }
        }
    }
    found
}
