// SPDX-License-Identifier: GPL-2.0

//! Telling the toolstack that a guest has lost a device to an error.
//!
//! The frontend of a PV guest isn't asked (`XEN_PCI_OP_aer_*`), for which the C driver waits up to
//! 300 s with the recovery of everything below the port:
//!
//! - Linux's frontend calls `mmio_enabled` and `slot_reset` of any driver that has `error_detected`
//!   (`pcifront_common_process()`, drivers/pci/xen-pcifront.c). nvme, igb and e1000e have no
//!   `mmio_enabled`: where the error isn't fatal, the guest's kernel would follow a null pointer.
//! - What these drivers do then (`pci_disable_device()`, `pci_restore_state()`) are requests of the
//!   frontend, each of which takes the device's lock. The kernel holds that while it calls here.
//! - A guest can't restore what a reset of the link takes: BARs and the entries of MSI-X are Xen's
//!   and dom0's to write.
//! - The answer would change nothing. The device is silent and `failed` until it is given back and
//!   was reset; the guest goes on when it is attached again.

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
        let answers = [
            ("by an event", send(&claimed, domain, channel)),
            ("in xenstore (aerState)", write(domain)),
        ];
        for (how, answer) in answers {
            if let Err(error) = answer {
                claimed.aer.forget_notification();
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
