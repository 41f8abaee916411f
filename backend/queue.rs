// SPDX-License-Identifier: GPL-2.0

//! The queue on which guests are reconciled.
//!
//! xenbus handles the events of all backends of dom0, disks and networks included, in one thread.
//! Nothing here that waits, for hardware least of all, is done in it. The queue is not that of the
//! resets, for whose ends work here waits. It stands still while the system sleeps.

use super::{give_back::Cleaning, guest::Guest, guests};
use crate::kapi::{global::global, workqueue::OwnQueue};
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::Arc,
    workqueue::{Work, WorkItem},
};

/// Looks for new guests.
#[pin_data]
struct Scanner {
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Scanner { self.work }
}

impl WorkItem for Scanner {
    type Pointer = Arc<Self>;

    fn run(_: Arc<Self>) {
        guests::scan();
    }
}

/// The queue, and the work that is always there, so that to have it done takes no memory.
struct Running {
    queue: OwnQueue,
    scanner: Arc<Scanner>,
}

global! {
    /// The queue.
    static QUEUE(BACKEND_QUEUE): Mutex<Option<Running>> = None;
}

/// The queue's life.
pub(super) struct Workers(());

impl Workers {
    /// Makes the queue.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn new() -> Result<Self> {
        let scanner = Arc::pin_init(
            pin_init!(Scanner {
                work <- new_work!("pciback_scan"),
            }),
            GFP_KERNEL,
        )?;
        guests::open();
        *QUEUE.lock() = Some(Running {
            queue: OwnQueue::freezable(c"rust_pciback_backend")?,
            scanner,
        });
        Ok(Self(()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let running = QUEUE.lock().take();
        drop(running); // Waits for all work, outside of the lock.
        guests::close();
    }
}

/// Has work done in the background.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    let guard = QUEUE.lock();
    guard.as_ref().ok_or(ENODEV)?.queue.spawn(work)
}

/// Has devices cleaned that are leaving a guest.
pub(super) fn clean(cleaning: Arc<Cleaning>) {
    let guard = QUEUE.lock();
    match guard.as_ref() {
        Some(running) => running.queue.enqueue(cleaning),
        // The module goes, and with it the claims, which cleans them.
        None => drop(cleaning),
    }
}

/// Has a guest reconciled, if it is not about to be.
pub(super) fn reconcile(guest: &Arc<Guest>) {
    if let Some(running) = QUEUE.lock().as_ref() {
        running.queue.enqueue(guest.clone());
    }
}

/// The same, for who has no reference of its own.
pub(super) fn reconcile_by_node(node: &CStr) {
    if let Some(guest) = guests::find(node) {
        reconcile(&guest);
    }
}

/// Has the guests looked for, if they are not about to be.
pub(super) fn scan() {
    if let Some(running) = QUEUE.lock().as_ref() {
        running.queue.enqueue(running.scanner.clone());
    }
}
