// SPDX-License-Identifier: GPL-2.0

//! Doing the same to several devices at the same time, and things in the background.
//!
//! What is done waits for hardware most of the time: 100 ms for each FLR.
//!
//! Threads are bounded. Nobody waits for work that has not begun, so the bounds can't lead to a
//! circle: whoever has work done to several items does it himself as far as no worker comes, and
//! waits only for what is under way; and work in the background is waited for by the module's end
//! alone, and has a queue of its own, as it may pause for minutes.

use crate::kapi::{
    global::global,
    workqueue::OwnQueue, //
};
use kernel::{
    prelude::*,
    sync::{
        Arc,
        CondVar,
        Mutex, //
    },
};

/// The most threads that one request has, its own included.
const MOST_OF_ONE: usize = 128;

/// The most threads that all requests have together, besides their own, and the most that work in
/// the background has.
const MOST_OF_ALL: u16 = 256;

/// The queues that work is put on.
struct Queues {
    groups: Arc<OwnQueue>,
    background: Arc<OwnQueue>,
    of_each_processor: Arc<OwnQueue>,
}

global! {
    static QUEUES(WORK_QUEUES): Mutex<Option<Queues>> = None;
}

/// The queues' life: from before the driver's registration to after its end.
pub(crate) struct Workers(());

impl Workers {
    /// Makes the queues.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(crate) fn new() -> Result<Self> {
        let queues = Queues {
            groups: Arc::new(OwnQueue::new(c"rust_pciback", MOST_OF_ALL)?, GFP_KERNEL)?,
            background: Arc::new(
                OwnQueue::new(c"rust_pciback_later", MOST_OF_ALL)?,
                GFP_KERNEL,
            )?,
            of_each_processor: Arc::new(
                OwnQueue::of_each_processor(c"rust_pciback_irq")?,
                GFP_KERNEL,
            )?,
        };
        *QUEUES.lock() = Some(queues);
        Ok(Self(()))
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let queues = QUEUES.lock().take();
        drop(queues); // Waits for the last work to return, outside of the lock.
    }
}

/// Queues work in the background. It may wait for hardware, but not for other such work that may
/// not have begun.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    queue(|queues| &queues.background)?.spawn(work)
}

/// Returns one of the queues.
fn queue(of: fn(&Queues) -> &Arc<OwnQueue>) -> Result<Arc<OwnQueue>> {
    let queues = QUEUES.lock();
    queues
        .as_ref()
        .map(|queues| of(queues).clone())
        .ok_or(ENODEV)
}

/// Returns the queue whose work runs on the processor that queues it, for work items that exist
/// already. Who keeps it must let go of it before the module goes, which drops its own last.
///
/// # Errors
///
/// - `ENODEV`: the module goes.
pub(super) fn queue_of_each_processor() -> Result<Arc<OwnQueue>> {
    queue(|queues| &queues.of_each_processor)
}

/// How the end of the work is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Until a signal comes: the work goes on by itself then.
    Interruptibly,
    /// Until it is there.
    ToTheEnd,
}

/// Work under way on several items.
#[pin_data]
struct Group<T, F> {
    items: KVec<T>,
    work: F,
    #[pin]
    left: Mutex<Left>,
    #[pin]
    ended: CondVar,
}

/// What is left of it, and what came of the rest.
struct Left {
    /// The first item that nobody has begun with.
    next: usize,
    /// How many have not ended.
    items: usize,
    /// The first item, in the order given, that failed.
    failed: Option<(usize, Error)>,
}

impl<T, F: Fn(&T) -> Result> Group<T, F> {
    /// Works on one item after the other until there is none that nobody has begun with.
    fn run(&self) {
        let mut left = self.left.lock();
        while let Some(item) = self.items.get(left.next) {
            let index = left.next;
            left.next = index.saturating_add(1);
            drop(left);
            let result = (self.work)(item);
            left = self.left.lock();
            left.items = left.items.saturating_sub(1);
            if let Err(error) = result {
                if left.failed.is_none_or(|(first, _)| index < first) {
                    left.failed = Some((index, error));
                }
            }
            if left.items == 0 {
                self.ended.notify_all();
            }
        }
    }
}

/// Does `work` to all items, at the same time as far as threads and memory allow. Returns when the
/// last is done. `work` must not wait for another item, which may not have begun.
///
/// # Errors
///
/// - That of the first item, in the order given, that failed; the others were completed.
/// - `ENOMEM`, `ENODEV`: no memory, or the module goes; nothing was done.
/// - `EINTR`: a signal came when all had begun; the work goes on.
pub(crate) fn for_all<T, F>(items: &[T], wait: Wait, work: F) -> Result
where
    T: Clone + Send + Sync + 'static,
    F: Fn(&T) -> Result + Send + Sync + 'static,
{
    if let [] | [_] = items {
        return items.first().map_or(Ok(()), work);
    }
    let mut copies = KVec::new();
    copies.reserve(items.len(), GFP_KERNEL)?;
    for item in items {
        copies.push(item.clone(), GFP_KERNEL)?;
    }
    let left = Left {
        next: 0,
        items: items.len(),
        failed: None,
    };
    let group = Arc::pin_init(
        pin_init!(Group {
            items: copies,
            work,
            left <- kernel::new_mutex!(left),
            ended <- kernel::new_condvar!(),
        }),
        GFP_KERNEL,
    )?;
    let queue = queue(|queues| &queues.groups)?;
    for _ in 1..items.len().min(MOST_OF_ONE) {
        let worker = group.clone();
        if queue.spawn(move || worker.run()).is_err() {
            break; // No memory for more.
        }
    }
    group.run();
    let mut left = group.left.lock();
    while left.items > 0 {
        match wait {
            Wait::ToTheEnd => group.ended.wait(&mut left),
            Wait::Interruptibly => {
                if group.ended.wait_interruptible(&mut left) {
                    return Err(EINTR);
                }
            }
        }
    }
    left.failed.map_or(Ok(()), |(_, error)| Err(error))
}
