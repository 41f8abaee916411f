// SPDX-License-Identifier: GPL-2.0

//! Log lines that user space can provoke at will, held to 10 in 5 seconds for each place.

#![deny(unsafe_code)]

/// `log_limited!(dev_warn, device, "...", ...)`: the given macro, unless its limit is reached.
macro_rules! log_limited {
    ($macro:ident, $($arguments:tt)*) => {{
        static LIMIT: $crate::kapi::ratelimit::RateLimit =
            $crate::kapi::ratelimit::RateLimit::new(c"rust_pciback");
        if LIMIT.allows() {
            kernel::prelude::$macro!($($arguments)*);
        }
    }};
}
pub(crate) use log_limited;
