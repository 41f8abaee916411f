// SPDX-License-Identifier: GPL-2.0

//! String and switch module parameters, which `module!` doesn't have (it takes integers only, and
//! none that can be changed).
//!
//! UPSTREAM(module-params): `module!` should have strings and switches that can be changed.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use core::cell::UnsafeCell;
use kernel::{
    ffi::{
        c_char,
        c_void,
        CStr, //
    },
    str::CStrExt as _,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// The value of a string parameter that is set when the module is loaded and never again.
///
/// # Invariants
///
/// The pointer is null, or points to a C string that the kernel keeps until the module is gone.
#[repr(transparent)]
pub(crate) struct StringParam(UnsafeCell<*mut c_char>);

// SAFETY: The kernel writes the pointer before the module's init function runs (the parameter is
// not writable in sysfs); from then on it is only read.
unsafe impl Sync for StringParam {}

impl StringParam {
    /// A parameter that isn't given.
    pub(crate) const fn new() -> Self {
        // INVARIANT: The pointer is null.
        Self(UnsafeCell::new(core::ptr::null_mut()))
    }

    /// Returns where `param_ops_charp` stores the value.
    pub(crate) const fn as_void_ptr(&self) -> *mut c_void {
        self.0.get().cast()
    }

    /// Returns the text given, without its terminator; empty when the parameter was not given.
    pub(crate) fn value(&self) -> &[u8] {
        // SAFETY: Not written any more, see the implementation of `Sync`.
        let text = unsafe { *self.0.get() };
        if text.is_null() {
            return &[];
        }
        // SAFETY: By the type invariant a C string that lives as long as the module.
        unsafe { CStr::from_char_ptr(text) }.to_bytes()
    }
}

/// The value of a switch that may be changed at any time.
#[repr(transparent)]
pub(crate) struct SwitchParam(Atomic<bool>);

impl SwitchParam {
    /// A switch that is `on` unless given.
    pub(crate) const fn new(on: bool) -> Self {
        Self(Atomic::new(on))
    }

    /// Returns where `param_ops_bool` stores the value: one byte, in a single write.
    pub(crate) const fn as_void_ptr(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// Returns `true` if it is on.
    pub(crate) fn is_on(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// The value of a number that may be changed at any time; for test builds.
#[cfg(pciback_faults)]
#[repr(transparent)]
pub(crate) struct NumberParam(Atomic<u32>);

#[cfg(pciback_faults)]
impl NumberParam {
    /// A number that is 0 unless given.
    pub(crate) const fn zero() -> Self {
        Self(Atomic::new(0))
    }

    /// Returns where `param_ops_uint` stores the value, in a single write.
    pub(crate) const fn as_void_ptr(&self) -> *mut c_void {
        self.0.as_ptr().cast()
    }

    /// Returns the value.
    pub(crate) fn value(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Subtracts one, unless it is 0; returns the rest.
    pub(crate) fn count_down(&self) -> Option<u32> {
        let mut before = self.0.load(Relaxed);
        loop {
            let left = before.checked_sub(1)?;
            match self.0.cmpxchg(before, left, Relaxed) {
                Ok(_) => return Some(left),
                Err(now) => before = now,
            }
        }
    }
}

/// Declares a read-only string parameter: `string_param!(HIDE, "hide", "what it is");`
///
/// # Examples
///
/// ```ignore
/// string_param!(
///     /// What it is for.
///     HIDE,
///     "hide",
///     "what modinfo says"
/// );
///
/// let text: &[u8] = HIDE.value();
/// ```
macro_rules! string_param {
    ($(#[$meta:meta])* $value:ident, $name:literal, $description:literal) => {
        $(#[$meta])*
        pub(crate) static $value: $crate::kapi::param::StringParam = $crate::kapi::param::StringParam::new();
        $crate::kapi::param::module_param!(
            $value, $name, $description, "charp", $crate::kapi::param::string_ops(), 0o444);
    };
}
pub(crate) use string_param;

/// Declares a switch: `switch_param!(STRICT, "strict", false, "what it is", 0o644);` where the mode
/// of its file in sysfs says whether root may change it later.
macro_rules! switch_param {
    ($(#[$meta:meta])* $value:ident, $name:literal, $on:literal, $description:literal,
        $mode:literal) => {
        $(#[$meta])*
        pub(crate) static $value: $crate::kapi::param::SwitchParam =
            $crate::kapi::param::SwitchParam::new($on);
        $crate::kapi::param::module_param!(
            $value, $name, $description, "bool", $crate::kapi::param::switch_ops(), $mode);
    };
}
pub(crate) use switch_param;

/// Declares a number: `number_param!(COUNT, "count", "what it is");` that root may change later.
#[cfg(pciback_faults)]
macro_rules! number_param {
    ($(#[$meta:meta])* $value:ident, $name:literal, $description:literal) => {
        $(#[$meta])*
        pub(crate) static $value: $crate::kapi::param::NumberParam =
            $crate::kapi::param::NumberParam::zero();
        $crate::kapi::param::module_param!(
            $value, $name, $description, "uint", $crate::kapi::param::number_ops(), 0o644);
    };
}
#[cfg(pciback_faults)]
pub(crate) use number_param;

/// Expands to what C's `module_param_named(name, value, type, perm)` and `MODULE_PARM_DESC` do.
macro_rules! module_param {
    ($value:ident, $name:literal, $description:literal, $type:literal, $ops:expr, $perm:literal) => {
        // The sections, and what is put there, are those of `module_param_named()`.
        #[allow(unsafe_code)]
        const _: () = {
            #[link_section = "__param"]
            #[used(compiler)]
            static PARAM: kernel::module_param::KernelParam =
                kernel::module_param::KernelParam::new(kernel::bindings::kernel_param {
                    name: kernel::str::as_char_ptr_in_const_context(
                        $crate::kapi::param::c_literal(concat!($name, "\0")),
                    ),
                    // The module's own structure, as THIS_MODULE is in C.
                    mod_: $crate::kapi::param::this_module(),
                    ops: $ops,
                    perm: $perm,
                    level: -1,
                    flags: 0,
                    __bindgen_anon_1: kernel::bindings::kernel_param__bindgen_ty_1 {
                        arg: $value.as_void_ptr(),
                    },
                });

            const TYPE: &str = concat!("parmtype=", $name, ":", $type, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static TYPE_INFO: [u8; TYPE.len()] = $crate::kapi::param::bytes(TYPE);

            const TEXT: &str = concat!("parm=", $name, ":", $description, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static TEXT_INFO: [u8; TEXT.len()] = $crate::kapi::param::bytes(TEXT);
        };
    };
}
pub(crate) use module_param;

/// Adds a field that `module!` doesn't have to what modinfo shows:
/// `module_info!("version", "1.2");`
///
/// UPSTREAM(module-info): `module!` should have `version`, as `MODULE_VERSION()` in C.
macro_rules! module_info {
    ($name:literal, $value:literal) => {
        // The section, and what is put there, are those of `MODULE_INFO()`.
        #[allow(unsafe_code)]
        const _: () = {
            const TEXT: &str = concat!($name, "=", $value, "\0");
            #[link_section = ".modinfo"]
            #[used(compiler)]
            static INFO: [u8; TEXT.len()] = $crate::kapi::param::bytes(TEXT);
        };
    };
}
pub(crate) use module_info;

/// Turns a literal that ends in NUL into a C string, at build time.
pub(crate) const fn c_literal(text: &'static str) -> &'static CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(text) => text,
        Err(_) => panic!("not a C string"), // Evaluated by the compiler only.
    }
}

/// Copies a string into an array, at build time; `N` must be its length.
pub(crate) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    match text.as_bytes().first_chunk::<N>() {
        Some(bytes) => *bytes,
        None => panic!("wrong length"), // Evaluated by the compiler only.
    }
}

/// Returns the module's `struct module`.
pub(crate) const fn this_module() -> *mut kernel::bindings::module {
    (&raw const kernel::bindings::__this_module).cast_mut()
}

/// Returns the kernel's operations for string parameters.
pub(crate) const fn string_ops() -> *const kernel::bindings::kernel_param_ops {
    &raw const kernel::bindings::param_ops_charp
}

/// Returns the kernel's operations for switches.
pub(crate) const fn switch_ops() -> *const kernel::bindings::kernel_param_ops {
    &raw const kernel::bindings::param_ops_bool
}

/// Returns the kernel's operations for numbers.
#[cfg(pciback_faults)]
pub(crate) const fn number_ops() -> *const kernel::bindings::kernel_param_ops {
    &raw const kernel::bindings::param_ops_uint
}
