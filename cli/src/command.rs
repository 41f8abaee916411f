// SPDX-License-Identifier: GPL-2.0

//! The commands: each reads a machine, asks for an answer, and prints it.

mod alter;
mod paper;

use crate::{
    answer::{
        device::{
            self,
            Filter,
            List, //
        },
        doctor::{
            self,
            Level, //
        },
        explain::{
            self,
            Explanations, //
        },
        tree,
        Document, //
    },
    args::{
        Arguments,
        Command,
        GraphFormat,
        ListArguments,
        Sort, //
    },
    dump::Dump,
    failure::{
        io_failure,
        say,
        Code,
        Failure, //
    },
    files::{
        Files,
        Host, //
    },
    lock,
    machine::{
        checks,
        read::{
            self,
            Account, //
        },
        report,
        Machine, //
    },
    names::{
        resolve,
        Unknown, //
    },
    planner::Hierarchy,
    view::{
        self,
        paint::Paint, //
    },
    watch, //
};

use serde::Serialize;
use std::{
    io::Write,
    process::ExitCode, //
};

/// What a command has to work with.
struct Context {
    files: Box<dyn Files>,
    /// The same, if it can be written to.
    host: Option<Host>,
    machine: Machine,
    json: bool,
    paint: Paint,
}

/// Carries out a command.
///
/// # Errors
///
/// - Any: it could not be carried out.
pub(crate) fn execute(arguments: Arguments) -> Result<ExitCode, Failure> {
    let paint = Paint::for_stdout(arguments.color, arguments.ascii);
    let command = arguments
        .command
        .unwrap_or(Command::List(ListArguments::default()));
    match command {
        Command::Completion { shell } => return paper::completion(&shell),
        Command::Man { folder } => return paper::man(&folder),
        Command::Schema => return print(&paper::schema()),
        _ => {}
    }
    let (files, host): (Box<dyn Files>, _) = if arguments.root.is_dir() {
        let host = || Host::new(&arguments.root);
        (Box::new(host()), Some(host()))
    } else {
        (Box::new(dump(&arguments.root)?), None)
    };
    // Before the machine is read: it is to be the same when it is written to.
    let _lock = match &host {
        Some(host) if command.changes() => {
            let wait = || say("pcibackctl: waiting for another pcibackctl to end its change ...");
            Some(lock::take(host, wait).map_err(|error| io_failure(lock::LOCK, &error))?)
        }
        _ => None,
    };
    let machine = read::machine(files.as_ref());
    let context = Context {
        machine,
        files,
        host,
        json: arguments.json,
        paint,
    };
    match command {
        Command::List(arguments) => context.list(&arguments),
        Command::Tree { if_claimed } => {
            let claimed = context.resolve(&if_claimed)?;
            let tree = tree::tree(&context.machine, &claimed);
            context.show("tree", &tree, || view::tree::tree(&tree, &context.paint))
        }
        Command::Explain { devices } => context.explain(&devices),
        Command::Doctor => context.doctor(),
        Command::Graph { format } => {
            let tree = tree::tree(&context.machine, &[]);
            context.show("graph", &tree, || match format {
                GraphFormat::Svg => view::svg::svg(&tree),
                GraphFormat::Dot => view::graph::dot(&tree),
            })
        }
        Command::Report => print(&report::report(context.files.as_ref()).to_string()),
        Command::Watch { count } => context.watch(count),
        Command::Claim(arguments) => context.claim(&arguments),
        Command::Release(arguments) => context.release(&arguments),
        Command::Reset {
            devices,
            force,
            dry_run,
        } => context.reset(&devices, force, dry_run),
        // Answered above.
        Command::Completion { .. } | Command::Man { .. } | Command::Schema => Ok(ExitCode::SUCCESS),
    }
}

fn dump(path: &std::path::Path) -> Result<Dump, Failure> {
    let name = path.display().to_string();
    let mend = "Give a file that pcibackctl report wrote, or a folder.";
    let text = std::fs::read_to_string(path).map_err(|error| Failure {
        mend: mend.to_string(),
        ..io_failure(&name, &error)
    })?;
    Dump::parse(&text)
        .map_err(|malformed| Failure::new(Code::Failed, malformed.to_string(), mend).at(name))
}

/// Prints a text. Nobody has to read to the end.
fn print(text: &str) -> Result<ExitCode, Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(io_failure("printing", &error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

impl Context {
    /// Prints an answer, for programs or for people.
    fn show<T: Serialize>(
        &self,
        command: &'static str,
        answer: &T,
        text: impl FnOnce() -> String,
    ) -> Result<ExitCode, Failure> {
        if !self.json {
            return print(&text());
        }
        let text = serde_json::to_string_pretty(&Document::new(command, answer))
            .map_err(|error| Failure::new(Code::Failed, error.to_string(), ""))?;
        print(&format!("{text}\n"))
    }

    /// Finds the devices that are meant, each once.
    fn resolve(&self, names: &[String]) -> Result<Vec<usize>, Failure> {
        let mut found = Vec::new();
        for name in names {
            let meant =
                resolve(&self.machine, name).map_err(|unknown| self.unknown(name, unknown))?;
            found.extend(meant);
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn unknown(&self, name: &str, unknown: Unknown) -> Failure {
        match unknown {
            Unknown::Nothing => {
                let mend = "pcibackctl list -a shows all devices.";
                Failure::new(Code::Unknown, "there is no such device", mend).of(name)
            }
            Unknown::Several(found) => {
                let devices = found
                    .iter()
                    .filter_map(|index| self.machine.devices.get(*index));
                let all: Vec<String> = devices
                    .map(|device| format!("{} ({})", device.sbdf, device.title()))
                    .collect();
                let mend = format!("Give one of: {}", all.join(", "));
                Failure::new(Code::Unknown, "several devices are called that", mend).of(name)
            }
        }
    }

    fn list(&self, arguments: &ListArguments) -> Result<ExitCode, Failure> {
        let filter = Filter {
            all: arguments.all,
            class: arguments.class.clone(),
            driver: arguments.driver.clone(),
            claimed: arguments.claimed,
        };
        let mut list = device::list(&self.machine, &filter);
        sort(&mut list, arguments.sort);
        self.show("list", &list, || view::list::list(&list, &self.paint))
    }

    fn explain(&self, names: &[String]) -> Result<ExitCode, Failure> {
        let hierarchy = Hierarchy::of(&self.machine);
        let devices = self.resolve(names)?.into_iter().filter_map(|index| {
            let device = self.machine.devices.get(index)?;
            let account = Account::read(self.files.as_ref(), device);
            Some(explain::explain(
                &self.machine,
                &hierarchy,
                index,
                device,
                account.as_ref(),
            ))
        });
        let answer = Explanations {
            devices: devices.collect(),
        };
        self.show("explain", &answer, || {
            view::texts::explain(&answer, &self.paint)
        })
    }

    fn doctor(&self) -> Result<ExitCode, Failure> {
        let checks = checks::read(self.files.as_ref());
        let answer = doctor::diagnose(&self.machine, &checks);
        self.show("doctor", &answer, || {
            view::texts::doctor(&answer, &self.paint)
        })?;
        let worst = answer.findings.iter().map(|finding| finding.level).max();
        Ok(match worst {
            Some(Level::Problem) => ExitCode::from(Code::Problem as u8),
            _ => ExitCode::SUCCESS,
        })
    }

    fn watch(&self, count: Option<u64>) -> Result<ExitCode, Failure> {
        let mut left = count;
        if left == Some(0) {
            return Ok(ExitCode::SUCCESS);
        }
        let ready = || say("watching");
        let each = |event: watch::Event| {
            let text = match self.json {
                // One document a line, as they come.
                true => serde_json::to_string(&Document::new("watch", &event)).unwrap_or_default(),
                false => view::texts::event(&event, &self.paint),
            };
            left = left.map(|left| left.saturating_sub(1));
            let mut out = std::io::stdout();
            let told = writeln!(out, "{text}").and_then(|()| out.flush());
            told.is_ok() && left != Some(0)
        };
        watch::watch(ready, each)
            .map_err(|error| Failure::new(Code::Failed, format!("{error:#}"), "").at("watch"))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn sort(list: &mut List, by: Sort) {
    // The order of addresses is kept where the rest is the same.
    match by {
        Sort::Address => {}
        Sort::Class => list
            .devices
            .sort_by(|one, two| one.class_id.cmp(&two.class_id)),
        Sort::Driver => list.devices.sort_by(|one, two| one.driver.cmp(&two.driver)),
        Sort::State => list.devices.sort_by(|one, two| one.state.cmp(&two.state)),
        Sort::Reset => list
            .devices
            .sort_by(|one, two| one.reset.plan.cmp(&two.reset.plan)),
    }
}
