// SPDX-License-Identifier: GPL-2.0

//! As much of the kernel crate, and of the driver, as the files under test need: one file for each
//! file or module that it stands for.

pub(crate) mod alloc;
#[allow(unsafe_code)]
pub(crate) mod bindings;
pub(crate) mod context;
pub(crate) mod guest;
pub(crate) mod guests;
pub(crate) mod kapi;
pub(crate) mod kbox;
pub(crate) mod pci;
pub(crate) mod rbtree;
pub(crate) mod settings;
pub(crate) mod sync;
pub(crate) mod time;
pub(crate) mod types;
pub(crate) mod workqueue;
#[allow(unsafe_code)]
pub(crate) mod xenbus;

/// `crate::params`.
pub(crate) mod params {
    /// A switch.
    pub(crate) struct Switch;
    pub(crate) static PASSTHROUGH: Switch = Switch;
    pub(crate) static STRICT_RESET: Switch = Switch;

    impl Switch {
        pub(crate) fn is_on(&self) -> bool {
            false
        }
    }
}

/// `crate::hypercall`.
pub(crate) mod hypercall {
    /// What Xen knows of a reset.
    #[derive(Clone, Copy)]
    pub(crate) struct Notified;
}

/// `crate::device::canary`.
pub(crate) mod canary {
    pub(crate) struct Canaries;
}

/// `crate::device::reset_methods`.
pub(crate) mod reset_methods {
    pub(crate) fn was_offered_method(_: &super::pci::Locked<'_>) -> bool {
        true
    }
}

/// `crate::device::saved_state`.
pub(crate) mod saved_state {
    use super::{pci::Locked, prelude::Result};

    pub(crate) struct SavedState;

    pub(crate) struct Quiet;

    impl SavedState {
        pub(crate) fn restore(&self, _: &Locked<'_>, _: Quiet) -> Result {
            Ok(())
        }
    }
}

/// `crate::reset`.
pub(crate) mod reset {
    pub(crate) mod request {
        use crate::{
            device::{claimed::Claimed, record::ResetRecord, reservation::Reservation},
            prelude::Result,
            pure::{reset_state::ResetState, time::Time},
            sync::Arc,
        };

        /// Each by itself, and each becomes clean.
        pub(crate) fn reset_together(targets: &[Arc<Claimed>], _: Time) -> Result {
            for target in targets {
                let _reserved = Reservation::take([target.clone()].into_iter())?;
                shuttle::thread::yield_now();
                target.record(ResetRecord {
                    state: ResetState::Clean,
                    ..ResetRecord::NONE
                });
            }
            Ok(())
        }
    }
}

/// `crate::backend::function`: no guest here has a frontend.
pub(crate) mod function {
    use super::{
        prelude::{Result, ENODEV},
        sync::Arc,
    };
    use crate::{device::claimed::Claimed, pure::domid::DomId};

    pub(crate) struct PvFunction;

    impl PvFunction {
        pub(crate) fn new(_: &Arc<Claimed>, _: DomId) -> Result<Arc<Self>> {
            Err(ENODEV)
        }

        pub(crate) fn end(&self) {}
    }
}

/// `crate::device::messages`.
pub(crate) mod messages {
    /// What a device sends to a PV guest.
    pub(crate) struct Messages;

    impl Messages {
        pub(crate) const NONE: Self = Self;
    }
}

/// `crate::device::aer`.
pub(crate) mod aer {
    /// What is remembered of a device's errors.
    pub(crate) struct AerState;

    impl AerState {
        pub(crate) fn new() -> Self {
            Self
        }

        pub(crate) fn forget_notification(&self) {}
    }
}

/// `kernel::error`.
pub(crate) mod error {
    pub(crate) use super::prelude::Error;
    use super::prelude::Result;

    pub(crate) fn to_result(errno: i32) -> Result {
        if errno < 0 {
            return Err(Error(-errno));
        }
        Ok(())
    }
}

/// `kernel::ffi`.
pub(crate) mod ffi {
    pub(crate) use core::ffi::{c_char, c_int, c_uint, c_void};
}

/// `kernel::prelude`.
pub(crate) mod prelude {
    pub(crate) use super::alloc::{AllocError, KVec, GFP_KERNEL};
    pub(crate) use super::kbox::KBox;
    pub(crate) use crate::{dev_err, dev_info, dev_warn, pin_init};
    pub(crate) use core::{ffi::CStr, pin::Pin};
    pub(crate) use macros::pin_data;

    /// What the kernel calls these.
    #[allow(unsafe_code)]
    pub(crate) trait CStrExt {
        /// # Safety
        ///
        /// The pointer must be that of a string.
        unsafe fn from_char_ptr<'a>(text: *const core::ffi::c_char) -> &'a Self;
        fn as_char_ptr(&self) -> *const core::ffi::c_char;
    }

    #[allow(unsafe_code)]
    impl CStrExt for CStr {
        unsafe fn from_char_ptr<'a>(text: *const core::ffi::c_char) -> &'a Self {
            super::bindings::assert_string(text);
            // SAFETY: By the caller's promise.
            unsafe { Self::from_ptr(text) }
        }

        fn as_char_ptr(&self) -> *const core::ffi::c_char {
            self.as_ptr()
        }
    }

    /// A value that is about to be made in its place.
    pub(crate) trait PinInit<T> {
        fn make(self) -> T;
    }

    impl<T> PinInit<T> for T {
        fn make(self) -> T {
            self
        }
    }

    /// An errno.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Error(pub(crate) i32);

    pub(crate) type Result<T = (), E = Error> = core::result::Result<T, E>;

    impl Error {
        pub(crate) fn to_errno(self) -> i32 {
            -self.0
        }
    }

    impl From<AllocError> for Error {
        fn from(_: AllocError) -> Self {
            ENOMEM
        }
    }

    pub(crate) const EPERM: Error = Error(1);
    pub(crate) const EINTR: Error = Error(4);
    pub(crate) const EIO: Error = Error(5);
    pub(crate) const EAGAIN: Error = Error(11);
    pub(crate) const ENOMEM: Error = Error(12);
    pub(crate) const EBUSY: Error = Error(16);
    pub(crate) const EEXIST: Error = Error(17);
    pub(crate) const ENODEV: Error = Error(19);
    pub(crate) const EINVAL: Error = Error(22);
    pub(crate) const ERESTARTSYS: Error = Error(512);
}

/// `kernel::dev_err!` and its like.
#[macro_export]
macro_rules! dev_err {
    ($device:expr, $($text:tt)*) => {{
        let _ = $device;
        let _ = format_args!($($text)*);
    }};
}

/// As above.
#[macro_export]
macro_rules! dev_warn {
    ($($text:tt)*) => {
        $crate::dev_err!($($text)*)
    };
}

/// As above.
#[macro_export]
macro_rules! dev_info {
    ($($text:tt)*) => {
        $crate::dev_err!($($text)*)
    };
}

/// `kernel::new_mutex!`.
#[macro_export]
macro_rules! new_mutex {
    ($value:expr) => {
        $crate::sync::Mutex::new($value)
    };
}

/// `kernel::new_spinlock!`.
#[macro_export]
macro_rules! new_spinlock {
    ($value:expr) => {
        $crate::sync::SpinLock::new($value)
    };
}

/// `kernel::new_condvar!`.
#[macro_export]
macro_rules! new_condvar {
    () => {
        $crate::sync::CondVar::new()
    };
}

/// `pin_init!`: what is initialised in its place there is moved to it here.
#[macro_export]
macro_rules! pin_init {
    ($name:ident { $($fields:tt)* }) => {
        $crate::pin_init!(@ $name {} $($fields)*)
    };
    (@ $name:ident { $($done:tt)* }) => {
        $name { $($done)* }
    };
    (@ $name:ident { $($done:tt)* } $field:ident <- $value:expr $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@ $name { $($done)* $field: $crate::prelude::PinInit::make($value), } $($($rest)*)?)
    };
    (@ $name:ident { $($done:tt)* } $field:ident: $value:expr $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@ $name { $($done)* $field: $value, } $($($rest)*)?)
    };
    (@ $name:ident { $($done:tt)* } $field:ident $(, $($rest:tt)*)?) => {
        $crate::pin_init!(@ $name { $($done)* $field, } $($($rest)*)?)
    };
}
