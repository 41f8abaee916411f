// SPDX-License-Identifier: GPL-2.0

//! Sharing the [line](super::intx_line) of a PV guest's device with the drivers of dom0: while the
//! device may use its pin, dom0 has a handler for it. A device in a storm of interrupts loses its
//! pin, not the drivers of dom0 their line.

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

/// A frontend gets the device, which may use its pin.
pub(super) fn begin(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages) {
    let Some(gsi) = claimed.interrupts.gsi else {
        return;
    };
    match IntxLine::new(&claimed.device, gsi, claimed.dom0, end_storm) {
        Ok(line) => {
            messages.line = Some(line);
            share(claimed, locked, messages);
        }
        Err(error) => turn_off(claimed, locked, messages, TurnedOff::Unshared(error)),
    }
}

/// Adds the handler, if it is needed and not there. Where that fails, the pin is turned off until
/// the use ends.
pub(super) fn share(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages) {
    if !matches!(messages.sent, Sent::Nothing) || messages.pin_is_off {
        return;
    }
    let Some(line) = &mut messages.line else {
        return;
    };
    match line.share() {
        Ok(false) => {}
        Ok(true) => {
            line.acknowledge(true);
            claimed.settings.change(|flags| {
                flags.handler = true;
                flags.acknowledges = true;
            });
        }
        Err(error) => turn_off(claimed, locked, messages, TurnedOff::Unshared(error)),
    }
}

/// Takes the handler away, if it is there: the device doesn't use its pin any more.
pub(super) fn leave(claimed: &Claimed, messages: &mut Messages) {
    let Some(line) = &mut messages.line else {
        return;
    };
    line.leave();
    claimed.settings.change(|flags| {
        flags.handler = false;
        flags.acknowledges = false;
    });
}

/// Adds the handler if it has become needed: in a PVH dom0 a driver may have begun to use the line.
pub(crate) fn see_to(claimed: &Claimed, locked: &Locked<'_>) {
    share(claimed, locked, &mut claimed.messages.lock());
}

/// Returns `true` if the device may use its pin.
pub(super) fn is_allowed(claimed: &Claimed) -> bool {
    !claimed.messages.lock().pin_is_off
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

/// Ends a storm of interrupts on the line of a device: turns the pin off, and takes the handler
/// away. (An old device can't turn it off, and the kernel will find that its interrupts are
/// nobody's.)
fn end_storm(device: &ARef<pci::Device>) {
    let Some(claimed) = registry::find(device.sbdf()) else {
        return;
    };
    let lock = DeviceLock::new(device);
    let mut messages = claimed.messages.lock();
    if messages.line.as_ref().is_some_and(IntxLine::storms) {
        turn_off(&claimed, &lock.locked(), &mut messages, TurnedOff::Storm);
        leave(&claimed, &mut messages);
    }
}

/// Why the pin of a device is turned off.
enum TurnedOff {
    /// dom0 can't share its line.
    Unshared(Error),
    /// Its interrupts don't end.
    Storm,
}

/// Turns the pin off until the use ends, and tells the administrator.
fn turn_off(claimed: &Claimed, locked: &Locked<'_>, messages: &mut Messages, why: TurnedOff) {
    messages.pin_is_off = true;
    if Command::read(locked).is_some() {
        locked.set_intx(false);
    }
    let Some(domain) = messages.user else {
        return;
    };
    match why {
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
