// SPDX-License-Identifier: GPL-2.0

//! Carrying out a plan of [`crate::change`]: each act in turn; when one fails, those before it are
//! taken back, last first.

use crate::{
    change::{
        Act,
        Step, //
    },
    files::Host, //
};

use std::{
    fs,
    io::{
        self,
        Write, //
    },
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{
        Command,
        Stdio, //
    },
};

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Its place in the plan.
    pub(crate) step: usize,
    /// Why.
    pub(crate) error: io::Error,
    /// What of the steps before it could not be taken back.
    pub(crate) left: Vec<(String, io::Error)>,
}

/// Carries out a plan; `begin` is called before each step.
///
/// # Errors
///
/// - [`Failed`]: a step failed; what was done before was taken back as far as possible.
pub(crate) fn carry_out(
    host: &Host,
    steps: &[Step],
    mut begin: impl FnMut(&Step),
) -> Result<(), Failed> {
    for (number, step) in steps.iter().enumerate() {
        begin(step);
        let Err(error) = perform(host, &step.path, &step.act) else {
            continue;
        };
        // Of one that did a part of its work, that part too.
        let partly = |step: &Step| step.path.ends_with("/probe");
        let done = steps.iter().take(number + usize::from(partly(step)));
        let mut left = Vec::new();
        for (path, act) in done.rev().flat_map(|step| &step.undo) {
            match perform(host, path, act) {
                Ok(()) => {}
                // Of those that were not claimed there is nothing to take back.
                Err(_) if partly(step) && path.ends_with("/pciback/unbind") => {}
                // Nor of a driver that didn't come.
                Err(error)
                    if path.ends_with("/driver/unbind")
                        && error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => left.push((path.clone(), error)),
            }
        }
        return Err(Failed {
            step: number,
            error,
            left,
        });
    }
    Ok(())
}

fn perform(host: &Host, path: &str, act: &Act) -> io::Result<()> {
    let place = host.place(path);
    match act {
        Act::Write(text) => {
            let mut file = fs::OpenOptions::new().write(true).open(place)?;
            // One write: each is a request of its own for the kernel.
            match file.write(text.as_bytes())? {
                written if written == text.len() => Ok(()),
                _ => Err(io::ErrorKind::WriteZero.into()),
            }
        }
        Act::Keep(text) => keep(&place, text),
        Act::Remove => fs::remove_file(place),
        Act::Run if host.is_this_machine() => run(&place),
        Act::Run => Err(io::Error::other("a program of another root is not run")),
    }
}

/// Runs a program. What it says is told if it fails.
fn run(program: &Path) -> io::Result<()> {
    let output = Command::new(program).stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim_end().lines().last().unwrap_or_default();
    Err(io::Error::other(format!("{}: {last}", output.status)))
}

/// Has a file with this in it, or the one that was there before, whatever happens.
fn keep(place: &Path, text: &str) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    create_folder(folder)?;
    let new = place.with_extension("new");
    let kept = write_new(&new, text).and_then(|()| fs::rename(&new, place));
    if kept.is_err() {
        // It may be what there was no room for.
        let _ = fs::remove_file(&new);
    }
    kept?;
    fs::File::open(folder)?.sync_all()
}

/// Writes a file that anybody may read, whatever the mask of the caller is, as `list` does.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes a folder and those that it is in, where they are missing, for anybody to read.
fn create_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|folder| !folder.exists())
        .collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
