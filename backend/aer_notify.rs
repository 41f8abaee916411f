// SPDX-License-Identifier: GPL-2.0

//! Telling the toolstack that a guest has lost a device to an error.

use super::queue;
use crate::{
    device::claimed::Claimed,
    kapi::{
        log::log_limited,
        uevent,
        xenbus::store::transact, //
    },
    pure::{
        domid::DomId,
        error_recovery::Channel, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// Notifies the toolstack, in the background: by `aerState` in the directory of the guest's
/// devices, as the C driver does it, and by an event of the device.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `ENODEV`: the module goes.
pub(crate) fn aer_notify(claimed: &Arc<Claimed>, domain: DomId, channel: Channel) -> Result {
    let claimed = claimed.clone();
    queue::spawn(move || {
        claimed.aer.notified();
        let answers = [
            ("by an event", send(&claimed, domain, channel)),
            ("in xenstore (aerState)", write(domain)),
        ];
        for (how, answer) in answers {
            if let Err(error) = answer {
                log_limited!(
                    dev_err,
                    &claimed.device,
                    "the toolstack of domain {domain} is not notified of the error {how} ({})\n",
                    error.to_errno()
                );
            }
        }
    })
}

fn send(claimed: &Claimed, domain: DomId, channel: Channel) -> Result {
    let variables = [
        CString::try_from_fmt(fmt!("PCIBACK_ERROR={}", channel.name()))?,
        CString::try_from_fmt(fmt!("PCIBACK_DOMAIN={domain}"))?,
    ];
    uevent::changed(&claimed.device, &variables)
}

/// Writes the node, unless the guest has gone: it would bring its directory back.
fn write(domain: DomId) -> Result {
    let dir = CString::try_from_fmt(fmt!("/local/domain/0/backend/pci/{domain}/0"))?;
    transact(|transaction| {
        if !transaction.exists(&dir, c"")? {
            return Ok(());
        }
        transaction.write(&dir, c"aerState", c"aerfail")
    })
}
