// SPDX-License-Identifier: GPL-2.0

//! Doing the same to several devices at the same time, and things in the background.
//!
//! What is done waits for hardware most of the time: 100 ms for each FLR.

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

/// The queues that work is put on.
struct Queues {
    usual: Arc<OwnQueue>,
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
            usual: Arc::new(OwnQueue::new(c"rust_pciback")?, GFP_KERNEL)?,
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

/// Queues work. It may wait for hardware, but not for other such work.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) -> Result {
    queue(|queues| &queues.usual)?.spawn(work)
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
struct Group<F> {
    work: F,
    #[pin]
    left: Mutex<Left>,
    #[pin]
    ended: CondVar,
}

/// What is left of it, and what came of the rest.
struct Left {
    items: usize,
    /// The first item, in the order given, that failed.
    failed: Option<(usize, Error)>,
}

impl<F> Group<F> {
    fn run<T>(&self, index: usize, item: &T)
    where
        F: Fn(&T) -> Result,
    {
        let result = (self.work)(item);
        let mut left = self.left.lock();
        left.items = left.items.saturating_sub(1);
        if let Err(error) = result {
            if left.failed.is_none_or(|(first, _)| index < first) {
                left.failed = Some((index, error));
            }
        }
        self.ended.notify_all();
    }
}

/// Does `work` to all items, at the same time as far as memory allows. Returns when the last is
/// done.
///
/// # Errors
///
/// - That of the first item, in the order given, that failed; the others were completed.
/// - `ENOMEM`, `ENODEV`: no memory, or the module goes; nothing was done.
/// - `EINTR`: a signal came; the work goes on.
pub(crate) fn for_all<T, F>(items: &[T], wait: Wait, work: F) -> Result
where
    T: Clone + Send + 'static,
    F: Fn(&T) -> Result + Send + Sync + 'static,
{
    let Some((last, others)) = items.split_last() else {
        return Ok(());
    };
    if others.is_empty() {
        return work(last);
    }
    let left = Left {
        items: items.len(),
        failed: None,
    };
    let group = Arc::pin_init(
        pin_init!(Group {
            work,
            left <- kernel::new_mutex!(left),
            ended <- kernel::new_condvar!(),
        }),
        GFP_KERNEL,
    )?;
    let queue = queue(|queues| &queues.usual)?;
    for (index, item) in others.iter().enumerate() {
        let (group_there, item_there) = (group.clone(), item.clone());
        if queue
            .spawn(move || group_there.run(index, &item_there))
            .is_err()
        {
            group.run(index, item); // No memory to queue it.
        }
    }
    group.run(others.len(), last);
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
