// SPDX-License-Identifier: GPL-2.0

//! Structures and functions of xenbus, which the kernel's bindings lack. `kapi/layout.c` checks
//! the layouts against the header.
//!
//! UPSTREAM(xenbus-bindings): include/xen/xenbus.h is not in rust/bindings.

use core::mem::{
    offset_of,
    size_of, //
};
use kernel::{
    bindings,
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
};

/// `struct xenbus_watch`.
#[repr(C)]
pub(super) struct XenbusWatch {
    pub(super) list: bindings::list_head,
    pub(super) node: *const c_char,
    pub(super) nr_pending: c_uint,
    pub(super) will_handle:
        Option<unsafe extern "C" fn(*mut XenbusWatch, *const c_char, *const c_char) -> bool>,
    pub(super) callback:
        Option<unsafe extern "C" fn(*mut XenbusWatch, *const c_char, *const c_char)>,
}

/// The beginning of `struct xenbus_device`, as far as it is used here.
#[repr(C)]
pub(super) struct XenbusDev {
    devicetype: *const c_char,
    pub(super) nodename: *const c_char,
    pub(super) otherend: *const c_char,
    vanished: bool,
    pub(super) otherend_id: c_int,
    otherend_watch: XenbusWatch,
    pub(super) dev: bindings::device,
    pub(super) state: c_uint,
}

/// `struct xenbus_device_id`.
#[repr(C)]
pub(super) struct XenbusDeviceId {
    pub(super) devicetype: [u8; 32],
}

/// A callback that takes the device and returns an errno.
type Callback = Option<unsafe extern "C" fn(*mut XenbusDev) -> c_int>;

/// `struct xenbus_driver`.
#[repr(C)]
pub(super) struct XenbusDriver {
    pub(super) name: *const c_char,
    pub(super) ids: *const XenbusDeviceId,
    pub(super) allow_rebind: bool,
    pub(super) not_essential: bool,
    pub(super) probe: Option<unsafe extern "C" fn(*mut XenbusDev, *const XenbusDeviceId) -> c_int>,
    pub(super) otherend_changed: Option<unsafe extern "C" fn(*mut XenbusDev, c_uint)>,
    pub(super) remove: Option<unsafe extern "C" fn(*mut XenbusDev)>,
    pub(super) suspend: Callback,
    pub(super) resume: Callback,
    pub(super) uevent: *const c_void,
    pub(super) driver: bindings::device_driver,
    pub(super) read_otherend_details: Callback,
    pub(super) is_ready: Callback,
    pub(super) reclaim_memory: Option<unsafe extern "C" fn(*mut XenbusDev)>,
}

/// `struct xenbus_transaction`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct XenbusTransaction {
    pub(super) id: u32,
}

// The numbers of kapi/layout.c.
const _: () = {
    assert!(size_of::<XenbusWatch>() == 48);
    assert!(offset_of!(XenbusWatch, callback) == 40);
    assert!(offset_of!(XenbusDev, otherend_id) == 28);
    assert!(offset_of!(XenbusDev, dev) == 80);
    assert!(offset_of!(XenbusDev, state) == 80 + size_of::<bindings::device>());
    assert!(size_of::<XenbusDeviceId>() == 32);
    assert!(offset_of!(XenbusDriver, probe) == 24);
    assert!(offset_of!(XenbusDriver, driver) == 72);
    assert!(size_of::<XenbusDriver>() == 72 + size_of::<bindings::device_driver>() + 24);
    assert!(size_of::<XenbusTransaction>() == 4);
};

// Empty structures (locks without lock debugging), which C allows; the bindings say the same.
#[allow(improper_ctypes)]
extern "C" {
    pub(super) fn __xenbus_register_backend(
        driver: *mut XenbusDriver,
        owner: *mut bindings::module,
        mod_name: *const c_char,
    ) -> c_int;
    pub(super) fn xenbus_unregister_driver(driver: *mut XenbusDriver);
    pub(super) fn register_xenbus_watch(watch: *mut XenbusWatch) -> c_int;
    pub(super) fn unregister_xenbus_watch(watch: *mut XenbusWatch);
    pub(super) fn xenbus_dev_error(device: *mut XenbusDev, err: c_int, format: *const c_char, ...);
    pub(super) fn xenbus_read(
        transaction: XenbusTransaction,
        dir: *const c_char,
        node: *const c_char,
        len: *mut c_uint,
    ) -> *mut c_void;
    pub(super) fn xenbus_write(
        transaction: XenbusTransaction,
        dir: *const c_char,
        node: *const c_char,
        text: *const c_char,
    ) -> c_int;
    pub(super) fn xenbus_rm(
        transaction: XenbusTransaction,
        dir: *const c_char,
        node: *const c_char,
    ) -> c_int;
    pub(super) fn xenbus_directory(
        transaction: XenbusTransaction,
        dir: *const c_char,
        node: *const c_char,
        count: *mut c_uint,
    ) -> *mut *mut c_char;
    pub(super) fn xenbus_transaction_start(transaction: *mut XenbusTransaction) -> c_int;
    pub(super) fn xenbus_transaction_end(transaction: XenbusTransaction, abort: bool) -> c_int;
    pub(super) fn xenbus_map_ring_valloc(
        device: *mut XenbusDev,
        grants: *mut u32,
        count: c_uint,
        address: *mut *mut c_void,
    ) -> c_int;
    pub(super) fn xenbus_unmap_ring_vfree(device: *mut XenbusDev, address: *mut c_void) -> c_int;
    pub(super) fn bind_interdomain_evtchn_to_irqhandler_lateeoi(
        device: *mut XenbusDev,
        port: u32,
        handler: bindings::irq_handler_t,
        flags: c_ulong,
        name: *const c_char,
        data: *mut c_void,
    ) -> c_int;
    pub(super) fn unbind_from_irqhandler(irq: c_uint, data: *mut c_void);
    pub(super) fn xen_irq_lateeoi(irq: c_uint, flags: c_uint);
    pub(super) fn notify_remote_via_irq(irq: c_int);
}
