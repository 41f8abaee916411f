// SPDX-License-Identifier: GPL-2.0

//! Reconciling a guest: giving it what the toolstack lists, and taking back the rest.
//!
//! A guest is a directory in which a toolstack lists devices. After any change in xenstore or of a
//! device the guest is reconciled: everything is read anew, and what has to be done now is done
//! ([`crate::pure::xenbus`] decides). So no event is ever lost or handled twice.

use super::{
    attach::AttachOutcome,
    guest::{
        Guest,
        Uses, //
    },
    guests,
    listing::{
        self,
        keeps, //
    },
    queue,
    store::{
        self,
        retry, //
    },
};
use crate::{
    device::registry,
    kapi::{
        log::log_limited,
        module_ref::ModuleRef,
        xenbus::{
            BackendDriver,
            XenbusDevice, //
        },
    },
    pure::xenbus::{
        Fate,
        State,
        Step, //
    },
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        atomic::Release,
        Arc, //
    },
    workqueue::WorkItem, //
};

impl WorkItem for Guest {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        store::listen();
        // What fails is in the log. Another step has an event of its own.
        if this.reconcile(true) == Ok(Rest::More) {
            queue::schedule(&this);
        }
    }
}

impl BackendDriver for Guest {
    const TYPE: &'static str = "pci";
    const NAME: &'static CStr = c"pciback";

    fn probe(device: XenbusDevice) -> Result<Arc<Self>> {
        let guest = guests::bind(device)?;
        queue::schedule(&guest);
        Ok(guest)
    }

    fn other_end_changed(&self) {
        schedule(&self.node);
    }

    fn removed(&self) {
        let device = self.device.lock().take();
        drop(device);
        // The directory may have gone, or only xenbus's device.
        schedule(&self.node);
    }
}

/// What remains to be done after a step.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Nothing, until the next event.
    Nothing,
    /// Another step, which may be taken at once.
    Step,
    /// What takes long, or can't be done now.
    More,
}

/// The most steps that are taken at once. More are there only if a frontend goes on and on.
const MOST_STEPS: usize = 8;

impl Guest {
    /// Does what has to be done now in this thread, and leaves to the queue what takes long.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: others write all the time.
    /// - `ENOMEM`: no memory.
    /// - xenstored's errno.
    fn settle(self: &Arc<Self>) -> Result {
        for _ in 0..MOST_STEPS {
            match self.reconcile(false)? {
                Rest::Nothing => return Ok(()),
                Rest::Step => {}
                Rest::More => break,
            }
        }
        queue::schedule(self);
        Ok(())
    }

    /// Takes one step of what has to be done now, including what takes long only if `long`.
    ///
    /// # Errors
    ///
    /// - As for [`settle`](Self::settle), after a line in the log.
    fn reconcile(&self, long: bool) -> Result<Rest> {
        let mut uses = self.uses.lock();
        if uses.retired {
            // The directory may have come back since: then it is another guest in the table.
            guests::schedule_all();
            return Ok(Rest::Nothing);
        }
        let rest = retry(|| self.step(&mut uses, long)).inspect_err(|error| {
            // `EAGAIN`: others write all the time. The event of the last write is still to come.
            if *error != EAGAIN {
                log_limited!(
                    pr_err,
                    "domain {}: can't read its list of devices from xenstore ({})\n",
                    self.domain,
                    error.to_errno()
                );
            }
        });
        if uses.exports.is_empty() {
            uses.module = None;
        } else if uses.module.is_none() {
            uses.module = ModuleRef::get();
        }
        rest
    }

    /// Takes one step, after reading everything anew.
    fn step(&self, uses: &mut Uses, long: bool) -> Result<Rest> {
        let other_end = match &*self.device.lock() {
            Some(device) => Some(CString::try_from(device.other_end())?),
            None => None,
        };
        if other_end.is_none() {
            // Whatever can be read.
            self.disconnect(long);
        }
        let seen = listing::look(&self.node, self.domain, other_end.as_deref())?;
        self.while_bound(|device| {
            device.show_state(seen.own);
            Ok(())
        })?;
        let disconnected = seen.keeps_connection() || self.disconnect(long);
        let mut more = !disconnected;
        match seen.step() {
            // A state says that the connection has ended.
            Step::SwitchTo(_) if !disconnected => {}
            Step::SwitchTo(state) => {
                self.switch(seen.own, state)?;
                return Ok(Rest::Step);
            }
            Step::Follow(after) => more |= self.follow(uses, seen.own, after, false, long)?,
            Step::Connect(after) => {
                more |= self.follow(uses, seen.own, Some(after), true, long)?;
            }
            Step::Close(_) if !seen.exists => {
                self.take_back(uses, |_| true)?;
                uses.refused.clear();
                self.waits.store(false, Release);
                uses.retired = disconnected && uses.exports.is_empty() && guests::retire(self);
            }
            // While they are cleaned the guest's lock is free, for which others may be waiting. A
            // frontend that is still connected may ask for what has to wait for that.
            Step::Close(_) | Step::Remove if !disconnected || !self.take_all(uses)? => {}
            Step::Remove => listing::remove(&self.node, self.domain)?,
            Step::Close(Some(state)) => self.switch(seen.own, state)?,
            Step::Close(None) => {}
        }
        Ok(if more { Rest::More } else { Rest::Nothing })
    }

    /// Disconnects from the frontend. Waits for an operation under way, so only if `long`; returns
    /// `true` if it isn't connected any more.
    fn disconnect(&self, long: bool) -> bool {
        let may = long || !self.frontend.is_connected();
        if may {
            self.frontend.disconnect();
        }
        may
    }

    /// Exports what the toolstack added, takes back what it removed, connects to the frontend if
    /// `connects`, and answers. Unless `long`, nothing of a frontend is done, which may wait for
    /// its operations. Returns `true` if it must be called again.
    fn follow(
        &self,
        uses: &mut Uses,
        from: State,
        after: Option<State>,
        connects: bool,
        long: bool,
    ) -> Result<bool> {
        let Some(list) = listing::read(&self.node)? else {
            return Ok(false); // The toolstack has more to write.
        };
        self.take_back(uses, |export| !keeps(&list, export))?;
        // Set before anything is tried: whoever gives a device back from here on schedules those
        // who wait.
        self.waits.store(true, Release);
        let mut refusals = KVec::with_capacity(list.len(), GFP_KERNEL)?;
        let (mut waits, mut retries) = (false, false);
        for entry in list {
            let exported = uses
                .exports
                .iter()
                .find(|export| Some(export.sbdf) == entry.device);
            let outcome = match exported {
                Some(export) if registry::has(&export.claimed) => continue,
                // Released, and perhaps claimed anew, while the guest uses it.
                Some(export) if registry::find(export.sbdf).is_none() => continue,
                Some(_) => self.export_anew(uses, &entry)?,
                None if Fate::of(entry.state, false) != Fate::Export => continue,
                None => self.export(uses, &entry, None)?,
            };
            match outcome {
                AttachOutcome::Exported => {}
                AttachOutcome::Later { retry } => {
                    waits = true;
                    retries |= retry;
                }
                AttachOutcome::Refused(error, why) => {
                    self.refuse(uses, &entry, error, why, after.is_some())?;
                    refusals.push(entry, GFP_KERNEL)?;
                }
            }
        }
        self.waits.store(waits, Release);
        if !long && (connects || self.frontend.is_connected()) {
            return Ok(true);
        }
        // A frontend looks for its devices once, when it is connected.
        if connects && !waits && !self.connect(uses, from)? {
            return Ok(false);
        }
        if self.frontend.is_connected() {
            self.show(uses)?;
        }
        if let Some(after) = after {
            // While the guest waits for a device, the others are announced, and the state stays as
            // it is.
            let to = if waits { from } else { after };
            self.while_bound(|_| listing::answer(&self.node, &uses.exports, &refusals, from, to))?;
        }
        Ok(retries)
    }

    /// Connects to the ring that the frontend has published. Returns `false` if that can't be:
    /// then the connection is closing.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `ENODEV`: the module goes.
    /// - xenstored's errno.
    fn connect(&self, uses: &mut Uses, from: State) -> Result<bool> {
        let queue = queue::operations()?;
        self.show(uses)?;
        let mut published = None;
        let found = self.while_bound(|device| {
            published = listing::published(device.other_end())?;
            Ok(())
        });
        let connected = found.and_then(|()| match published {
            // Not with xenbus's device locked, for which its thread waits: this waits for what the
            // frontend has asked for, and so for a reset under way.
            Some(ring) if self.frontend.keeps(ring) => Ok(()),
            Some(ring) => self.while_bound(|device| self.frontend.connect(device, ring, &queue)),
            None => Ok(()), // It asks for nothing.
        });
        match connected {
            Ok(()) => Ok(true),
            Err(ENOMEM) => Err(ENOMEM),
            Err(error) => {
                self.complain(error, c"the frontend's ring can't be connected");
                self.switch(from, State::Closing)?;
                Ok(false)
            }
        }
    }

    /// Shows the guest what it has.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    fn show(&self, uses: &mut Uses) -> Result {
        let mut functions = KVec::with_capacity(uses.exports.len(), GFP_KERNEL)?;
        for export in &mut uses.exports {
            if let Some(function) = export.show(self.domain)? {
                functions.push(function, GFP_KERNEL)?;
            }
        }
        self.frontend.show(functions);
        Ok(())
    }

    /// Goes from one state to another.
    fn switch(&self, from: State, to: State) -> Result {
        self.while_bound(|_| listing::switch(&self.node, from, to))
    }
}

/// Schedules the guest of a directory.
fn schedule(node: &CStr) {
    if let Some(guest) = guests::find(node) {
        queue::schedule(&guest);
    }
}

/// Reads what toolstacks have written so far, and returns when the state of each device reflects
/// it: whoever is about to give a device away must not get an outdated answer.
///
/// Sleeps while xenstored answers.
///
/// # Errors
///
/// - `EAGAIN`: others write all the time.
/// - `ENOMEM`: no memory.
/// - xenstored's errno.
pub(crate) fn settle() -> Result {
    if !store::listen() {
        return Ok(());
    }
    guests::all()?.iter().try_for_each(Guest::settle)
}
