// SPDX-License-Identifier: GPL-2.0

//! Where what is known of a machine is read from: its files, or a report that has what was in them.
//!
//! All paths are absolute, as they are on the machine itself.

use std::{
    cell::RefCell,
    io::Read,
    path::{
        Path,
        PathBuf, //
    },
    process::{
        Command,
        Stdio, //
    },
};

pub(crate) use crate::boot::rules::tree::Tree;
use crate::dump::Dump;

/// The folder that the outputs of commands have in a report; no path has this form.
const COMMANDS: &str = "commands";

/// What a file of sysfs can have, in bytes. With room for that, one read has it all.
const PAGE: usize = 4096;

/// The longest file that is read, in bytes; pci.ids has 1.5 MB.
const LONGEST: u64 = 16 << 20;

/// A machine's files, and what its programs say.
pub(crate) trait Files: Tree {
    /// Returns what a command prints, or `None` if it can't be run here or fails. Its words are
    /// separated by single blanks.
    fn output(&self, command: &str) -> Option<String>;

    /// Returns what is in a file of one line, without the end of the line.
    fn line(&self, path: &str) -> Option<String> {
        self.read(path).map(|text| text.trim().to_string())
    }

    /// Returns the last name of where a symbolic link points.
    fn link_name(&self, path: &str) -> Option<String> {
        let target = self.link(path)?;
        target.rsplit('/').next().map(str::to_string)
    }
}

/// The files below a folder, which is `/` for the machine that this runs on.
pub(crate) struct Host {
    root: PathBuf,
}

impl Host {
    /// Takes the folder.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
        }
    }

    /// Returns `true` if it is the machine that this runs on.
    pub(crate) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Returns where a file is on the machine that this runs on.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

impl Tree for Host {
    fn read(&self, path: &str) -> Option<String> {
        let file = std::fs::File::open(self.place(path)).ok()?;
        let mut bytes = Vec::with_capacity(PAGE);
        file.take(LONGEST).read_to_end(&mut bytes).ok()?;
        Some(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    fn link(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.place(path)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.place(path)) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names
    }
}

impl Files for Host {
    fn output(&self, command: &str) -> Option<String> {
        // A program tells of the machine that it runs on.
        self.is_this_machine().then_some(())?;
        let mut words = command.split(' ');
        let output = Command::new(words.next()?)
            .args(words)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then_some(text)
    }
}

/// Returns the path by which the output of a command is in a report.
pub(crate) fn output_path(command: &str) -> String {
    format!("{COMMANDS}/{command}")
}

/// Files that are read on behalf of somebody, and a copy of all that was found in them.
pub(crate) struct Recorder<'a> {
    inner: &'a dyn Files,
    dump: RefCell<Dump>,
}

impl<'a> Recorder<'a> {
    /// Begins with an empty copy.
    pub(crate) fn new(inner: &'a dyn Files) -> Self {
        Self {
            inner,
            dump: RefCell::new(Dump::default()),
        }
    }

    /// Returns the copy.
    pub(crate) fn into_dump(self) -> Dump {
        self.dump.into_inner()
    }
}

impl Tree for Recorder<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let text = self.inner.read(path)?;
        self.dump.borrow_mut().add_file(path, &text);
        Some(text)
    }

    fn link(&self, path: &str) -> Option<String> {
        let target = self.inner.link(path)?;
        self.dump.borrow_mut().add_link(path, &target);
        Some(target)
    }

    fn list(&self, path: &str) -> Vec<String> {
        let names = self.inner.list(path);
        self.dump.borrow_mut().add_names(path, &names);
        names
    }
}

impl Files for Recorder<'_> {
    fn output(&self, command: &str) -> Option<String> {
        let text = self.inner.output(command)?;
        let path = output_path(command);
        self.dump.borrow_mut().add_file(&path, &text);
        Some(text)
    }
}
