// SPDX-License-Identifier: GPL-2.0

//! `kernel::bindings`: what C has of a device's `driver_override` (drivers/base/dd.c), its locks, and
//! strings. A string that was freed stays as it is until the schedule has ended.

#![allow(non_camel_case_types)]

use super::context::{spinlock_given_back, spinlock_taken};
use core::{
    cell::{RefCell, UnsafeCell},
    ffi::{c_char, c_int, c_void, CStr},
};
use shuttle::sync::{Condvar, Mutex};
use std::ffi::CString;

#[derive(Default)]
pub(crate) struct list_head;

/// A lock without a guard.
pub(crate) struct Lock {
    held: Mutex<bool>,
    free: Condvar,
}

impl Lock {
    pub(crate) const fn new() -> Self {
        Self {
            held: Mutex::new(false),
            free: Condvar::new(),
        }
    }

    pub(crate) fn take(&self) {
        let mut held = self.held.lock().expect("no holder has failed");
        while *held {
            held = self.free.wait(held).expect("no holder has failed");
        }
        *held = true;
    }

    pub(crate) fn give_back(&self) {
        if shuttle::current::get_current_task().is_none() || shuttle::thread::panicking() {
            return; // After the last thread, or the failure.
        }
        *self.held.lock().expect("no holder has failed") = false;
        self.free.notify_all();
    }
}

/// # Safety
///
/// The lock must be valid.
pub(crate) unsafe fn spin_lock(lock: *mut Lock) {
    // SAFETY: By the caller's promise.
    unsafe { &*lock }.take();
    spinlock_taken();
}

/// # Safety
///
/// The lock must be valid.
pub(crate) unsafe fn spin_unlock(lock: *mut Lock) {
    spinlock_given_back();
    // SAFETY: By the caller's promise.
    unsafe { &*lock }.give_back();
}

/// `struct device`.
pub(crate) struct device {
    pub(crate) driver_override: driver_override,
}

/// The only driver that a device may have.
pub(crate) struct driver_override {
    pub(crate) lock: Lock,
    pub(crate) name: *const c_char,
}

/// A `struct device` as a part of something else.
pub(crate) struct Embedded(UnsafeCell<device>);

// SAFETY: All threads of a schedule are in one thread of the host.
unsafe impl Send for Embedded {}

// SAFETY: As above.
unsafe impl Sync for Embedded {}

impl Embedded {
    pub(crate) const fn new() -> Self {
        let driver_override = driver_override {
            lock: Lock::new(),
            name: core::ptr::null(),
        };
        Self(UnsafeCell::new(device { driver_override }))
    }

    pub(crate) const fn get(&self) -> *mut device {
        self.0.get()
    }
}

thread_local! {
    // As in `context`. With each string, whether it was freed.
    static STRINGS: RefCell<Vec<(CString, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Begins a schedule.
pub(crate) fn begin() {
    STRINGS.take();
}

/// Fails if this is no string, or one that was freed.
pub(crate) fn assert_string(text: *const c_char) {
    let is_it = |one: &&(CString, bool)| one.0.as_ptr() == text;
    let freed = STRINGS.with_borrow(|list| list.iter().find(is_it).map(|one| one.1));
    assert_eq!(freed, Some(false), "a string that is there");
}

/// # Safety
///
/// The device must be valid, and the text a string of that length.
pub(crate) unsafe fn __device_set_driver_override(
    device: *mut device,
    text: *const c_char,
    length: usize,
) -> c_int {
    // SAFETY: By the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts(text.cast::<u8>(), length) };
    let new = CString::new(bytes).expect("a string");
    let mut name = new.as_ptr();
    STRINGS.with_borrow_mut(|list| list.push((new, false)));
    // SAFETY: By the caller's promise; the lock is held.
    unsafe {
        let to = &raw mut (*device).driver_override;
        spin_lock(&raw mut (*to).lock);
        core::mem::swap(&mut (*to).name, &mut name);
        spin_unlock(&raw mut (*to).lock);
        kfree(name.cast());
    }
    0
}

pub(crate) const GFP_KERNEL: u32 = 0;

/// # Safety
///
/// The memory must be a C string.
pub(crate) unsafe fn kmemdup_noprof(text: *const c_void, _: usize, _: u32) -> *mut c_void {
    // SAFETY: By the caller's promise.
    let new = unsafe { CStr::from_ptr(text.cast()) }.to_owned();
    let at = new.as_ptr().cast_mut();
    STRINGS.with_borrow_mut(|list| list.push((new, false)));
    at.cast()
}

/// # Safety
///
/// The memory must be that of a string here, or null.
pub(crate) unsafe fn kfree(memory: *const c_void) {
    if memory.is_null() {
        return;
    }
    assert_string(memory.cast());
    STRINGS.with_borrow_mut(|list| {
        let one = list.iter_mut().find(|one| one.0.as_ptr() == memory.cast());
        one.expect("looked for above").1 = true;
    });
}

/// What user space reads.
///
/// # Safety
///
/// The device must be valid.
pub(crate) unsafe fn driver_override_show(device: *mut device) -> Option<CString> {
    // SAFETY: By the caller's promise; the lock is held.
    unsafe {
        let of = &raw mut (*device).driver_override;
        spin_lock(&raw mut (*of).lock);
        let name = (*of).name;
        let name = (!name.is_null()).then(|| CStr::from_ptr(name).to_owned());
        spin_unlock(&raw mut (*of).lock);
        name
    }
}
