// SPDX-License-Identifier: GPL-2.0

//! What goes on at the same time.
//!
//! - `models`: decisions of `pure`, between others that write what they like when they like, in
//!   each state that can come about (stateright).
//! - `schedules`: files of the driver with its locks, under many schedules (shuttle). They are
//!   compiled as they are, against stand-ins for the kernel crate and for those parts of the driver
//!   that need a kernel (`stand_in`).

#![cfg(test)]
// What only the module calls is unused here, and traits of which a stand-in has no need.
#![allow(dead_code, unused_imports)]

#[path = "../../.."]
mod driver {
    pub(crate) mod pure;

    // Parts of which some files are the driver's, and the others are stand-ins. Whoever adds one of
    // the driver's files adds it here, and what it calls to `stand_in`.
    #[path = ""]
    pub(crate) mod backend {
        pub(crate) use crate::stand_in::{function, guest, guests, guests::schedule_all};
        #[path = "backend/export.rs"]
        mod export;
        #[path = "backend/give_back.rs"]
        mod give_back;
        #[path = "backend/queue.rs"]
        mod queue;
        // Here, for what only this part of the driver sees.
        #[path = "tests/model/src/schedules/export.rs"]
        mod export_schedules;
        #[path = "tests/model/src/schedules/queue.rs"]
        mod schedules;
    }
    #[path = ""]
    pub(crate) mod device {
        pub(crate) use crate::stand_in::{
            aer, canary, messages, reset_methods, saved_state, settings,
        };
        #[path = "device/assignment.rs"]
        pub(crate) mod assignment;
        #[path = "device/claimed.rs"]
        pub(crate) mod claimed;
        #[path = "device/pm.rs"]
        pub(crate) mod pm;
        #[path = "device/record.rs"]
        pub(crate) mod record;
        #[path = "device/registry.rs"]
        pub(crate) mod registry;
        #[path = "device/reservation.rs"]
        pub(crate) mod reservation;
        #[path = "tests/model/src/schedules/claimed.rs"]
        mod schedules;
        #[path = "device/workers.rs"]
        pub(crate) mod workers;
    }
    #[path = ""]
    pub(crate) mod stub {
        #[path = "stub/pm.rs"]
        pub(crate) mod pm;
    }
    // Wrappers: the only files here with unsafe code.
    #[path = ""]
    #[allow(unsafe_code)]
    mod xenbus {
        pub(crate) use crate::stand_in::xenbus as raw;
        #[path = "tests/model/src/schedules/watch.rs"]
        mod schedules;
        #[path = "kapi/xenbus/watch.rs"]
        mod watch;
    }
    #[path = ""]
    #[allow(unsafe_code)]
    mod pci {
        pub(crate) use crate::pci::{raw_dev, Locked};
        #[path = "kapi/pci/driver_override.rs"]
        mod driver_override;
        #[path = "tests/model/src/schedules/driver_override.rs"]
        mod schedules;
    }
}
pub(crate) use driver::{backend, device, pure, stub};

// `kernel` is this crate.
extern crate self as kernel;
mod stand_in;
pub(crate) use stand_in::{
    bindings, error, ffi, hypercall, kapi, params, pci, prelude, rbtree, reset, sync, time, types,
    workqueue,
};

mod models;
mod schedules;

/// Says how much was tried. The test harness keeps what `println!` says to itself.
/// (tools/test-model adds it up.)
fn report(what: &str, many: usize, start: std::time::Instant) {
    use std::io::Write;
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("?").to_string();
    let seconds = start.elapsed().as_secs_f64();
    let line = format!("{what}: {many:>9} in {seconds:>7.1} s {name}\n");
    let _ = std::io::stdout().write_all(line.as_bytes()); // It is for reading only.
}
