// SPDX-License-Identifier: GPL-2.0

//! A device as the guest of a PV frontend sees and uses it: its configuration space, and what it
//! sends. It lasts as long as the guest's use of the device.
//!
//! Whether the guest may still use the device is asked for each operation, with the device's lock
//! held, so that neither this driver nor sysfs resets it meanwhile. The kernel resets links without
//! that lock (of hot-plug ports, DPC, AER); a device reads as all ones then, and isn't written to.
//! A use that has [ended](PvFunction::end) refuses everything.

use crate::{
    device::{
        claimed::Claimed,
        command::Command,
        config_effects::{
            GuestUse,
            Hardware, //
        },
        intx,
        registry,
        sender::{
            self,
            Sender, //
        }, //
    },
    hypercall::pirq::GsiPirq,
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

/// What changes. Its lock is taken with the device's held.
struct State {
    /// The use has ended.
    ended: bool,
    space: KBox<ConfigSpace>,
    /// How many of the fields that the administrator opens (`quirks`) are in it, or refused.
    opened: usize,
    latched: Latched,
    guest_use: GuestUse,
    /// A write was ignored, and the administrator told of it.
    warned: bool,
    /// The guest's PIRQ of the device's GSI.
    line: Option<GsiPirq>,
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
                    "quirks: field at {:#x} ignored: it overlaps another, isn't aligned, or is one too many\n",
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
        let mut hardware = Hardware::new(claimed, &locked, GuestUse::BEGUN);
        let errno = |unfit| match unfit {
            Unfit::Unreadable(_) => ENODEV,
            Unfit::Capabilities(_) => EINVAL,
        };
        let identity = hardware.identity();
        space.describe(&identity, &hardware).map_err(errno)?;
        let (number, line) = interrupt_line(claimed, domain).unzip();
        let begun = space.begin(number.unwrap_or(0), &hardware);
        let latched = begun
            .and_then(|begun| begun.carry_out(|effect| hardware.act(effect)))
            .map_err(|_| ENODEV)?;
        let guest_use = hardware.guest_use;
        let function = Arc::pin_init(
            pin_init!(Self {
                claimed: claimed.clone(),
                domain,
                state <- new_mutex!(State {
                    ended: false,
                    space,
                    opened: 0,
                    latched,
                    guest_use,
                    warned: false,
                    line,
                }),
            }),
            GFP_KERNEL,
        )?;
        sender::begin(claimed, &locked, domain);
        Ok(function)
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
        let lock = DeviceLock::new(&self.claimed.device);
        let mut state = self.state.lock();
        if state.ended || !self.claimed.lets_use(self.domain) {
            return Err(pciif::Error::DeviceNotFound);
        }
        let locked = &lock.locked();
        state.open_fields(&self.claimed);
        intx::see_to(&self.claimed, locked);
        match operation {
            Operation::Read { offset, size } => self.read(&state, locked, offset, size),
            Operation::Write {
                offset,
                size,
                value,
            } => {
                let result = self.write(&mut state, locked, offset, size, value);
                intx::see_to_pin(&self.claimed, locked);
                result
            }
            Operation::EnableMsi => Ok(self.sender(locked).enable_msi()?.into()),
            Operation::EnableMsix => {
                *pirqs = self.sender(locked).enable_msix(&request.entries)?;
                Ok(0)
            }
            Operation::DisableMsi => {
                self.sender(locked).disable_msi();
                Ok(state.latched.interrupt_line().into())
            }
            Operation::DisableMsix => {
                self.sender(locked).disable_msix();
                Ok(state.latched.interrupt_line().into())
            }
        }
    }

    /// Ends the guest's use: waits for an operation under way, and has the device send nothing any
    /// more. What a reset doesn't undo is undone.
    pub(super) fn end(&self) {
        let lock = DeviceLock::new(&self.claimed.device);
        let line = {
            let mut state = self.state.lock();
            state.ended = true;
            state.line.take()
        };
        // The toolstack has done that, if it has taken the device away; but for a frontend that
        // came after that it was mapped again.
        if let Some(line) = line.filter(|_| !shares_line(&self.claimed, self.domain)) {
            line.unmap();
        }
        // Another driver may have the device by now: its release has done the same.
        if !self.claimed.is_claimed() {
            return;
        }
        let locked = &lock.locked();
        sender::end(&self.claimed, locked);
        if Command::read(locked).is_some() {
            locked.set_master(false);
            locked.set_intx(false);
        }
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
        let hardware = Hardware::new(&self.claimed, locked, state.guest_use);
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
        let mut hardware = Hardware::new(&self.claimed, locked, state.guest_use);
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
        state.guest_use = hardware.guest_use;
        state.latched = done?;
        Ok(0)
    }
}

/// Returns the guest's PIRQ of the device's GSI, which the Interrupt Line register says; `None` if
/// there is none, or none that the register has room for.
fn interrupt_line(claimed: &Claimed, domain: DomId) -> Option<(u8, GsiPirq)> {
    let gsi = claimed.interrupts.gsi?;
    let found = GsiPirq::of(claimed.dom0, domain, gsi.number);
    let line = found.and_then(|line| match u8::try_from(line.number()) {
        Ok(number) => Ok((number, line)),
        Err(_) => Err(ERANGE),
    });
    line.inspect_err(|error| {
        // Of a domain that has ended there is nothing to say.
        if *error != ESRCH {
            log_limited!(
                dev_warn,
                &claimed.device,
                "domain {domain}: it gets no INTx ({})\n",
                error.to_errno()
            );
        }
    })
    .ok()
}

/// Returns `true` if a domain has another device with the same GSI, or nobody can tell.
fn shares_line(claimed: &Arc<Claimed>, domain: DomId) -> bool {
    let gsi = |claimed: &Claimed| claimed.interrupts.gsi.map(|gsi| gsi.number);
    let shares = |other: &Arc<Claimed>| {
        gsi(other) == gsi(claimed)
            && other.holder().lets_use(domain)
            && !Arc::ptr_eq(other, claimed)
    };
    registry::all().map_or(true, |all| all.iter().any(shares))
}
