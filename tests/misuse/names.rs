// SPDX-License-Identifier: GPL-2.0

//! Safe code that misuses the wrappers: what is not to be named.
//!
//! See tests/misuse/check.py. These are errors of name resolution, after which the compiler looks
//! at no types.

#![allow(unused)]
#![forbid(unsafe_code)]

use crate::kapi::{
    attr::Pointers,
    xen::{
        Dom0,
        Dom0Kind, //
    },
};
use kernel::bindings;

/// sysfs would follow them.
fn pointers_to_anywhere() -> Pointers<bindings::attribute, 2> {
    Pointers([core::ptr::dangling(), core::ptr::null()]) //~ ERROR E0423
}

/// Whoever has one may call Xen.
fn a_domain_made_up() -> Dom0 {
    Dom0(Dom0Kind::Pv) //~ ERROR E0423
}
