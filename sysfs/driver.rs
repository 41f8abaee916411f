// SPDX-License-Identifier: GPL-2.0

//! Attributes in `/sys/bus/pci/drivers/pciback`.

use super::settings::{
    AllowInterruptControl, IrqHandlerState, IrqHandlers, KeepPermissive, Permissive, Quirks,
    Restrictive,
};
use crate::{
    backend,
    device::slots,
    kapi::{
        attr::{attribute_groups, DriverStore, LargeShow},
        log::log_limited,
    },
    pure::bdf_grammar::{List, Malformed, Pattern},
    reset::request::reset_devices,
    stub::{arrivals, together},
};
use core::ffi::CStr;
use kernel::prelude::*;

/// Says in the log that what was written is no device address.
pub(super) fn malformed(file: &'static str) -> impl Fn(Malformed) -> Error {
    move |Malformed { at }| {
        log_limited!(pr_warn, "{file}: not a device address at byte {at}\n");
        EINVAL
    }
}

/// Parses a list of addresses, all of it before anything is done.
///
/// # Errors
///
/// - `EINVAL`, after a line in the log: it is none.
fn patterns<'a>(
    text: &'a [u8],
    file: &'static str,
) -> Result<impl Iterator<Item = Pattern> + Clone + use<'a>> {
    for pattern in List::new(text) {
        pattern.map_err(malformed(file))?;
    }
    Ok(List::new(text).filter_map(core::result::Result::ok))
}

/// `new_slot`: lists slots.
struct NewSlot;

impl DriverStore for NewSlot {
    const NAME: &'static CStr = c"new_slot";

    fn store(text: &[u8]) -> Result {
        slots::add(patterns(text, "new_slot")?)
    }
}

/// `remove_slot`: takes slots off the list.
struct RemoveSlot;

impl DriverStore for RemoveSlot {
    const NAME: &'static CStr = c"remove_slot";

    fn store(text: &[u8]) -> Result {
        let result = slots::remove(patterns(text, "remove_slot")?);
        arrivals::review();
        result
    }
}

/// `probe`: claims listed devices, at the same time.
struct Probe;

impl DriverStore for Probe {
    const NAME: &'static CStr = c"probe";

    fn store(text: &[u8]) -> Result {
        together::claim_listed(patterns(text, "probe")?)
    }
}

/// `slots`: the list.
struct Slots;

impl LargeShow for Slots {
    const NAME: &'static CStr = c"slots";

    fn read(pos: usize, out: &mut [u8]) -> Result<usize> {
        Ok(slots::read(pos, out))
    }
}

/// `reset_device`: resets claimed devices.
struct ResetDevice;

impl DriverStore for ResetDevice {
    const NAME: &'static CStr = c"reset_device";

    fn store(text: &[u8]) -> Result {
        reset_devices(patterns(text, "reset_device")?)
    }
}

/// `do_flr`: the same under the name that libxl and xenopsd know.
struct DoFlr;

impl DriverStore for DoFlr {
    const NAME: &'static CStr = c"do_flr";

    fn store(text: &[u8]) -> Result {
        let patterns = patterns(text, "do_flr")?;
        // The toolstack is about to give the device away, or has just taken it back.
        backend::settle()?;
        reset_devices(patterns)
    }
}

attribute_groups!(
    GROUPS: DriverAttribute,
    None,
    [
        NEW_SLOT = DriverAttribute::write_only::<NewSlot>(),
        REMOVE_SLOT = DriverAttribute::write_only::<RemoveSlot>(),
        PROBE = DriverAttribute::write_only::<Probe>(),
        RESET_DEVICE = DriverAttribute::write_only::<ResetDevice>(),
        DO_FLR = DriverAttribute::write_only::<DoFlr>(),
        RESTRICTIVE = DriverAttribute::write_only::<Restrictive>(),
        IRQ_HANDLER_STATE = DriverAttribute::write_only::<IrqHandlerState>(),
    ],
    [
        SLOTS = LargeAttribute::read_only::<Slots>(),
        PERMISSIVE = LargeAttribute::read_write::<Permissive>(),
        KEEP_PERMISSIVE = LargeAttribute::read_write::<KeepPermissive>(),
        ALLOW_INTERRUPT_CONTROL = LargeAttribute::read_write::<AllowInterruptControl>(),
        IRQ_HANDLERS = LargeAttribute::read_only::<IrqHandlers>(),
        QUIRKS = LargeAttribute::read_write::<Quirks>(),
    ]
);
