// SPDX-License-Identifier: GPL-2.0

//! Notifying user space of a change of a device.
//!
//! UPSTREAM(uevent): `kobject_uevent_env()` has no wrapper.
//!
//! C header: [`include/linux/kobject.h`](srctree/include/linux/kobject.h)

use super::fault;
use kernel::{
    bindings,
    error::to_result,
    pci,
    prelude::*,
    str::CString, //
};

/// The most variables that an event can have here; the kernel's own limit is 64 with its own
/// (`UEVENT_NUM_ENVP`).
const MOST: usize = 4;

/// Sends a `change` event of the device with these variables (`NAME=value`).
///
/// # Errors
///
/// - `EINVAL`: more variables than there is room for.
/// - The errno of `kobject_uevent_env()`, such as `ENOMEM`.
///
/// # Examples
///
/// ```ignore
/// uevent::changed(device, &[CString::try_from_fmt(fmt!("STATE=clean"))?])?;
/// ```
pub(crate) fn changed(device: &pci::Device, variables: &[CString]) -> Result {
    let mut list = [core::ptr::null_mut(); MOST + 1];
    if variables.len() > MOST {
        return Err(EINVAL);
    }
    for (entry, variable) in list.iter_mut().zip(variables) {
        *entry = variable.as_char_ptr().cast_mut();
    }
    fault::point("kobject_uevent_env")?;
    let dev = super::pci::raw_dev(device);
    // SAFETY: The device is valid; the list is one of C strings, ended by a null pointer (one
    // entry is left for it), and only read.
    to_result(unsafe {
        bindings::kobject_uevent_env(
            &raw mut (*dev).kobj,
            bindings::kobject_action_KOBJ_CHANGE,
            list.as_mut_ptr(),
        )
    })
}
