// SPDX-License-Identifier: GPL-2.0

//! What a device sends to a PV guest, and the PIRQs that Xen has mapped for that.
//!
//! It is the claim's, not the guest's: Xen panics when a guest ends that has bound a PIRQ whose
//! interrupt Xen has freed meanwhile, and it frees those of a device that is removed
//! (`PHYSDEVOP_pci_device_remove`). So what ends first, the guest's use or the claim, unmaps them.

use crate::hypercall::pirq::GuestPirq;
use kernel::prelude::*;

/// What a claimed device sends to a PV guest. Its lock is taken with the device's held.
pub(crate) struct Messages {
    /// What was turned on.
    pub(super) sent: Sent,
    /// A frontend has the device, whose guest may turn on more by itself.
    pub(super) begun: bool,
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
        begun: false,
        told: false,
    };
}
