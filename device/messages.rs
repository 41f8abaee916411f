// SPDX-License-Identifier: GPL-2.0

//! What a device sends to a PV guest, and the PIRQs that Xen has mapped for that; and the line of
//! its pin, where it sends nothing.
//!
//! It is the claim's, not the guest's: Xen panics when a guest ends that has bound a PIRQ whose
//! interrupt Xen has freed meanwhile, and it frees those of a device that is removed
//! (`PHYSDEVOP_pci_device_remove`). So what ends first, the guest's use or the claim, unmaps them.

use super::intx_line::IntxLine;
use crate::{
    hypercall::pirq::GuestPirq,
    pure::domid::DomId, //
};
use kernel::prelude::*;

/// What a claimed device sends to a PV guest. Its lock is taken with the device's held.
pub(crate) struct Messages {
    /// What was turned on.
    pub(super) sent: Sent,
    /// The domain of the frontend that has the device. The guest may turn on more by itself.
    pub(super) user: Option<DomId>,
    /// The line of its pin, if that reaches one: found when a frontend first has the device.
    pub(super) line: Option<IntxLine>,
    /// Its pin stays off, since dom0 can't share the line with it.
    pub(super) pin_is_off: bool,
    /// Something failed, and the administrator was told of it.
    pub(super) told: bool,
}

/// What is sent.
pub(super) enum Sent {
    /// Nothing: the device may use its pin.
    Nothing,
    /// MSI.
    Msi { _pirq: GuestPirq },
    /// MSI-X, with these vectors.
    Msix { _pirqs: KVec<GuestPirq> },
}

impl Messages {
    /// Those of a device that no frontend has.
    pub(super) const NONE: Self = Self {
        sent: Sent::Nothing,
        user: None,
        line: None,
        pin_is_off: false,
        told: false,
    };
}
