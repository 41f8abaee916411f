// SPDX-License-Identifier: GPL-2.0

//! What is told, to whom it can be told: who runs this, the kernel's log, and a report.

use crate::rules::wanted::Decided;
use std::{
    fs,
    io::{
        self,
        Write, //
    },
    path::{
        Path,
        PathBuf, //
    },
};

/// What the lines of a boot are kept in, below the root folder.
pub(crate) const REPORT: &str = "run/rust-pciback/report";

/// The lines of one run.
pub(crate) struct Log {
    kmsg: PathBuf,
    lines: Vec<String>,
}

impl Log {
    /// Begins one for a system.
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            kmsg: root.join("dev/kmsg"),
            lines: Vec::new(),
        }
    }

    /// Says something that went wrong. The kernel's log is where somebody looks who sees no
    /// initramfs, and shows it on the console.
    pub(crate) fn error(&mut self, text: &str) {
        eprintln!("rust-pciback: {text}");
        self.add(3, text);
    }

    /// Says what was decided, unless these lines say it.
    pub(crate) fn decided(&mut self, decided: &Decided, said: &str) {
        for line in decided.lines() {
            if said.lines().any(|said| said == line) {
                continue;
            }
            match line.starts_with("claim ") {
                true => self.add(6, &line),
                false => self.error(&line),
            }
        }
    }

    fn add(&mut self, level: u8, text: &str) {
        if let Ok(mut kmsg) = fs::OpenOptions::new().write(true).open(&self.kmsg) {
            // One write is one line. Without this log there still is the other.
            let _ = kmsg.write_all(format!("<{level}>rust-pciback: {text}\n").as_bytes());
        }
        self.lines.push(text.to_string());
    }

    /// Adds all lines to the report, for who comes later (`pcibackctl doctor`).
    ///
    /// # Errors
    ///
    /// - Those of making its folder and of writing it.
    pub(crate) fn keep(&self, report: &Path) -> io::Result<()> {
        if let Some(folder) = report.parent() {
            fs::create_dir_all(folder)?;
        }
        let lines = self.lines.iter();
        let text: String = lines.flat_map(|line| [line.as_str(), "\n"]).collect();
        let mut options = fs::OpenOptions::new();
        let mut report = options.create(true).append(true).open(report)?;
        report.write_all(text.as_bytes())
    }
}
