// SPDX-License-Identifier: GPL-2.0

//! The queue on which guests are reconciled.
//!
//! xenbus handles the events of all backends of dom0, disks and networks included, in one thread,
//! so nothing that waits is done there. The queue isn't the one of the resets, because work here
//! waits for resets. It stands still while the system sleeps.

use super::guest::Guest;
use crate::kapi::{
    global::global,
    workqueue::OwnQueue, //
};
use kernel::{
    impl_has_work, new_work,
    prelude::*,
    sync::Arc,
    workqueue::{
        HasWork,
        Work,
        WorkItem, //
    },
};

/// Work that looks for new guests.
#[pin_data]
pub(super) struct Scanner {
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Scanner { self.work }
}

/// The queue, and a work item that always exists, so that queueing it takes no memory.
struct Running {
    queue: OwnQueue,
    /// Where what frontends ask for is done: what waits on the other queue mustn't hold that up.
    operations: Arc<OwnQueue>,
    scanner: Arc<Scanner>,
}

global! {
    /// The queue.
    static QUEUE(BACKEND_QUEUE): Mutex<Option<Running>> = None;
}

/// The queue's life.
pub(super) struct BackendQueue(());

impl BackendQueue {
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
        *QUEUE.lock() = Some(Running {
            queue: OwnQueue::new(c"rust_pciback_backend", 0)?,
            operations: Arc::new(OwnQueue::new(c"rust_pciback_operations", 0)?, GFP_KERNEL)?,
            scanner,
        });
        Ok(Self(()))
    }
}

impl Drop for BackendQueue {
    fn drop(&mut self) {
        let running = QUEUE.lock().take();
        drop(running); // Waits for all work, outside of the lock.
    }
}

/// Queues work.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    let guard = QUEUE.lock();
    guard.as_ref().ok_or(ENODEV)?.queue.spawn(work)
}

/// Puts a work item on the queue, unless it waits there already. When the module goes, it is
/// dropped.
pub(super) fn enqueue<T>(item: Arc<T>)
where
    T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static,
{
    if let Some(running) = QUEUE.lock().as_ref() {
        running.queue.enqueue(item);
    }
}

/// Returns the queue for what frontends ask for. Who keeps it must let go of it in work of the
/// other queue, or in none: it ends with the last one.
///
/// # Errors
///
/// - `ENODEV`: the module goes.
pub(super) fn operations() -> Result<Arc<OwnQueue>> {
    let guard = QUEUE.lock();
    Ok(guard.as_ref().ok_or(ENODEV)?.operations.clone())
}

/// Schedules a guest to be reconciled.
pub(super) fn schedule(guest: &Arc<Guest>) {
    enqueue(guest.clone());
}

/// Schedules a look for new guests.
pub(super) fn schedule_scan() {
    if let Some(running) = QUEUE.lock().as_ref() {
        running.queue.enqueue(running.scanner.clone());
    }
}
