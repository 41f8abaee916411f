// SPDX-License-Identifier: GPL-2.0

//! `crate::kapi`.

pub(crate) use super::workqueue;

pub(crate) mod global {
    /// Declares a value with its lock, anew for each schedule.
    macro_rules! global {
        ($(#[$meta:meta])* static $name:ident($lock:ident): $kind:ident<$type:ty> = $value:expr;) => {
            shuttle::lazy_static! {
                $(#[$meta])*
                static ref $name: $crate::sync::$kind<$type> = $crate::sync::$kind::new($value);
            }
        };
    }
    pub(crate) use global;
}
