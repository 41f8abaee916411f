// SPDX-License-Identifier: GPL-2.0

//! Recovery from PCI Express errors (AER).
//!
//! The kernel calls these with the device's lock held, for each device below the port where an
//! error was found, and all of them wait for each. So nothing here waits for a guest, for xenstore
//! or for a reset of our own.

use super::registry;
use crate::{
    backend::taken_away,
    hypercall::{self, ResetKind},
    kapi::{
        log::log_limited,
        pci::{Command, ConfigAccess, DeviceExt, Locked},
    },
    pure::{
        domid::DomId,
        error_recovery::{self, Answer, Channel},
    },
    reset::request::reset_later,
    stub::claimed::Claimed,
};
use kernel::{pci, prelude::*};

/// Returns the domain that uses the device, if one does.
fn user_of(device: &pci::Device) -> Option<DomId> {
    registry::find(device.sbdf()).and_then(|claimed| claimed.holder().domain())
}

/// An error was found: the device is silenced, and taken from the guest that uses it.
pub(super) fn detected(device: &Locked<'_>, channel: Channel) -> Answer {
    let pdev = device.device();
    let user = user_of(pdev);
    let response = error_recovery::detected(channel, user.is_some());
    if response.silence {
        if let Some(command) = Command::read(device) {
            command.without_master().write(device);
        }
    }
    log_limited!(
        dev_err,
        pdev,
        "PCI Express error ({}): {}\n",
        channel.name(),
        if user.is_some() {
            "taken from its guest"
        } else {
            "recovering"
        }
    );
    let Some(claimed) = registry::find(pdev.sbdf()).filter(|claimed| claimed.is_endpoint()) else {
        return response.answer;
    };
    claimed.record_error(EIO);
    if let Some(domain) = user.filter(|_| response.take_away) {
        if let Err(error) = taken_away(&claimed, domain, channel) {
            log_limited!(
                dev_err,
                pdev,
                "domain {domain} is not told of the error ({})\n",
                error.to_errno()
            );
        }
    }
    response.answer
}

/// The link was reset, and with it the device: its configuration is restored, and Xen told.
pub(super) fn link_was_reset(device: &Locked<'_>) -> Answer {
    let Some(claimed) = registry::find(device.device().sbdf()) else {
        return Answer::Disconnect;
    };
    match restore(device, &claimed) {
        Ok(()) => Answer::Recovered,
        Err(error) => {
            log_limited!(
                dev_err,
                device.device(),
                "not restored after the reset of its link ({})\n",
                error.to_errno()
            );
            Answer::Disconnect
        }
    }
}

/// # Errors
///
/// - `EIO`, `EINVAL`: the device doesn't take its configuration back.
/// - Xen's errno.
fn restore(device: &Locked<'_>, claimed: &Claimed) -> Result {
    let access = ConfigAccess::block(device);
    let exclusive = access.exclusive();
    let quiet = exclusive.quiesce();
    claimed.saved.restore(&exclusive, quiet)?;
    hypercall::reset_done(claimed.dom0, device.device(), ResetKind::Hot)?;
    Ok(())
}

/// The recovery is over. A device that nobody uses is reset; one that a guest uses waits for that
/// until the guest gives it back.
pub(super) fn recovered(device: &Locked<'_>) {
    let pdev = device.device();
    let Some(claimed) = registry::find(pdev.sbdf()) else {
        return;
    };
    if user_of(pdev).is_some() || !claimed.is_endpoint() {
        return;
    }
    if let Err(error) = reset_later(claimed) {
        log_limited!(
            dev_err,
            pdev,
            "not reset after an error ({})\n",
            error.to_errno()
        );
    }
}
