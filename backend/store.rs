// SPDX-License-Identifier: GPL-2.0

//! The backend's watches, of `backend/pci` and of the end of domains, from the time that xenstored
//! is there.

use super::queue;
use crate::kapi::{
    global::global,
    log::log_limited,
    xenbus::{
        ready,
        watch::{
            self,
            Watcher, //
        },
    },
};
use kernel::prelude::*;

/// The directory of all guests.
pub(super) const DIRECTORY: &CStr = c"backend/pci";

/// The watch of it.
pub(super) struct Directory;

impl Watcher for Directory {
    const PATH: &'static CStr = DIRECTORY;

    fn changed() {
        queue::schedule_scan();
    }
}

/// The watch of the end of domains. A toolstack that has waited in vain for a frontend removes
/// nothing from `backend/pci`.
struct Ends;

impl Watcher for Ends {
    const PATH: &'static CStr = c"@releaseDomain";

    fn changed() {
        queue::schedule_scan();
    }
}

/// Whether xenstored is there, and the watches.
struct Ear {
    ready: bool,
    directory: Option<watch::WatchRegistration<Directory>>,
    ends: Option<watch::WatchRegistration<Ends>>,
}

global! {
    /// The ear.
    static EAR(XENSTORE_EAR): Mutex<Ear> = Ear {
        ready: false,
        directory: None,
        ends: None,
    };
}

/// Listens to xenstore from when xenstored is there until this is dropped.
///
/// The fields are dropped in this order.
#[pin_data]
pub(super) struct Listening {
    #[pin]
    _notifier: ready::XenstoreRegistration<Xenstored>,
    _open: Open,
}

impl Listening {
    /// Begins to listen, or to wait for xenstored.
    ///
    /// # Errors
    ///
    /// None is known.
    pub(super) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _open: Open(()),
            _notifier <- ready::XenstoreRegistration::new(),
        })
    }
}

/// When this is dropped nobody listens any more.
struct Open(());

impl Drop for Open {
    fn drop(&mut self) {
        let watches = {
            let mut ear = EAR.lock();
            ear.ready = false;
            (ear.directory.take(), ear.ends.take())
        };
        // This waits for calls under way: not under the lock.
        drop(watches);
    }
}

/// Called when xenstored is there.
pub(super) struct Xenstored;

impl ready::XenstoreListener for Xenstored {
    fn ready() {
        EAR.lock().ready = true;
        queue::schedule_scan();
    }
}

/// How often the registration is tried: it may only have been short of memory.
const TRIES: usize = 3;

/// Registers the watches, if xenstored is there. Returns `true` if it is, so that it can be asked.
pub(super) fn listen() -> bool {
    let mut ear = EAR.lock();
    if ear.ready {
        let Ear {
            directory, ends, ..
        } = &mut *ear;
        register(directory);
        register(ends);
    }
    ear.ready
}

fn register<T: Watcher>(registration: &mut Option<watch::WatchRegistration<T>>) {
    for _ in 0..TRIES {
        if registration.is_some() {
            break;
        }
        match watch::WatchRegistration::new() {
            Ok(watch) => *registration = Some(watch),
            Err(error) => log_limited!(
                pr_err,
                "xenstore: can't watch {} ({})\n",
                T::PATH,
                error.to_errno()
            ),
        }
    }
}

/// Does something that nobody would ask for a second time. It is tried up to three times, because
/// it may only have been short of memory.
///
/// # Errors
///
/// - Those of `action`, the third time.
pub(super) fn retry<T>(mut action: impl FnMut() -> Result<T>) -> Result<T> {
    const TRIES: usize = 3;
    let mut result = action();
    for _ in 1..TRIES {
        if result.is_ok() {
            break;
        }
        result = action();
    }
    result
}
