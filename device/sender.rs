// SPDX-License-Identifier: GPL-2.0

//! Turning on and off the [messages](super::messages) (MSI and MSI-X) that a device sends to a PV
//! guest.
//!
//! Xen maps them for the guest ([`crate::hypercall::pirq`]), and writes them to the device. That
//! the device sends them is turned on here. dom0's kernel knows nothing of them.

use super::{
    claimed::Claimed,
    command::Command,
    intx,
    messages::{
        Messages,
        Sent, //
    },
    msix::MsixTable,
    power, //
};
use crate::{
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
        guest_interrupts::Msix,
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

/// A device that is to send messages to a domain, or not, while its lock is held.
pub(crate) struct Sender<'a> {
    /// The device.
    pub(crate) claimed: &'a Claimed,
    /// The same, whose lock is held.
    pub(crate) locked: &'a Locked<'a>,
    /// The domain.
    pub(crate) domain: DomId,
}

/// The frontend of a domain gets the device.
pub(crate) fn begin(claimed: &Claimed, locked: &Locked<'_>, domain: DomId) {
    let mut messages = claimed.messages.lock();
    messages.user = Some(domain);
    intx::begin(claimed, locked, &mut messages);
}

/// Ends all that a PV guest has of the device's messages, whoever turned it on: the device sends
/// none, and no PIRQ is mapped. To be called before Xen forgets the device or its MSI-X table. Does
/// nothing to a device that no frontend has.
pub(crate) fn end(claimed: &Claimed, locked: &Locked<'_>) {
    let mut messages = claimed.messages.lock();
    intx::end(claimed, locked, &mut messages);
    let none = Messages {
        line: messages.line.take(),
        ..Messages::NONE
    };
    let ended = core::mem::replace(&mut *messages, none);
    if ended.user.is_some() && locked.is_present() {
        power::wake(claimed, locked);
        // (A PVH dom0 that has the device back already, from Xen, can't: vPCI drops what clears a
        // bit that it never saw set. There the reset does it.)
        set_control(locked, locked.msi_capability(), MSI_ENABLE, 0);
        let both = MSIX_ENABLE | MSIX_MASK_ALL;
        set_control(locked, locked.msix_capability(), both, 0);
    }
    drop(ended); // This unmaps, also for a device that is gone.
}

impl Sender<'_> {
    /// Turns MSI on; returns the guest's PIRQ. If it is on, the guest gets another one: Linux
    /// doesn't always turn it off before.
    ///
    /// # Errors
    ///
    /// - [`pciif::Error::DeviceNotFound`]: the device doesn't answer.
    /// - [`pciif::Error::Failed`]: MSI-X is on, the device sleeps or has no MSI, the driver holds
    ///   its MSI-X table (which MSI would cost), or Xen refuses.
    pub(crate) fn enable_msi(&self) -> Result<u16, pciif::Error> {
        let mut messages = self.claimed.messages.lock();
        self.check_awake()?;
        let other = is_set(self.locked, self.locked.msix_capability(), MSIX_ENABLE);
        if other || matches!(messages.sent, Sent::Msix { .. }) {
            return Err(pciif::Error::Failed);
        }
        self.turn_off(&mut messages);
        let (pirq, number) = self
            .map_msi()
            .map_err(|error| self.failed(&mut messages, error))?;
        messages.sent = Sent::Msi { _pirq: pirq };
        Ok(number)
    }

    /// Turns MSI-X on, with these entries of the table; returns a PIRQ for each. If it is on, the
    /// guest gets others.
    ///
    /// # Errors
    ///
    /// - [`pciif::Error::DeviceNotFound`]: the device doesn't answer.
    /// - [`pciif::Error::Failed`]: MSI is on, the device sleeps, has no MSI-X or no such entry, or
    ///   doesn't decode memory, or Xen refuses.
    pub(crate) fn enable_msix(&self, entries: &Vectors) -> Result<Vectors, pciif::Error> {
        let mut messages = self.claimed.messages.lock();
        self.check_awake()?;
        let other = is_set(self.locked, self.locked.msi_capability(), MSI_ENABLE);
        // Without decode Xen would write to nothing, and take that for the table (XSA-157).
        if other || matches!(messages.sent, Sent::Msi { .. }) || !self.locked.decodes_memory() {
            return Err(pciif::Error::Failed);
        }
        self.turn_off(&mut messages);
        let (pirqs, numbers) = self
            .map_msix(entries)
            .map_err(|error| self.failed(&mut messages, error))?;
        messages.sent = Sent::Msix { _pirqs: pirqs };
        Ok(numbers)
    }

    /// Turns MSI off, if [`enable_msi`](Self::enable_msi) has turned it on.
    pub(crate) fn disable_msi(&self) {
        let mut messages = self.claimed.messages.lock();
        if matches!(messages.sent, Sent::Msi { .. }) {
            self.turn_off(&mut messages);
        }
    }

    /// Turns MSI-X off, if [`enable_msix`](Self::enable_msix) has turned it on.
    pub(crate) fn disable_msix(&self) {
        let mut messages = self.claimed.messages.lock();
        if matches!(messages.sent, Sent::Msix { .. }) {
            self.turn_off(&mut messages);
        }
    }

    /// # Errors
    ///
    /// - [`pciif::Error::DeviceNotFound`]: the device doesn't answer.
    /// - [`pciif::Error::Failed`]: it sleeps, so that Xen can't write to it.
    fn check_awake(&self) -> Result<(), pciif::Error> {
        Command::read(self.locked).ok_or(pciif::Error::DeviceNotFound)?;
        if self.locked.is_awake() {
            Ok(())
        } else {
            Err(pciif::Error::Failed)
        }
    }

    /// Turns off what is on: the device sends no more, then the PIRQs are unmapped.
    fn turn_off(&self, messages: &mut Messages) {
        let locked = self.locked;
        let (capability, enable) = match messages.sent {
            Sent::Nothing => return,
            Sent::Msi { .. } => (locked.msi_capability(), MSI_ENABLE),
            Sent::Msix { .. } => (locked.msix_capability(), MSIX_ENABLE),
        };
        // One that sleeps takes no writes to its table.
        if !locked.is_awake() {
            power::wake(self.claimed, locked);
        }
        set_control(locked, capability, enable, 0);
        messages.sent = Sent::Nothing;
        if Command::read(locked).is_some() {
            locked.set_intx(!messages.pin_is_off);
        }
    }

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
        if matches!(self.claimed.interrupts.guest.msix, Msix::Held(_)) {
            // Xen would take the hold for MSI-X that is on, and end it.
            return Err(EBUSY);
        }
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

    /// Tells the administrator, once for each use.
    fn failed(&self, messages: &mut Messages, error: Error) -> pciif::Error {
        if !core::mem::replace(&mut messages.told, true) {
            log_limited!(
                dev_warn,
                &self.claimed.device,
                "domain {}: MSI or MSI-X not enabled ({})\n",
                self.domain,
                error.to_errno()
            );
        }
        pciif::Error::Failed
    }
}

/// Reads the Message Control register of a capability, if the device has that, and answers.
fn control(locked: &Locked<'_>, capability: Option<c_int>) -> Option<(c_int, u16)> {
    let offset = capability?.saturating_add(CONTROL);
    let control = locked.read_u16(offset);
    (control != u16::MAX).then_some((offset, control))
}

/// Returns `true` if the bit is set there.
fn is_set(locked: &Locked<'_>, capability: Option<c_int>, bit: u16) -> bool {
    control(locked, capability).is_some_and(|(_, control)| control & bit != 0)
}

/// Clears and sets bits there.
fn set_control(locked: &Locked<'_>, capability: Option<c_int>, clear: u16, set: u16) {
    if let Some((offset, before)) = control(locked, capability) {
        let after = before & !clear | set;
        if after != before {
            locked.write_u16(offset, after);
        }
    }
}
