// SPDX-License-Identifier: GPL-2.0

//! How far a step with many devices is, told on a terminal by the kernel's events.

use crate::{
    machine::DRIVER,
    watch::{
        uevents,
        Event, //
    },
};

use std::{
    collections::BTreeSet,
    io::{
        self,
        IsTerminal,
        Write, //
    },
    sync::{
        mpsc,
        Arc,
        Mutex,
        MutexGuard,
        PoisonError, //
    },
    thread, //
};

/// What was seen.
struct Seen {
    left: BTreeSet<String>,
    all: usize,
    over: bool,
}

/// A line that says how far it is, until this is dropped.
pub(crate) struct Progress(Arc<Mutex<Seen>>);

impl Progress {
    /// Begins, before the step does; `None` where there is no terminal, or nothing to tell.
    ///
    /// `file` is what will be written, `probe` or `reset_device`.
    pub(crate) fn begin(file: &str, devices: &str) -> Option<Self> {
        let left: BTreeSet<String> = devices.split(' ').map(str::to_string).collect();
        let (event, word) = match file {
            "probe" => ("bind", "claimed"),
            "reset_device" => ("reset", "reset"),
            _ => return None,
        };
        if left.len() < 2 || !io::stderr().is_terminal() {
            return None;
        }
        let seen = Arc::new(Mutex::new(Seen {
            all: left.len(),
            left,
            over: false,
        }));
        show(&lock(&seen), word, "");
        let (listening, ready) = mpsc::channel();
        let shared = seen.clone();
        thread::spawn(move || {
            let each = |found: Event| {
                let mut seen = lock(&shared);
                let ours = found.event == event
                    && (event != "bind" || found.driver.as_deref() == Some(DRIVER));
                if ours && !seen.over && seen.left.remove(&found.bdf) {
                    show(&seen, word, &found.bdf);
                }
                !seen.over
            };
            // Without events the line stays as it is.
            let _ = uevents(
                || {
                    // The other end waits.
                    let _ = listening.send(());
                },
                each,
            );
        });
        // Either it listens, or it can't.
        let _ = ready.recv();
        Some(Self(seen))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        lock(&self.0).over = true;
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn show(seen: &Seen, word: &str, last: &str) {
    let done = seen.all - seen.left.len();
    // The terminal may be gone.
    let _ = write!(io::stderr(), "\r\x1b[K{done} of {} {word} {last}", seen.all);
}
