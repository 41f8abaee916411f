// SPDX-License-Identifier: GPL-2.0

//! A workqueue of the module's own.
//!
//! The kernel's queues outlive the module, which could be unloaded while one of them still returns
//! from a function of the module. Destroying a queue waits for that.
//!
//! UPSTREAM(alloc-workqueue): `alloc_workqueue()` has no wrapper.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::fault;
use core::ptr::NonNull;
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*,
    sync::Arc,
    workqueue::{
        HasWork,
        Queue,
        WorkItem, //
    },
};

/// A workqueue for work that sleeps for long.
///
/// # Examples
///
/// ```ignore
/// let queue = OwnQueue::new(c"my_queue", 16)?;
/// queue.spawn(|| pr_info!("in the background\n"))?;
/// drop(queue); // Waits for it.
/// ```
///
/// # Invariants
///
/// `queue` is a workqueue made by `alloc_workqueue()`.
pub(crate) struct OwnQueue {
    queue: NonNull<bindings::workqueue_struct>,
}

// SAFETY: Work may be queued from, and a queue destroyed in, any thread.
unsafe impl Send for OwnQueue {}

// SAFETY: As above.
unsafe impl Sync for OwnQueue {}

impl OwnQueue {
    /// Makes a queue of whose work so many run at the same time, while the
    /// rest waits for its turn; 0 stands for the kernel's usual limit (`WQ_DFL_ACTIVE`). It stands
    /// still while the system sleeps: what is under way ends before that.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn new(name: &'static CStr, most: u16) -> Result<Self> {
        let flags = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_FREEZABLE;
        Self::with_flags(name, flags, most)
    }

    /// Makes a queue whose work runs on the processor that queues it.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn of_each_processor(name: &'static CStr) -> Result<Self> {
        Self::with_flags(name, bindings::wq_flags_WQ_PERCPU, 0)
    }

    fn with_flags(name: &'static CStr, flags: bindings::wq_flags, most: u16) -> Result<Self> {
        use kernel::str::CStrExt as _;
        fault::point("alloc_workqueue")?;
        // SAFETY: The format takes one string, which is one.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(
                c"%s".as_char_ptr(),
                flags,
                c_int::from(most),
                name.as_char_ptr(),
            )
        };
        // INVARIANT: A queue that is not null is ours.
        Ok(Self {
            queue: NonNull::new(queue).ok_or(ENOMEM)?,
        })
    }

    /// Runs a function on the queue.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn spawn<F: FnOnce() + Send + 'static>(&self, work: F) -> Result {
        fault::point("try_spawn")?;
        Ok(self.queue().try_spawn(GFP_KERNEL, work)?)
    }

    /// Queues a work item, unless it is queued already.
    pub(crate) fn enqueue<T>(&self, item: Arc<T>)
    where
        T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static,
    {
        // An error is the item given back: it waits already.
        let _ = self.queue().enqueue(item);
    }

    fn queue(&self) -> &Queue {
        // SAFETY: By the type invariant, and `self` keeps it valid for this borrow. Work that is
        // under way when the queue goes is waited for.
        unsafe { Queue::from_raw(self.queue.as_ptr()) }
    }
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody can queue anything any more. Waits for all work.
        unsafe { bindings::destroy_workqueue(self.queue.as_ptr()) };
    }
}
