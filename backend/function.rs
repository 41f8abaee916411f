// SPDX-License-Identifier: GPL-2.0

//! A device as the guest of a PV frontend sees and uses it: its configuration space, and what it
//! sends. It lasts as long as the guest's use of the device.
//!
//! Whether the guest may still use the device is asked for each operation, with the device's lock
//! held, so that no reset is under way. A use that has [ended](PvFunction::end) refuses everything.

use super::messages::{
    Messages,
    Sender, //
};
use crate::{
    device::{
        claimed::Claimed,
        config_effects::Hardware, //
    },
    kapi::{
        log::log_limited,
        pci::{
            DeviceLock,
            Locked, //
        },
    },
    params::PERMISSIVE,
    pure::{
        config_space::{
            ConfigSpace,
            Latched,
            Place,
            Rights,
            Unfit, //
        },
        domid::DomId,
        pciif::{
            self,
            Operation,
            Request,
            Vectors, //
        },
    },
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
};

/// A device as a guest sees it.
#[pin_data]
pub(super) struct PvFunction {
    claimed: Arc<Claimed>,
    domain: DomId,
    #[pin]
    state: Mutex<State>,
}

/// What changes. Under its lock that of the device is taken.
struct State {
    /// The use has ended.
    ended: bool,
    space: KBox<ConfigSpace>,
    /// How many of the fields that the administrator opens (`quirks`) are in it, or refused.
    opened: usize,
    latched: Latched,
    /// The guest has enabled the device.
    enabled: bool,
    messages: Messages,
    /// A write was ignored, and the administrator told of it.
    warned: bool,
}

impl State {
    /// Opens the fields that the administrator has listed since the last time.
    fn open_fields(&mut self, claimed: &Claimed) {
        let space = &mut self.space;
        self.opened = claimed.settings.later_fields(self.opened, |field| {
            if space.open(*field).is_err() {
                log_limited!(
                    dev_warn,
                    &claimed.device,
                    "quirks: the field at {:x} has rules already, isn't aligned, or is one too many\n",
                    field.offset
                );
            }
        });
    }
}

impl PvFunction {
    /// Describes a device that a guest uses. Sleeps until the device's lock is free.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `ENODEV`: the guest doesn't use the device any more, or it is gone.
    /// - `EINVAL`: it can't be shown, since its capabilities contradict each other.
    pub(super) fn new(claimed: &Arc<Claimed>, domain: DomId) -> Result<Arc<Self>> {
        let mut space = KBox::new(ConfigSpace::EMPTY, GFP_KERNEL)?;
        let lock = DeviceLock::new(&claimed.device);
        let locked = lock.locked();
        if !claimed.lets_use(domain) {
            return Err(ENODEV);
        }
        // As the guest finds it: a claimed device decodes.
        let mut hardware = Hardware::new(claimed, &locked, true);
        let errno = |unfit| match unfit {
            Unfit::Unreadable(_) => ENODEV,
            Unfit::Capabilities(_) => EINVAL,
        };
        let identity = hardware.identity();
        space.describe(&identity, &hardware).map_err(errno)?;
        let begun = space.begin(interrupt_line(claimed), &hardware);
        let latched = begun
            .and_then(|begun| begun.carry_out(|effect| hardware.act(effect)))
            .map_err(|_| ENODEV)?;
        Arc::pin_init(
            pin_init!(Self {
                claimed: claimed.clone(),
                domain,
                state <- new_mutex!(State {
                    ended: false,
                    space,
                    opened: 0,
                    latched,
                    enabled: true,
                    messages: Messages::Off,
                    warned: false,
                }),
            }),
            GFP_KERNEL,
        )
    }

    /// Carries out what is requested; returns the value to answer with, and fills in the PIRQ of
    /// each vector. Sleeps, as long as a reset under way at most.
    ///
    /// # Errors
    ///
    /// - [`pciif::Error::DeviceNotFound`]: the guest doesn't use the device any more, or it is
    ///   gone.
    /// - Those of the operation.
    pub(super) fn perform(
        &self,
        request: &Request,
        pirqs: &mut Vectors,
    ) -> Result<u32, pciif::Error> {
        let operation = request.operation?;
        let mut state = self.state.lock();
        let lock = DeviceLock::new(&self.claimed.device);
        if state.ended || !self.claimed.lets_use(self.domain) {
            return Err(pciif::Error::DeviceNotFound);
        }
        let locked = &lock.locked();
        state.open_fields(&self.claimed);
        match operation {
            Operation::Read { offset, size } => self.read(&state, locked, offset, size),
            Operation::Write {
                offset,
                size,
                value,
            } => self.write(&mut state, locked, offset, size, value),
            Operation::EnableMsi => {
                let pirq = state.messages.enable_msi(&self.sender(locked))?;
                Ok(pirq.into())
            }
            Operation::EnableMsix => {
                let sender = self.sender(locked);
                *pirqs = state.messages.enable_msix(&sender, &request.entries)?;
                Ok(0)
            }
            Operation::DisableMsi => {
                state.messages.disable_msi(&self.sender(locked));
                Ok(interrupt_line(&self.claimed).into())
            }
            Operation::DisableMsix => {
                state.messages.disable_msix(&self.sender(locked));
                Ok(interrupt_line(&self.claimed).into())
            }
        }
    }

    /// Ends the guest's use: waits for an operation under way, and has the device send nothing any
    /// more. What a reset doesn't undo is undone.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        let lock = DeviceLock::new(&self.claimed.device);
        // Another driver may have the device by now.
        if self.claimed.is_claimed() {
            let locked = &lock.locked();
            // A device that sleeps takes no writes. Where it doesn't wake, the reset will tell.
            let _ = locked.wake();
            self.claimed.saved.restore_decode(locked);
            state.messages.disable(&self.sender(locked));
            locked.set_master(false);
        }
        state.messages = Messages::Off;
    }

    fn sender<'a>(&'a self, locked: &'a Locked<'a>) -> Sender<'a> {
        Sender {
            claimed: &self.claimed,
            locked,
            domain: self.domain,
        }
    }

    fn read(
        &self,
        state: &State,
        locked: &Locked<'_>,
        offset: i32,
        size: i32,
    ) -> Result<u32, pciif::Error> {
        let hardware = Hardware::new(&self.claimed, locked, state.enabled);
        let place = Place::requested(offset, size, hardware.extent())?;
        state.space.read(&state.latched, place, &hardware)
    }

    fn write(
        &self,
        state: &mut State,
        locked: &Locked<'_>,
        offset: i32,
        size: i32,
        value: u32,
    ) -> Result<u32, pciif::Error> {
        let mut hardware = Hardware::new(&self.claimed, locked, state.enabled);
        let place = Place::requested(offset, size, hardware.extent())?;
        let flags = self.claimed.settings.flags();
        let rights = Rights {
            permissive: flags.permissive || PERMISSIVE.is_on(),
            interrupt_control: flags.interrupt_control,
        };
        let written = state
            .space
            .write(&state.latched, rights, place, value, &hardware)?;
        if written.is_ignored() && !core::mem::replace(&mut state.warned, true) {
            log_limited!(
                dev_warn,
                &self.claimed.device,
                "domain {} wrote {size} bytes at {offset:#x} of its configuration space: ignored, as it isn't permissive\n",
                self.domain
            );
        }
        let done = written.carry_out(|effect| hardware.act(effect));
        state.enabled = hardware.enabled;
        state.latched = done?;
        Ok(0)
    }
}

/// What the Interrupt Line register says: the GSI, which is also the guest's PIRQ of it. A number
/// that the register has no room for is none.
fn interrupt_line(claimed: &Claimed) -> u8 {
    let gsi = claimed.interrupts.gsi.map(u8::try_from);
    gsi.and_then(Result::ok).unwrap_or(0)
}
