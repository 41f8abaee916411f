// SPDX-License-Identifier: GPL-2.0

//! One change at a time: two that see the same machine before either has changed it would undo
//! each other's work.

use crate::files::Host;

use rustix::{
    fs::{
        flock,
        FlockOperation, //
    },
    io::{
        retry_on_intr,
        Errno, //
    },
};

use std::{
    fs::{
        self,
        File, //
    },
    io, //
};

/// The file that is locked.
pub(crate) const LOCK: &str = "/run/rust-pciback.lock";

/// Takes the lock, which is given back when the file is closed. Calls `wait` if another program has
/// it, and waits for that.
///
/// # Errors
///
/// - Those of making the file, and of flock(2).
pub(crate) fn take(host: &Host, wait: impl FnOnce()) -> io::Result<File> {
    let place = host.place(LOCK);
    fs::create_dir_all(place.parent().unwrap_or(&place))?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(place)?;
    match retry_on_intr(|| flock(&file, FlockOperation::NonBlockingLockExclusive)) {
        Err(Errno::WOULDBLOCK) => {
            wait();
            retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        }
        other => other?,
    }
    Ok(file)
}
