// SPDX-License-Identifier: GPL-2.0

//! The files below a folder, which is `/` but for tests.

use crate::rules::tree::Tree;
use std::{
    fs,
    path::{
        Path,
        PathBuf, //
    },
};

/// The folder.
pub(crate) struct Root<'a>(pub(crate) &'a Path);

impl Root<'_> {
    fn place(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}

impl Tree for Root<'_> {
    fn read(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.place(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.place(path)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.place(path)).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}
