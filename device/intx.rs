// SPDX-License-Identifier: GPL-2.0

//! Sharing the [line](super::intx_line) of a PV guest's device with the drivers of dom0: as long as
//! the guest uses the device, dom0 has a handler for it, also where it sends messages: a guest can
//! have it use its pin all the same. A device in a storm of interrupts loses its pin, not the
//! drivers of dom0 their line.

use super::{
    claimed::Claimed,
    command::Command,
    intx_line::IntxLine,
    messages::{
        Messages,
        Sent, //
    },
    registry, //
};
use crate::kapi::{
    log::log_limited,
    pci::{
        DeviceExt,
        DeviceLock,
        Locked, //
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::aref::ARef, //
};

/// A frontend gets the device.
pub(super) fn begin(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages) {
    let Some(gsi) = claimed.interrupts.gsi else {
        if claimed.device.pin().is_some() {
            // It reaches a line nevertheless, and nobody knows which.
            turn_off(claimed, locked, messages, TurnedOff::Unknown);
        }
        return;
    };
    if gsi.signalling.edge_triggered {
        return; // Xen shares no such line.
    }
    if messages.line.is_none() {
        match IntxLine::new(&claimed.device, gsi, claimed.dom0) {
            Ok(line) => messages.line = Some(line),
            Err(error) => return turn_off(claimed, locked, messages, TurnedOff::Unshared(error)),
        }
    }
    share(claimed, locked, messages);
}

/// Adds the handler, if it is needed and not there. Where that fails, the pin is turned off until
/// the use ends.
fn share(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages) {
    if messages.user.is_none() || messages.pin_is_off {
        return;
    }
    let Some(line) = &mut messages.line else {
        return;
    };
    match line.share(&claimed.device, end_storm) {
        Ok(false) => {}
        Ok(true) => {
            claimed.settings.change(|flags| {
                flags.handler = true;
                flags.acknowledges = true;
            });
        }
        Err(error) => turn_off(claimed, locked, messages, TurnedOff::Unshared(error)),
    }
}

/// The use ends: the pin is turned off, and the handler goes.
pub(super) fn end(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages) {
    if messages.user.is_some() {
        disable_pin(locked);
    }
    let Some(line) = &mut messages.line else {
        return;
    };
    line.leave();
    claimed.settings.change(|flags| {
        flags.handler = false;
        flags.acknowledges = false;
    });
}

/// Before a request of the guest: adds the handler if it has become needed, as in a PVH dom0 a
/// driver may have begun to use the line; and turns a pin off that is to be off, which a reset may
/// have turned on.
pub(crate) fn see_to(claimed: &Claimed, locked: &Locked<'_>) {
    let mut messages = claimed.messages.lock();
    share(claimed, locked, &mut messages);
    keep_off(locked, &messages);
}

/// After what may have turned its pin on, as a reset may: turns one off that is to be off.
pub(crate) fn see_to_pin(claimed: &Claimed, locked: &Locked<'_>) {
    keep_off(locked, &claimed.messages.lock());
}

fn keep_off(locked: &Locked<'_>, messages: &Messages) {
    if messages.pin_is_off {
        disable_pin(locked);
    }
}

/// Returns `true` if the device may use its pin.
pub(super) fn is_allowed(claimed: &Claimed) -> bool {
    let messages = claimed.messages.lock();
    matches!(messages.sent, Sent::Nothing) && !messages.pin_is_off
}

/// Switches the handler on or off, as the administrator asks: one that is off takes no interrupt
/// for the guest's.
pub(crate) fn switch_handler(claimed: &Claimed) {
    let messages = claimed.messages.lock();
    let mut is_on = false;
    claimed.settings.change(|flags| {
        flags.handler = !flags.handler;
        flags.acknowledges |= flags.handler;
        is_on = flags.handler;
    });
    if let Some(line) = &messages.line {
        line.acknowledge(is_on);
    }
}

/// Returns how many interrupts of the device were handled in dom0 during the guest's use.
pub(crate) fn handled(claimed: &Claimed) -> u64 {
    let messages = claimed.messages.lock();
    messages.line.as_ref().map_or(0, IntxLine::handled)
}

/// A storm of interrupts on the line of a device was ended by turning the device's pin off: that is
/// remembered, and the administrator told.
fn end_storm(device: &ARef<pci::Device>) {
    let lock = DeviceLock::new(device);
    let Some(claimed) = registry::find(device.sbdf()) else {
        return;
    };
    if !core::ptr::eq(&*claimed.device, &**device) {
        return; // Another device has come in its place.
    }
    let mut messages = claimed.messages.lock();
    let storms = messages.line.as_ref().is_some_and(IntxLine::storms);
    if storms && !messages.pin_is_off {
        turn_off(&claimed, &lock.locked(), &mut messages, TurnedOff::Storm);
    }
}

/// Turns the pin off, if the device answers.
fn disable_pin(locked: &Locked<'_>) {
    if Command::read(locked).is_some() {
        locked.set_intx(false);
    }
}

/// Why the pin of a device is turned off.
enum TurnedOff {
    /// Nobody knows its line.
    Unknown,
    /// dom0 can't share its line.
    Unshared(Error),
    /// Its interrupts don't end.
    Storm,
}

/// Turns the pin off until the use ends, and tells the administrator.
fn turn_off(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages, why: TurnedOff) {
    messages.pin_is_off = true;
    disable_pin(locked);
    let Some(domain) = messages.user else {
        return;
    };
    match why {
        TurnedOff::Unknown => log_limited!(
            dev_info,
            &claimed.device,
            "domain {domain}: it gets no INTx, as the GSI of the device isn't known\n"
        ),
        TurnedOff::Unshared(error) => log_limited!(
            dev_err,
            &claimed.device,
            "domain {domain}: it gets no INTx, as dom0 can't share the line ({})\n",
            error.to_errno()
        ),
        TurnedOff::Storm => log_limited!(
            dev_err,
            &claimed.device,
            "domain {domain}: INTx is off until the device is attached again: its interrupts didn't end\n"
        ),
    }
}
