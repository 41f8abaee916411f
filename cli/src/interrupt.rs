// SPDX-License-Identifier: GPL-2.0

//! Signals that would end the program in the middle of a change. They are caught, and asked for
//! between two steps, so that what was done can be taken back.

use signal_hook::{
    consts::{
        SIGHUP,
        SIGINT,
        SIGTERM, //
    },
    flag, //
};

use std::{
    fs, io,
    sync::{
        atomic::{
            AtomicUsize,
            Ordering, //
        },
        Arc, //
    },
};

/// Those that are caught, with their names.
const CAUGHT: [(i32, &str); 3] = [(SIGHUP, "SIGHUP"), (SIGINT, "SIGINT"), (SIGTERM, "SIGTERM")];

/// The last that came.
pub(crate) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Catches them from now on. One that is ignored (nohup) stays so.
    ///
    /// # Errors
    ///
    /// - Those of sigaction(2).
    pub(crate) fn catch() -> io::Result<Self> {
        let last = Arc::new(AtomicUsize::new(0));
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        for (signal, _) in CAUGHT {
            if !is_ignored(&status, signal) {
                let value = usize::try_from(signal).unwrap_or(0);
                flag::register_usize(signal, last.clone(), value)?;
            }
        }
        Ok(Self(last))
    }

    /// Returns the last that came.
    pub(crate) fn last(&self) -> Option<i32> {
        let last = i32::try_from(self.0.load(Ordering::SeqCst)).ok();
        last.filter(|signal| *signal != 0)
    }
}

/// Returns `true` if a signal is in `SigIgn` of `/proc/self/status`, a mask whose lowest bit is
/// that of signal 1 (Documentation/filesystems/proc.rst).
fn is_ignored(status: &str, signal: i32) -> bool {
    let mut lines = status.lines();
    let mask = lines
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}

/// Returns the name of one of those.
pub(crate) fn name(signal: i32) -> &'static str {
    let found = CAUGHT.iter().find(|(number, _)| *number == signal);
    found.map_or("a signal", |(_, name)| name)
}

/// Returns the exit code of a program that one of those has ended, as shells have it: 128 and its
/// number.
pub(crate) fn exit_code(signal: i32) -> u8 {
    u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_from_the_mask() {
        let status = "Name:\tx\nSigBlk:\t0000000000000003\nSigIgn:\t0000000000001001\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT) && !is_ignored(status, SIGTERM));
        assert!(!is_ignored("", SIGHUP));
    }

    #[test]
    fn exit_codes_are_those_of_shells() {
        let codes = CAUGHT.map(|(signal, _)| exit_code(signal));
        assert_eq!(codes, [129, 130, 143]);
    }
}
