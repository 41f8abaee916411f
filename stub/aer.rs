// SPDX-License-Identifier: GPL-2.0

//! Recovery from PCI Express errors (AER).
//!
//! The kernel calls these with the device's lock held, for each device below the port where an
//! error was found, one after the other. So nothing here waits for a guest, for xenstore or for a
//! reset of our own.
//!
//! A bridge only answers, and gets its configuration back after the link was reset: it is never
//! failed, and what is below it may be in use.

use crate::{
    backend::aer_notify,
    device::{
        claimed::Claimed,
        command::Command,
        intx,
        registry, //
    },
    hypercall::{
        self,
        ResetKind, //
    },
    kapi::{
        log::log_limited,
        pci::{
            ConfigAccess,
            DeviceExt,
            Locked,
            Unlocked, //
        },
    },
    pure::{
        device_state::Holder,
        domid::DomId,
        error_recovery::{
            self,
            Channel,
            ErsResult,
            Next,
            Resets,
            Signs, //
        },
        reset_state::ResetState, //
    },
    reset::{
        request::reset_later,
        settling, //
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::Arc,
    time::delay::fsleep, //
};

/// Returns the domain that reaches the device.
fn user(device: &pci::Device) -> Option<DomId> {
    match registry::find(device.sbdf())?.holder() {
        // One that is leaving may stay after all.
        Holder::Domain(domain) | Holder::Leaving(domain) => Some(domain),
        Holder::Nobody | Holder::Assigned | Holder::Cleaning(_) | Holder::Gone => None,
    }
}

/// Returns `true` if the device shows an uncorrectable error, or can't be asked.
fn shows_an_error(device: &Locked<'_>) -> bool {
    let (own, physical) = device.error_signs();
    own.show_an_error() || physical.is_some_and(Signs::show_an_error)
}

/// An error was found. A device that it concerns is silenced, and taken from the guest that uses
/// it.
pub(super) fn error_detected(device: &Locked<'_>, channel: Channel) -> ErsResult {
    let claimed = registry::find(device.device().sbdf());
    let Some(claimed) = claimed.filter(|claimed| claimed.is_endpoint()) else {
        return error_recovery::answer(channel);
    };
    let user = user(device.device());
    let shows = channel != Channel::Normal || shows_an_error(device);
    let response = error_recovery::detected(channel, shows, user.is_some());
    if response.silence {
        if let Some(command) = Command::read(device) {
            command.without_master().write(device);
        }
    }
    claimed.aer.begin_recovery(response.affected);
    if response.affected {
        fail(&claimed, channel, user.filter(|_| response.take_away));
    }
    if channel == Channel::Lost && !device.device().is_disconnected() {
        // The recovery has failed for another's sake, so nobody calls `resume`. The others below
        // the port are told of it next.
        end_recovery(claimed, OTHERS);
    }
    response.answer
}

/// The device has failed, and the guest that has it loses it.
fn fail(claimed: &Arc<Claimed>, channel: Channel, loser: Option<DomId>) {
    let device = &claimed.device;
    log_limited!(
        dev_err,
        device,
        "PCI Express error ({}): {}\n",
        channel.name(),
        if loser.is_some() {
            "failed until its guest gives it back"
        } else {
            "recovering"
        }
    );
    claimed.record_error(EIO);
    let Some(domain) = loser else { return };
    if !claimed.aer.begin_notifying() {
        return;
    }
    if let Err(error) = aer_notify(claimed, domain, channel) {
        claimed.aer.forget_notification();
        log_limited!(
            dev_err,
            device,
            "the toolstack of domain {domain} is not notified of the error ({})\n",
            error.to_errno()
        );
    }
}

/// The link was reset, and with it the device: so its configuration is restored and Xen notified.
pub(super) fn slot_reset(device: &Locked<'_>) -> ErsResult {
    let Some(claimed) = registry::find(device.device().sbdf()) else {
        return ErsResult::Disconnect;
    };
    if claimed.is_endpoint() && !claimed.aer.mark_affected() {
        // It showed no error, but the link was reset for another device.
        fail(&claimed, Channel::Frozen, user(device.device()));
    }
    match restore(device, &claimed) {
        Ok(()) => ErsResult::Recovered,
        Err(error) => {
            log_limited!(
                dev_err,
                device.device(),
                "not restored after the reset of its link ({})\n",
                error.to_errno()
            );
            if !claimed.is_endpoint() {
                return ErsResult::Disconnect;
            }
            // It has failed, and is reset by itself. What else is below the port goes on.
            claimed.record_error(error);
            ErsResult::Recovered
        }
    }
}

/// # Errors
///
/// - `EIO`, `EINVAL`: the device doesn't take its configuration back.
/// - `ENODEV`: it may have been removed.
/// - Xen's errno.
fn restore(device: &Locked<'_>, claimed: &Claimed) -> Result {
    let access = ConfigAccess::block(device);
    let exclusive = access.cfg_locked();
    if claimed.is_endpoint() {
        let quiet = exclusive.quiesce();
        claimed.saved.restore(&exclusive, quiet)?;
        intx::see_to_pin(claimed, device);
    } else {
        // What is below it was reset as well. It is restored next, and may not be accessed before.
        exclusive.restore_bridge()?;
        fsleep(settling(device.device()));
    }
    hypercall::notify_reset(claimed.dom0, device, ResetKind::Hot)?;
    Ok(())
}

/// The recovery is over. A device that has failed and that nobody uses is reset; one that a guest
/// uses waits for that until the guest gives it back.
pub(super) fn resume(device: &Locked<'_>) {
    let Some(claimed) = registry::find(device.device().sbdf()) else {
        return;
    };
    // (A bridge is never affected.)
    end_recovery(claimed, 0);
}

/// How long the kernel is given to tell all devices below a port that the recovery has failed, in
/// milliseconds. It waits for nothing meanwhile but their drivers.
const OTHERS: u32 = 1_000;

/// How often it is looked whether a toolstack still may list a device, in milliseconds. There is no
/// event for the end of that time.
const LOOK: u32 = 1_000;

/// The recovery is over for the device; a reset comes after `pause` milliseconds at the earliest.
fn end_recovery(claimed: Arc<Claimed>, pause: u32) {
    let affected = claimed.aer.end_recovery();
    if !affected || user(&claimed.device).is_some() {
        return;
    }
    match claimed.aer.next_step() {
        Some(Next::ResetAfter(millis)) => reset_after(claimed, millis.max(pause)),
        Some(Next::GiveUp) => log_limited!(
            dev_err,
            &claimed.device,
            "errors go on after {} resets: it stays failed; check the card and its slot, then write its \
             address to reset_device\n",
            Resets::LIMIT
        ),
        Some(Next::StayFailed) | None => {}
    }
}

/// Resets the device in the background, unless by then somebody else has reset it or a guest uses
/// it.
fn reset_after(claimed: Arc<Claimed>, millis: u32) {
    let device = claimed.device.clone();
    let still_wanted = move |claimed: &Claimed| {
        let mut lives = claimed.aer.pause(millis);
        // Who was assigned it before the error may list it, and resets it when it gives it back.
        while lives && claimed.holder() == Holder::Assigned {
            lives = claimed.aer.pause(LOOK);
        }
        // It may be in cleaning, and have failed after its reset.
        lives = lives && claimed.wait_left().is_ok() && claimed.is_claimed();
        claimed.aer.end_pending();
        lives && claimed.last_reset().state == ResetState::Failed
    };
    if let Err(error) = reset_later(claimed.clone(), still_wanted) {
        claimed.aer.end_pending();
        log_limited!(
            dev_err,
            &device,
            "not reset after an error ({})\n",
            error.to_errno()
        );
    }
}
