// SPDX-License-Identifier: GPL-2.0

//! Messages (MSI and MSI-X) that a device sends to a PV guest.
//!
//! Xen maps them for the guest ([`crate::hypercall::pirq`]), and writes them to the device. That
//! the device sends them is turned on here. dom0's kernel knows nothing of them.

use crate::{
    device::{
        claimed::Claimed,
        msix::MsixTable, //
    },
    hypercall::{
        msix::TableEntry,
        pirq::{
            GuestPirq,
            Message, //
        },
    },
    kapi::{
        log::log_limited,
        pci::Locked, //
    },
    pure::{
        domid::DomId,
        pciif::{
            self,
            Vectors, //
        },
    },
};
use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

/// The Message Control register: its offset in both capabilities, and its bits (PCI 3.0 sec
/// 6.8.1.3, 6.8.2.3).
const CONTROL: c_int = 2;
const MSI_ENABLE: u16 = bindings::PCI_MSI_FLAGS_ENABLE as u16;
const MSIX_ENABLE: u16 = bindings::PCI_MSIX_FLAGS_ENABLE as u16;
const MSIX_MASK_ALL: u16 = bindings::PCI_MSIX_FLAGS_MASKALL as u16;

/// What a device sends.
pub(super) enum Messages {
    /// Nothing: it may use its pin.
    Off,
    /// MSI.
    Msi { _pirq: GuestPirq },
    /// MSI-X, with these vectors.
    Msix { _pirqs: KVec<GuestPirq> },
}

/// A device that is to send messages, or not, while its lock is held.
pub(super) struct Sender<'a> {
    pub(super) claimed: &'a Claimed,
    pub(super) locked: &'a Locked<'a>,
    pub(super) domain: DomId,
}

impl Messages {
    /// Turns MSI on; returns the guest's PIRQ. If it is on, the guest gets another one: Linux
    /// doesn't always turn it off before.
    ///
    /// # Errors
    ///
    /// - [`pciif::Error::Failed`]: MSI-X is on, the device has no MSI, or Xen refuses.
    pub(super) fn enable_msi(&mut self, sender: &Sender<'_>) -> Result<u16, pciif::Error> {
        if matches!(self, Self::Msix { .. }) {
            return Err(pciif::Error::Failed);
        }
        self.disable(sender);
        sender
            .map_msi()
            .map_err(|error| sender.failed(error))
            .map(|(pirq, number)| {
                *self = Self::Msi { _pirq: pirq };
                number
            })
    }

    /// Turns MSI-X on, with these entries of the table; returns a PIRQ for each. If it is on, the
    /// guest gets others.
    ///
    /// # Errors
    ///
    /// - [`pciif::Error::Failed`]: MSI is on, the device has no MSI-X or no such entry, it doesn't
    ///   decode memory, or Xen refuses.
    pub(super) fn enable_msix(
        &mut self,
        sender: &Sender<'_>,
        entries: &Vectors,
    ) -> Result<Vectors, pciif::Error> {
        // Without decode Xen would write to nothing, and take that for the table (XSA-157).
        if matches!(self, Self::Msi { .. }) || !sender.locked.decodes_memory() {
            return Err(pciif::Error::Failed);
        }
        self.disable(sender);
        let (pirqs, numbers) = sender
            .map_msix(entries)
            .map_err(|error| sender.failed(error))?;
        *self = Self::Msix { _pirqs: pirqs };
        Ok(numbers)
    }

    /// Turns MSI off, if that is on.
    pub(super) fn disable_msi(&mut self, sender: &Sender<'_>) {
        if matches!(self, Self::Msi { .. }) {
            self.disable(sender);
        }
    }

    /// Turns MSI-X off, if that is on.
    pub(super) fn disable_msix(&mut self, sender: &Sender<'_>) {
        if matches!(self, Self::Msix { .. }) {
            self.disable(sender);
        }
    }

    /// Turns off what is on: the device sends no more, then the PIRQs are unmapped.
    pub(super) fn disable(&mut self, sender: &Sender<'_>) {
        let locked = sender.locked;
        match self {
            Self::Off => return,
            Self::Msi { .. } => set_control(locked, locked.msi_capability(), MSI_ENABLE, 0),
            Self::Msix { .. } => set_control(locked, locked.msix_capability(), MSIX_ENABLE, 0),
        }
        *self = Self::Off;
        locked.set_intx(true);
    }
}

impl Sender<'_> {
    fn map(&self, message: Message) -> Result<(GuestPirq, u16)> {
        let pirq = GuestPirq::map(self.claimed.dom0, self.locked, self.domain, message)?;
        // The protocol has 16 bits for it, and 0 stands for none.
        let number = u16::try_from(pirq.number()).map_err(|_| ERANGE)?;
        if number == 0 {
            return Err(ERANGE);
        }
        Ok((pirq, number))
    }

    fn map_msi(&self) -> Result<(GuestPirq, u16)> {
        let capability = self.locked.msi_capability().ok_or(ENXIO)?;
        let mapped = self.map(Message::Msi)?;
        self.locked.set_intx(false);
        set_control(self.locked, Some(capability), 0, MSI_ENABLE);
        Ok(mapped)
    }

    fn map_msix(&self, entries: &Vectors) -> Result<(KVec<GuestPirq>, Vectors)> {
        let entries = entries.as_slice();
        let table = MsixTable::read(self.locked)?;
        if entries.iter().any(|index| *index >= table.entries) {
            return Err(EINVAL);
        }
        let mut pirqs = KVec::with_capacity(entries.len(), GFP_KERNEL)?;
        let mut numbers = Vectors::new(0);
        for index in entries {
            let entry = TableEntry {
                bar: table.bar,
                index: *index,
            };
            let (pirq, number) = self.map(Message::Msix(entry))?;
            pirqs.push_within_capacity(pirq)?;
            numbers.push(number).map_err(|_| EINVAL)?;
        }
        self.locked.set_intx(false);
        let capability = self.locked.msix_capability();
        set_control(self.locked, capability, MSIX_MASK_ALL, MSIX_ENABLE);
        Ok((pirqs, numbers))
    }

    fn failed(&self, error: Error) -> pciif::Error {
        log_limited!(
            dev_warn,
            &self.claimed.device,
            "domain {}: it gets no messages ({})\n",
            self.domain,
            error.to_errno()
        );
        pciif::Error::Failed
    }
}

/// Clears and sets bits of the Message Control register.
fn set_control(locked: &Locked<'_>, capability: Option<c_int>, clear: u16, set: u16) {
    let Some(capability) = capability else {
        return;
    };
    let offset = capability.saturating_add(CONTROL);
    let control = locked.read_u16(offset);
    // All ones: the device is gone.
    if control != u16::MAX {
        locked.write_u16(offset, control & !clear | set);
    }
}
