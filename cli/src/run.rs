// SPDX-License-Identifier: GPL-2.0

//! Carrying out a plan of [`crate::change`]: each act in turn; when one fails, those before it are
//! taken back, last first.

use crate::{
    change::{
        Act,
        Step, //
    },
    failure::say,
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
    /// Why; `Interrupted` if it was not begun, because a signal came.
    pub(crate) error: io::Error,
    /// The signal that came, if one did.
    pub(crate) signal: Option<i32>,
    /// What of the steps before it could not be taken back.
    pub(crate) left: Vec<(String, io::Error)>,
}

impl Failed {
    /// Returns `true` if the step was begun.
    pub(crate) fn was_begun(&self) -> bool {
        self.error.kind() != io::ErrorKind::Interrupted
    }
}

/// Carries out a plan; `begin` is called before each step, and `signal` asked whether one came that
/// ends the work.
///
/// # Errors
///
/// - [`Failed`]: a step failed, or a signal came before it; what was done before was taken back as
///   far as possible.
pub(crate) fn carry_out(
    host: &Host,
    steps: &[Step],
    signal: impl Fn() -> Option<i32>,
    mut begin: impl FnMut(&Step),
) -> Result<(), Failed> {
    for (number, step) in steps.iter().enumerate() {
        let (error, partly) = match signal() {
            Some(_) => (io::ErrorKind::Interrupted.into(), false),
            None => {
                begin(step);
                match perform(host, &step.path, &step.act) {
                    Ok(()) => continue,
                    Err(error) => (error, may_be_done_partly(step)),
                }
            }
        };
        return Err(Failed {
            step: number,
            error,
            signal: signal(),
            left: take_back(host, steps, number, partly),
        });
    }
    Ok(())
}

/// Returns `true` for a step that may have done something when it fails: some of several devices
/// were claimed, a file is there that isn't on the disk yet, or one initramfs of several was made.
fn may_be_done_partly(step: &Step) -> bool {
    step.path.ends_with("/probe") || matches!(step.act, Act::Keep(_) | Act::Run)
}

/// Takes back what the steps before `failed` did, last first, and where that one was done partly,
/// its part, too. No signal is asked for: this goes on to its end. Returns what could not be taken
/// back.
fn take_back(host: &Host, steps: &[Step], failed: usize, partly: bool) -> Vec<(String, io::Error)> {
    let mut left = Vec::new();
    let broken = steps.get(failed).filter(|_| partly);
    let was_probed = broken.is_some_and(|step| step.path.ends_with("/probe"));
    let done = steps.iter().take(failed + usize::from(partly));
    for (path, act) in done.rev().flat_map(|step| &step.undo) {
        let Err(error) = perform(host, path, act) else {
            continue;
        };
        let is_gone = error.kind() == io::ErrorKind::NotFound;
        // Of those that were not claimed there is nothing to take back, nor of a driver that didn't
        // come, or of a file that isn't there.
        let is_nothing = (was_probed && path.ends_with("/pciback/unbind"))
            || (is_gone && path.ends_with("/driver/unbind"))
            || (is_gone && *act == Act::Remove);
        if !is_nothing {
            left.push((path.clone(), error));
        }
    }
    // A program that makes something of these files may have done it in part.
    if let Some(step) = broken.filter(|step| step.act == Act::Run) {
        left.extend(run_again(host, step));
    }
    left
}

fn run_again(host: &Host, step: &Step) -> Option<(String, io::Error)> {
    let error = perform(host, &step.path, &step.act).err()?;
    Some((step.path.clone(), error))
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

/// Runs a program. What it says is told if it fails, and if it is about this driver.
fn run(program: &Path) -> io::Result<()> {
    let output = Command::new(program).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        // Of what is said by the generators nobody asked for anything.
        let ours = said
            .lines()
            .filter(|line| line.starts_with("rust-pciback: "));
        ours.for_each(say);
        return Ok(());
    }
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
