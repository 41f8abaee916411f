// SPDX-License-Identifier: GPL-2.0

//! Attributes in `/sys/bus/pci/drivers/pciback`.

use super::{
    parse::patterns,
    settings::{
        AllowInterruptControl,
        IrqHandlerState,
        IrqHandlers,
        KeepPermissive,
        Permissive,
        Quirks,
        Restrictive, //
    },
};
use crate::{
    backend,
    device::slots,
    kapi::attr::{
        attribute_groups,
        DriverStore,
        LargeShow, //
    },
    reset::request::reset_devices,
    stub::{
        bulk,
        hotplug, //
    },
};
use core::ffi::CStr;
use kernel::prelude::*;

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
        hotplug::release_unlisted();
        result
    }
}

/// `probe`: claims listed devices, at the same time.
struct Probe;

impl DriverStore for Probe {
    const NAME: &'static CStr = c"probe";

    fn store(text: &[u8]) -> Result {
        bulk::claim_listed(patterns(text, "probe")?)
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
