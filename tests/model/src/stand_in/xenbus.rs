// SPDX-License-Identifier: GPL-2.0

//! `crate::kapi::xenbus::raw`: what the kernel does with watches (drivers/xen/xenbus/xenbus_xs.c),
//! and the xenstored that it asks.
//!
//! A watch is its address, as there. Before anybody follows it, it is asked whether that memory is
//! still there.

use super::{
    bindings,
    context::{by_chance, world},
    kbox::is_freed,
    prelude::{EEXIST, ENOMEM},
    sync::{CondVar, Mutex, SpinLock},
};
use core::ffi::{c_char, c_int, c_uint};
use std::collections::VecDeque;

/// `struct xenbus_watch`.
#[repr(C)]
pub(crate) struct XenbusWatch {
    pub(crate) list: bindings::list_head,
    pub(crate) node: *const c_char,
    pub(crate) nr_pending: c_uint,
    pub(crate) will_handle:
        Option<unsafe extern "C" fn(*mut XenbusWatch, *const c_char, *const c_char) -> bool>,
    pub(crate) callback:
        Option<unsafe extern "C" fn(*mut XenbusWatch, *const c_char, *const c_char)>,
}

/// The address of a watch, by which xenstored knows it, too.
type Token = usize;

fn watch(token: Token) -> *mut XenbusWatch {
    assert!(!is_freed(token), "a watch is used that was freed");
    core::ptr::with_exposed_provenance_mut(token)
}

/// What xenstored knows.
struct Xenstored {
    watches: Vec<Token>,
    /// It has a watch of the name that the next one will have, of which the kernel knows nothing any
    /// more.
    has_the_next: bool,
}

/// `watch_events`.
struct Events {
    queue: VecDeque<Token>,
    over: bool,
}

shuttle::lazy_static! {
    static ref XENSTORED: Mutex<Xenstored> = Mutex::new(Xenstored {
        watches: Vec::new(),
        has_the_next: false,
    });
    /// `watches`, with the lock.
    static ref WATCHES: SpinLock<Vec<Token>> = SpinLock::new(Vec::new());
    static ref EVENTS: SpinLock<Events> = SpinLock::new(Events {
        queue: VecDeque::new(),
        over: false,
    });
    /// `watch_events_waitq`.
    static ref WAITS: CondVar = CondVar::new();
    /// `xenwatch_mutex`.
    static ref XENWATCH: Mutex<()> = Mutex::new(());
}

/// xenstored has a watch of the name that the next one will have.
pub(crate) fn has_the_next() {
    XENSTORED.lock().has_the_next = true;
}

/// Somebody writes what all watches are for.
pub(crate) fn write() {
    let watches = XENSTORED.lock().watches.clone();
    for token in watches {
        xs_watch_msg(token);
    }
}

fn xs_watch(token: Token) -> c_int {
    if world().memory_is_short && by_chance() {
        return ENOMEM.to_errno();
    }
    let mut xenstored = XENSTORED.lock();
    xenstored.watches.push(token);
    if core::mem::take(&mut xenstored.has_the_next) {
        return EEXIST.to_errno();
    }
    0
}

fn xs_watch_msg(token: Token) {
    let watches = WATCHES.lock();
    if !watches.contains(&token) {
        return;
    }
    let watch = watch(token);
    let nothing = core::ptr::null();
    // SAFETY: The watch is there; this is what the callback is for.
    if unsafe {
        (*watch)
            .will_handle
            .is_none_or(|will| will(watch, nothing, nothing))
    } {
        let mut events = EVENTS.lock();
        events.queue.push_back(token);
        // SAFETY: The watch is there, and the lock for this is held.
        unsafe { (*watch).nr_pending += 1 };
        WAITS.notify_all();
    }
}

/// # Safety
///
/// The watch must be valid.
pub(crate) unsafe fn register_xenbus_watch(watch: *mut XenbusWatch) -> c_int {
    let token = watch.expose_provenance();
    // SAFETY: By the caller's promise.
    unsafe { (*watch).nr_pending = 0 };
    WATCHES.lock().push(token);
    let error = xs_watch(token);
    if error != 0 {
        WATCHES.lock().retain(|other| *other != token);
    }
    error
}

/// # Safety
///
/// The watch must be registered.
pub(crate) unsafe fn unregister_xenbus_watch(watch: *mut XenbusWatch) {
    let token = watch.expose_provenance();
    {
        let mut watches = WATCHES.lock();
        assert!(watches.contains(&token), "BUG_ON() of the kernel");
        watches.retain(|other| *other != token);
    }
    XENSTORED.lock().watches.retain(|other| *other != token);
    let _xenwatch = XENWATCH.lock();
    let mut events = EVENTS.lock();
    events.queue.retain(|other| *other != token);
    // SAFETY: By the caller's promise.
    unsafe { (*watch).nr_pending = 0 };
}

/// The thread that handles events, until there are none and [`end`] was called.
pub(crate) fn xenwatch_thread() {
    loop {
        {
            let mut events = EVENTS.lock();
            while events.queue.is_empty() {
                if events.over {
                    return;
                }
                WAITS.wait(&mut events);
            }
        }
        let _xenwatch = XENWATCH.lock();
        let mut events = EVENTS.lock();
        let Some(token) = events.queue.pop_front() else {
            continue;
        };
        // SAFETY: The watch is there, and the lock for this is held.
        unsafe { (*watch(token)).nr_pending -= 1 };
        drop(events);
        let (watch, nothing) = (watch(token), core::ptr::null());
        // SAFETY: The watch is there.
        if let Some(callback) = unsafe { (*watch).callback } {
            // SAFETY: This is what it is for.
            unsafe { callback(watch, nothing, nothing) };
        }
    }
}

/// No more events come.
pub(crate) fn end() {
    EVENTS.lock().over = true;
    WAITS.notify_all();
}
