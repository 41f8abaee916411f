// SPDX-License-Identifier: GPL-2.0

//! What is known of a claimed device.

use crate::{
    kapi::{pci::SavedState, xen::Dom0},
    pure::sbdf::Sbdf,
    reset::record::ResetRecord,
};
use kernel::{pci, prelude::*, sync::aref::ARef, sync::SpinLock};

/// A claimed device, from the end of its claim to its release.
///
/// Shared by the driver core (through [`Claim`](super::claim::Claim)) and by whoever looked it up;
/// who wants to touch the device itself takes its lock and looks it up again.
#[pin_data]
pub(crate) struct Claimed {
    /// The device.
    pub(crate) device: ARef<pci::Device>,
    /// Its address.
    pub(crate) sbdf: Sbdf,
    /// The kind of dom0 that we are in.
    pub(crate) dom0: Dom0,
    /// The GSI that its legacy interrupt pin reaches, if any.
    pub(crate) gsi: Option<u32>,
    /// The configuration as it was when the device was claimed.
    pub(crate) state: SavedState,
    #[pin]
    last_reset: SpinLock<ResetRecord>,
}

impl Claimed {
    /// Puts together what a claim found out.
    pub(crate) fn new(
        device: &pci::Device,
        dom0: Dom0,
        gsi: Option<u32>,
        state: SavedState,
        reset: ResetRecord,
    ) -> impl PinInit<Self> + use<'_> {
        use crate::kapi::pci::DeviceExt;
        let sbdf = device.sbdf();
        pin_init!(Self {
            device: device.into(),
            sbdf,
            dom0,
            gsi,
            state,
            last_reset <- kernel::new_spinlock!(reset),
        })
    }

    /// Returns what is known of the last reset.
    pub(crate) fn last_reset(&self) -> ResetRecord {
        *self.last_reset.lock()
    }

    /// Records a reset.
    pub(crate) fn record(&self, reset: ResetRecord) {
        *self.last_reset.lock() = reset;
    }
}
