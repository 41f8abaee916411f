// SPDX-License-Identifier: GPL-2.0

//! `crate::kapi::workqueue`, and `kernel::workqueue`: each work has a thread of its own, which may
//! have to wait for its turn.

use super::{
    alloc::allocate,
    context::{might_sleep, world},
    prelude::Result,
    sync::{Arc, CondVar, Mutex},
};
use core::{ffi::CStr, marker::PhantomData};
use shuttle::{
    sync::atomic::{AtomicBool, Ordering},
    thread::{spawn, JoinHandle},
};

/// Whether freezable queues stand still, and how much of their work is under way.
struct Freezer {
    frozen: bool,
    active: usize,
}

shuttle::lazy_static! {
    static ref FREEZER: Mutex<Freezer> = Mutex::new(Freezer { frozen: false, active: 0 });
    static ref CHANGED: CondVar = CondVar::new();
}

/// Has no work of freezable queues begin, and waits for what is under way
/// (`freeze_workqueues_begin()`, `freeze_workqueues_busy()`).
pub(crate) fn freeze_workqueues() {
    let mut freezer = FREEZER.lock();
    freezer.frozen = true;
    while freezer.active > 0 {
        CHANGED.wait(&mut freezer);
    }
}

/// Has it begin again.
pub(crate) fn thaw_workqueues() {
    FREEZER.lock().frozen = false;
    CHANGED.notify_all();
}

/// The turns of a queue of which few work at the same time.
struct Turns {
    left: Mutex<usize>,
    returned: CondVar,
}

impl Turns {
    fn take(&self, work: impl FnOnce()) {
        let mut left = self.left.lock();
        while *left == 0 {
            self.returned.wait(&mut left);
        }
        *left -= 1;
        drop(left);
        work();
        *self.left.lock() += 1;
        self.returned.notify_all();
    }
}

/// A queue whose end waits for all work.
pub(crate) struct OwnQueue {
    work: Mutex<Vec<JoinHandle<()>>>,
    freezable: bool,
    turns: Option<std::sync::Arc<Turns>>,
}

impl OwnQueue {
    /// It is freezable. In a world with few workers it has one, however many are asked for; 0 asks
    /// for more than there ever is work.
    pub(crate) fn new(_: &'static CStr, most: u16) -> Result<Self> {
        Self::make(true, most != 0 && world().few_workers)
    }

    pub(crate) fn of_each_processor(_: &'static CStr) -> Result<Self> {
        Self::make(false, false)
    }

    fn make(freezable: bool, single: bool) -> Result<Self> {
        allocate()?;
        let turns = || {
            std::sync::Arc::new(Turns {
                left: Mutex::new(1),
                returned: CondVar::new(),
            })
        };
        Ok(Self {
            work: Mutex::new(Vec::new()),
            freezable,
            turns: single.then(turns),
        })
    }

    pub(crate) fn spawn<F: FnOnce() + Send + 'static>(&self, work: F) -> Result {
        allocate()?;
        self.start(work);
        Ok(())
    }

    /// Has an item run, unless it waits to be run already.
    pub(crate) fn enqueue<T>(&self, item: Arc<T>)
    where
        T: WorkItem<Pointer = Arc<T>> + HasWork<T> + Send + Sync + 'static,
    {
        let work = item.work();
        if !work.waits.swap(true, Ordering::SeqCst) {
            self.start(move || {
                // Never twice at the same time.
                let turn = item.work().turn.lock();
                item.work().waits.store(false, Ordering::SeqCst);
                T::run(item.clone());
                drop(turn);
            });
        }
    }

    fn start<F: FnOnce() + Send + 'static>(&self, work: F) {
        let (turns, freezable) = (self.turns.clone(), self.freezable);
        let work = move || {
            if freezable {
                while_thawed(work)
            } else {
                work()
            }
        };
        let handle = match turns {
            Some(turns) => spawn(move || turns.take(work)),
            None => spawn(work),
        };
        self.work.lock().push(handle);
    }
}

/// Runs work of a freezable queue.
fn while_thawed(work: impl FnOnce()) {
    {
        let mut freezer = FREEZER.lock();
        while freezer.frozen {
            CHANGED.wait(&mut freezer);
        }
        freezer.active += 1;
    }
    work();
    FREEZER.lock().active -= 1;
    CHANGED.notify_all();
}

impl Drop for OwnQueue {
    fn drop(&mut self) {
        if shuttle::thread::panicking() || shuttle::current::get_current_task().is_none() {
            return;
        }
        might_sleep();
        loop {
            let Some(handle) = self.work.lock().pop() else {
                break;
            };
            handle.join().expect("work that does not fail");
        }
    }
}

/// What makes something a work item.
pub(crate) struct Work<T> {
    waits: AtomicBool,
    turn: Mutex<()>,
    of: PhantomData<fn() -> T>,
}

impl<T> Work<T> {
    pub(crate) fn new() -> Self {
        Self {
            waits: AtomicBool::new(false),
            turn: Mutex::new(()),
            of: PhantomData,
        }
    }
}

/// Something that a queue runs.
pub(crate) trait WorkItem {
    type Pointer;

    fn run(this: Self::Pointer);
}

/// Where its [`Work`] is.
pub(crate) trait HasWork<T> {
    fn work(&self) -> &Work<T>;
}

/// `kernel::impl_has_work!`.
#[macro_export]
macro_rules! impl_has_work {
    (impl HasWork<Self> for $name:ident { self.$field:ident }) => {
        impl $crate::workqueue::HasWork<Self> for $name {
            fn work(&self) -> &$crate::workqueue::Work<Self> {
                &self.$field
            }
        }
    };
}

/// `kernel::new_work!`.
#[macro_export]
macro_rules! new_work {
    ($name:literal) => {
        $crate::workqueue::Work::new()
    };
}
