// SPDX-License-Identifier: GPL-2.0

//! One guest's devices.
//!
//! Whatever changes in xenstore, the connection looks at all of it anew and does what is to be done
//! now ([`crate::pure::xenbus`]). So no event is ever lost or done twice.

use super::{
    export::{export, Export, Refusal},
    give_back::give_back,
    listing::{self, Entry},
    queue,
};
use crate::{
    kapi::{
        log::log_limited,
        xenbus::{store::Transaction, Backend, XenbusDevice},
    },
    pure::xenbus::{Fate, State, Step},
};
use kernel::{
    alloc::AllocError,
    impl_has_work, new_mutex, new_work,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
    workqueue::{Work, WorkItem},
};

/// A guest's connection.
///
/// Looking round is done by one work item, so one at a time. What else happens at the same time is
/// the device's going, which only closes.
#[pin_data]
pub(crate) struct Connection {
    device: XenbusDevice,
    /// Whether the device on xenbus is there: it may be written to under this lock.
    #[pin]
    open: Mutex<bool>,
    /// What the guest has. Taken by the work item only.
    #[pin]
    exports: Mutex<KVec<Export>>,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Connection { self.work }
}

impl WorkItem for Connection {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.look_round();
    }
}

impl Backend for Connection {
    const TYPE: &'static str = "pci";
    const NAME: &'static CStr = c"pciback";

    fn probe(device: XenbusDevice) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                device,
                open <- new_mutex!(true),
                exports <- new_mutex!(KVec::new()),
                work <- new_work!("pciback_connection"),
            }),
            GFP_KERNEL,
        )
    }

    fn changed(self: &Arc<Self>) {
        queue::look_round(self);
    }

    fn other_end_changed(self: &Arc<Self>) {
        queue::look_round(self);
    }

    fn removed(self: &Arc<Self>) {
        *self.open.lock() = false;
        // The devices are given back there, which takes time.
        queue::look_round(self);
    }
}

impl Connection {
    /// Does what is to be done now.
    fn look_round(&self) {
        let mut exports = self.exports.lock();
        let is_open = *self.open.lock();
        let result = if is_open {
            self.step_insistently(&mut exports)
        } else {
            self.take_all(&mut exports);
            Ok(())
        };
        if let Err(error) = result {
            log_limited!(
                pr_err,
                "domain {}: its list of devices can't be followed ({})\n",
                self.device.other_domain(),
                error.to_errno()
            );
        }
    }

    /// Takes a step, and tries again where that fails: nobody would ask for it once more, and the
    /// toolstack would wait. What is there is looked at anew each time.
    fn step_insistently(&self, exports: &mut KVec<Export>) -> Result {
        let mut result = self.step(exports);
        for _ in 1..TRIES {
            if result.is_ok() {
                break;
            }
            result = self.step(exports);
        }
        result
    }

    fn step(&self, exports: &mut KVec<Export>) -> Result {
        let seen = listing::look(&self.device)?;
        self.while_open(|device| {
            device.show_state(seen.own);
            Ok(())
        })?;
        match seen.step() {
            Step::Wait => Ok(()),
            Step::SwitchTo(state) => self.switch(seen.own, state),
            Step::SetUp => self.set_up(exports, seen.own),
            Step::Follow(after) => self.follow(exports, seen.own, after),
            Step::Refuse => self.give_up(seen.own, Error::from_errno(-EOPNOTSUPP), NO_OPERATIONS),
            Step::Close => {
                self.take_all(exports);
                self.switch(seen.own, State::Closed)
            }
        }
    }

    /// Exports all listed devices or none.
    fn set_up(&self, exports: &mut KVec<Export>, from: State) -> Result {
        let Some(list) = listing::read(&Transaction::NONE, self.device.node())? else {
            return Ok(()); // The toolstack has more to write.
        };
        for entry in &list {
            if Fate::of(entry.state, false) != Fate::Export {
                continue;
            }
            if let Err(refusal) = self.export(exports, entry) {
                let text = refused(entry, &refusal);
                self.take_all(exports);
                return self.give_up(from, refusal.error, &text?);
            }
        }
        self.answer(exports, &[], from, State::Initialised)
            .or_else(|error| {
                self.take_all(exports);
                self.give_up(from, error, c"devices not announced")
            })
    }

    /// Exports what the toolstack added, takes back what it removed.
    fn follow(&self, exports: &mut KVec<Export>, from: State, after: State) -> Result {
        let list = listing::read(&Transaction::NONE, self.device.node())?.unwrap_or_default();
        self.take_back(exports, |export| {
            let device = Some(export.placed.real);
            let entry = list.iter().find(|entry| entry.device == device);
            entry.is_none_or(|entry| Fate::of(entry.state, true) == Fate::TakeBack)
        })?;
        let mut refusals = KVec::with_capacity(list.len(), GFP_KERNEL)?;
        for entry in list {
            let mut exported = exports.iter().map(|export| Some(export.placed.real));
            let has = entry.device.is_some() && exported.any(|device| device == entry.device);
            if Fate::of(entry.state, has) != Fate::Export {
                continue;
            }
            if let Err(refusal) = self.export(exports, &entry) {
                let text = refused(&entry, &refusal)?;
                self.complain(refusal.error, &text);
                refusals.push(entry, GFP_KERNEL)?;
            }
        }
        self.answer(exports, &refusals, from, after)
    }

    /// Exports one device.
    fn export(&self, exports: &mut KVec<Export>, entry: &Entry) -> Result<(), Refusal> {
        let no_address = || Refusal::because("no device address")(EINVAL);
        let sbdf = entry.device.ok_or_else(no_address)?;
        let out_of_memory = |error: AllocError| Refusal::because("out of memory")(error.into());
        exports.reserve(1, GFP_KERNEL).map_err(out_of_memory)?;
        let domain = self.device.other_domain();
        let new = export(sbdf, domain, exports)?;
        dev_info!(&new.claimed.device, "used by domain {domain}\n");
        if new.withheld {
            let withheld = Refusal::because("its pciback/state forbids it")(EPERM);
            if let Ok(text) = refused(entry, &withheld) {
                self.complain(withheld.error, &text);
            }
        }
        // There is room.
        let _ = exports.push_within_capacity(new);
        Ok(())
    }

    /// Takes back those exports for which `ends` says so.
    fn take_back(&self, exports: &mut KVec<Export>, ends: impl Fn(&Export) -> bool) -> Result {
        let mut ended = KVec::with_capacity(exports.len(), GFP_KERNEL)?;
        let mut kept = KVec::with_capacity(exports.len(), GFP_KERNEL)?;
        for export in core::mem::take(exports) {
            let list = if ends(&export) { &mut ended } else { &mut kept };
            // There is room.
            let _ = list.push_within_capacity(export);
        }
        *exports = kept;
        give_back(ended, self.device.other_domain());
        Ok(())
    }

    /// Takes all back.
    fn take_all(&self, exports: &mut KVec<Export>) {
        give_back(core::mem::take(exports), self.device.other_domain());
    }

    /// Tells the toolstack and the guest what became of the devices.
    fn answer(&self, exports: &[Export], refusals: &[Entry], from: State, after: State) -> Result {
        self.while_open(|device| listing::answer(device, exports, refusals, from, after))
    }

    /// Goes from one state to another.
    fn switch(&self, from: State, to: State) -> Result {
        self.while_open(|device| listing::switch(device, from, to))
    }

    /// Complains to the toolstack, and closes.
    fn give_up(&self, from: State, error: Error, text: &CStr) -> Result {
        self.complain(error, text);
        self.switch(from, State::Closing)
    }

    /// Complains to the toolstack, and in the log.
    fn complain(&self, error: Error, text: &CStr) {
        let _ = self.while_open(|device| {
            device.error(error, text);
            Ok(())
        });
    }

    /// Does something to the device on xenbus, if it is still there.
    fn while_open(&self, action: impl FnOnce(&XenbusDevice) -> Result) -> Result {
        let open = self.open.lock();
        if *open {
            action(&self.device)
        } else {
            Ok(())
        }
    }
}

/// How often a step is tried: there may be memory the next time.
const TRIES: usize = 3;

/// Operation not supported (include/uapi/asm-generic/errno.h); the kernel crate lacks it.
const EOPNOTSUPP: i32 = 95;

/// What a PV guest's frontend is told.
const NO_OPERATIONS: &CStr = c"configuration space and interrupts of PV guests are not supported";

/// The text for xenstore that says why a device is not exported.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
fn refused(entry: &Entry, refusal: &Refusal) -> Result<CString> {
    let why = refusal.why;
    match entry.device {
        Some(device) => CString::try_from_fmt(fmt!("{device} is not exported: {why}")),
        None => CString::try_from_fmt(fmt!("a device is not exported: {why}")),
    }
}
