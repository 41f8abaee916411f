// SPDX-License-Identifier: GPL-2.0

//! The queue on which connections do their work.
//!
//! xenbus handles the events of all backends of dom0, disks and networks included, in one thread.
//! Nothing here that waits, for hardware least of all, is done in it. The queue is not that of the
//! resets, for whose ends work here waits.

use super::connection::Connection;
use crate::kapi::{global::global, workqueue::OwnQueue};
use kernel::{prelude::*, sync::Arc};

global! {
    /// The queue.
    static QUEUE(BACKEND_QUEUE): Mutex<Option<OwnQueue>> = None;
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
        *QUEUE.lock() = Some(OwnQueue::new(c"rust_pciback_backend")?);
        Ok(Self(()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let queue = QUEUE.lock().take();
        drop(queue); // Waits for all work, outside of the lock.
    }
}

/// Has work done in the background.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(super) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    QUEUE.lock().as_ref().ok_or(ENODEV)?.spawn(work)
}

/// Has the connection look round, if it is not about to.
pub(super) fn look_round(connection: &Arc<Connection>) {
    if let Some(queue) = QUEUE.lock().as_ref() {
        queue.enqueue(connection.clone());
    }
}
