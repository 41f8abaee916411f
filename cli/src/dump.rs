// SPDX-License-Identifier: GPL-2.0

//! The text that `pcibackctl report` writes: files of a machine, as far as they were read.
//!
//! ```text
//! pcibackctl-report 1
//! # a comment
//! in /sys/devices/pci0000:00/0000:00:04.0
//!   reset_method: pm bus
//!   driver -> ../../../bus/pci/drivers/pcieport
//!   uevent:
//!     DRIVER=pcieport
//!     PCI_CLASS=60400
//!   has: power sound
//! ```
//!
//! Under `in FOLDER` are its files with their one line or, indented once more, their lines; its
//! symbolic links; and the names of what else is in it.

use std::collections::{
    BTreeMap,
    BTreeSet, //
};
use std::fmt;

use crate::files::{
    output_path,
    Files,
    Tree, //
};

/// The first line.
const MAGIC: &str = "pcibackctl-report 1";

/// What is known of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    File(String),
    Link(String),
    /// It is there.
    Name,
}

/// The files of a machine.
#[derive(Default)]
pub(crate) struct Dump {
    /// By folder and name.
    folders: BTreeMap<String, BTreeMap<String, Entry>>,
}

/// A line that isn't of the format: its number, from 1, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl Dump {
    fn add(&mut self, path: &str, entry: Entry) {
        let (folder, name) = split(path);
        let folder = self.folders.entry(folder.to_string()).or_default();
        match folder.get(name) {
            Some(Entry::File(_) | Entry::Link(_)) if entry == Entry::Name => {}
            _ => {
                folder.insert(name.to_string(), entry);
            }
        }
    }

    /// Adds a file.
    pub(crate) fn add_file(&mut self, path: &str, text: &str) {
        self.add(path, Entry::File(text.to_string()));
    }

    /// Adds a symbolic link.
    pub(crate) fn add_link(&mut self, path: &str, target: &str) {
        self.add(path, Entry::Link(target.to_string()));
    }

    /// Adds names that are in a folder.
    pub(crate) fn add_names(&mut self, folder: &str, names: &[String]) {
        for name in names {
            self.add(&format!("{folder}/{name}"), Entry::Name);
        }
    }

    /// Yields the paths of all files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (String, &str)> {
        self.folders.iter().flat_map(|(folder, entries)| {
            entries.iter().filter_map(move |(name, entry)| match entry {
                Entry::File(text) => Some((format!("{folder}/{name}"), text.as_str())),
                Entry::Link(_) | Entry::Name => None,
            })
        })
    }

    /// Changes each text and each name in it.
    pub(crate) fn rewrite(&mut self, change: impl Fn(&str) -> String) {
        let folders = std::mem::take(&mut self.folders);
        for (folder, entries) in folders {
            for (name, entry) in entries {
                let entry = match entry {
                    Entry::File(text) => Entry::File(change(&text)),
                    Entry::Link(target) => Entry::Link(change(&target)),
                    Entry::Name => Entry::Name,
                };
                self.add(&format!("{}/{}", change(&folder), change(&name)), entry);
            }
        }
    }

    /// Takes what was written by [`fmt::Display`].
    ///
    /// # Errors
    ///
    /// - [`Malformed`]: it is something else.
    pub(crate) fn parse(text: &str) -> Result<Self, Malformed> {
        // It may come from anybody, and what is in it goes to a terminal.
        let is_command = |letter: char| letter.is_control() && !"\n\t".contains(letter);
        let text = text.replace("\r\n", "\n").replace(is_command, "?");
        let mut dump = Self::default();
        let mut folder: Option<String> = None;
        let mut file: Option<(String, String)> = None;
        let mut lines = text.lines().enumerate();
        let Some((_, MAGIC)) = lines.next() else {
            return Err(Malformed {
                line: 1,
                why: "not a report of this version",
            });
        };
        for (number, line) in lines {
            let bad = |why| Malformed {
                line: number + 1,
                why,
            };
            if let Some((path, content)) = &mut file {
                if let Some(more) = line.strip_prefix("    ") {
                    content.push_str(more);
                    content.push('\n');
                    continue;
                }
                dump.add_file(path, content);
                file = None;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(path) = line.strip_prefix("in ") {
                folder = Some(path.to_string());
                continue;
            }
            let entry = line.strip_prefix("  ").ok_or(bad("no folder, no entry"))?;
            let folder = folder.as_ref().ok_or(bad("an entry without a folder"))?;
            if let Some(names) = entry.strip_prefix("has: ") {
                let names: Vec<String> = names.split(' ').map(str::to_string).collect();
                dump.add_names(folder, &names);
            } else if let Some((name, target)) = entry.split_once(" -> ") {
                dump.add_link(&format!("{folder}/{name}"), target);
            } else if let Some((name, value)) = entry.split_once(": ") {
                dump.add_file(&format!("{folder}/{name}"), &format!("{value}\n"));
            } else if let Some(name) = entry.strip_suffix(':') {
                file = Some((format!("{folder}/{name}"), String::new()));
            } else {
                return Err(bad("not an entry"));
            }
        }
        if let Some((path, content)) = file {
            dump.add_file(&path, &content);
        }
        Ok(dump)
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        for (folder, entries) in &self.folders {
            writeln!(f, "in {folder}")?;
            let mut names = Vec::new();
            for (name, entry) in entries {
                match entry {
                    Entry::Name => names.push(name.as_str()),
                    Entry::Link(target) => writeln!(f, "  {name} -> {target}")?,
                    Entry::File(text) => match text.strip_suffix('\n') {
                        Some(line) if !line.is_empty() && !line.contains('\n') => {
                            writeln!(f, "  {name}: {line}")?;
                        }
                        _ => {
                            writeln!(f, "  {name}:")?;
                            for line in text.lines() {
                                writeln!(f, "    {line}")?;
                            }
                        }
                    },
                }
            }
            names.retain(|name| !self.folders.contains_key(&format!("{folder}/{name}")));
            if !names.is_empty() {
                writeln!(f, "  has: {}", names.join(" "))?;
            }
        }
        Ok(())
    }
}

impl Tree for Dump {
    fn read(&self, path: &str) -> Option<String> {
        let (folder, name) = split(path);
        match self.folders.get(folder)?.get(name)? {
            Entry::File(text) => Some(text.clone()),
            Entry::Link(_) | Entry::Name => None,
        }
    }

    fn link(&self, path: &str) -> Option<String> {
        let (folder, name) = split(path);
        match self.folders.get(folder)?.get(name)? {
            Entry::Link(target) => Some(target.clone()),
            Entry::File(_) | Entry::Name => None,
        }
    }

    fn list(&self, path: &str) -> Vec<String> {
        let mut names: BTreeSet<&str> = BTreeSet::new();
        if let Some(entries) = self.folders.get(path) {
            names.extend(entries.keys().map(String::as_str));
        }
        let below = format!("{path}/");
        let deeper = self.folders.range(below.clone()..);
        for (folder, _) in deeper.take_while(|(folder, _)| folder.starts_with(&below)) {
            names.extend(
                folder
                    .get(below.len()..)
                    .and_then(|rest| rest.split('/').next()),
            );
        }
        names.into_iter().map(str::to_string).collect()
    }
}

impl Files for Dump {
    fn output(&self, command: &str) -> Option<String> {
        self.read(&output_path(command))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Dump,
        Malformed,
        Tree, //
    };

    fn sample() -> Dump {
        let mut dump = Dump::default();
        dump.add_file("/sys/a/one", "text\n");
        dump.add_file("/sys/a/many", "first: x\n\nsecond -> y\n");
        dump.add_file("/sys/a/empty", "");
        dump.add_file("/sys/a/blank", "\n");
        dump.add_link("/sys/a/link", "../b");
        dump.add_names("/sys/a", &["one".into(), "there".into(), "deep".into()]);
        dump.add_file("/sys/a/deep/er", "1\n");
        dump
    }

    #[test]
    fn what_was_written_is_read() {
        let text = sample().to_string();
        let dump = Dump::parse(&text).unwrap();
        assert_eq!(dump.to_string(), text);
        for path in [
            "one", "many", "empty", "blank", "deep/er", "missing", "link",
        ] {
            let path = format!("/sys/a/{path}");
            assert_eq!(dump.read(&path), sample().read(&path), "{path}");
        }
        assert_eq!(dump.link("/sys/a/link").as_deref(), Some("../b"));
        assert_eq!(dump.link("/sys/a/one"), None);
        let names = ["blank", "deep", "empty", "link", "many", "one", "there"];
        assert_eq!(dump.list("/sys/a"), names);
        assert_eq!(dump.list("/sys"), ["a"]);
        assert!(dump.list("/sys/a/one").is_empty());
    }

    #[test]
    fn nothing_in_it_commands_a_terminal() {
        let dump =
            Dump::parse("pcibackctl-report 1\r\nin /a\n  b: \x1b[2J\rc\td\u{9b}\r\n").unwrap();
        assert_eq!(dump.read("/a/b").as_deref(), Some("?[2J?c\td?\n"));
    }

    #[test]
    fn anything_else_is_refused_by_line() {
        let line = |text: &str| Dump::parse(text).map(|_| ()).unwrap_err().line;
        assert_eq!(line(""), 1);
        assert_eq!(line("pcibackctl-report 2\n"), 1);
        assert_eq!(line("pcibackctl-report 1\n  a: b\n"), 2);
        assert_eq!(line("pcibackctl-report 1\nin /a\nb: c\n"), 3);
        let malformed = Dump::parse("pcibackctl-report 1\nin /a\n\n  b\n").map(|_| ());
        let why = "not an entry";
        assert_eq!(malformed.unwrap_err(), Malformed { line: 4, why });
    }
}
