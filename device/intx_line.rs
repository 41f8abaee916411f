// SPDX-License-Identifier: GPL-2.0

//! dom0's side of the interrupt line that a PV guest's device pulls by its pin.
//!
//! Xen sends the interrupts of a line to each domain that has a handler for it. For the drivers of
//! dom0 that share it, the guest's are nobody's, and the kernel turns a line off whose interrupts
//! nearly all are nobody's. So dom0 has a handler for the guest's device too, which takes each for
//! the guest's: only the guest can tell, as the pin may be off again by then.
//!
//! When nobody ends an interrupt, such as after the death of the guest, the line calls the handler
//! without end. If it is this device that pulls it, the handler turns the device's pin off
//! ([`irq_storm`](crate::pure::irq_storm)).

use super::workers;
use crate::{
    kapi::{
        clock, fault,
        irq::{
            mask_pending_intx,
            pulls_intx,
            GsiIrq,
            IrqHandler,
            SharedIrq, //
        },
        pci::DeviceExt,
        workqueue::OwnQueue,
        xen::{
            Dom0,
            Dom0Kind, //
        },
    },
    pure::{
        intx::Gsi,
        irq_storm::{
            Counted,
            Reaction,
            Suspect,
            STORM, //
        },
        time::Time, //
    },
};
use kernel::{
    impl_has_work, new_work, pci,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};

/// What is done about a device in a storm of interrupts. It may sleep.
pub(super) type OnStorm = fn(&ARef<pci::Device>);

/// The line of a claimed device.
pub(super) struct IntxLine {
    /// `None` only while one is exchanged for the other.
    irq: Option<Irq>,
    dom0: Dom0,
}

/// dom0's interrupt of the line.
enum Irq {
    /// Without a handler for the device.
    Idle(GsiIrq),
    /// With one, and what it counts.
    Shared(SharedIrq<Handler>, Arc<Counts>),
}

/// What a handler counts, and what is done when there were too many.
#[pin_data]
struct Counts {
    device: ARef<pci::Device>,
    /// Interrupts are taken for the guest's.
    acknowledges: Atomic<bool>,
    handled: Atomic<u64>,
    /// [`Counted`], for one call of the handler at a time. It does no harm that one may be lost
    /// when the work takes `unseen` back.
    since: Atomic<i64>,
    count: Atomic<u32>,
    unseen_since: Atomic<i64>,
    unseen: Atomic<u32>,
    suspect: Atomic<u32>,
    fast: Atomic<i64>,
    /// There was a storm: the pin is to be off.
    storm: Atomic<bool>,
    on_storm: OnStorm,
    #[pin]
    work: Work<Self>,
}

/// The handler.
struct Handler {
    counts: Arc<Counts>,
    queue: Arc<OwnQueue>,
}

impl_has_work! {
    impl HasWork<Self> for Counts { self.work }
}

impl WorkItem for Counts {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.unseen.store(0, Relaxed);
        if this.storm.load(Relaxed) {
            (this.on_storm)(&this.device);
        }
    }
}

impl Counts {
    fn counted(&self) -> Counted {
        Counted {
            since: Time(self.since.load(Relaxed)),
            count: self.count.load(Relaxed),
            unseen_since: Time(self.unseen_since.load(Relaxed)),
            unseen: self.unseen.load(Relaxed),
            suspect: Suspect::from_raw(self.suspect.load(Relaxed)),
            fast: Time(self.fast.load(Relaxed)),
        }
    }

    fn count(&self, after: Counted) {
        self.since.store(after.since.0, Relaxed);
        self.count.store(after.count, Relaxed);
        self.unseen_since.store(after.unseen_since.0, Relaxed);
        self.unseen.store(after.unseen, Relaxed);
        self.suspect.store(after.suspect.to_raw(), Relaxed);
        self.fast.store(after.fast.0, Relaxed);
    }
}

impl IrqHandler for Handler {
    fn interrupt(&self) -> bool {
        let counts = &self.counts;
        let pulls = || pulls_intx(&counts.device);
        if counts.storm.load(Relaxed) {
            // A reset may have turned its pin on again.
            return pulls() && mask_pending_intx(&counts.device);
        }
        let (after, reaction) =
            counts
                .counted()
                .interrupt(clock::now(), fault::storm(STORM), pulls);
        counts.count(after);
        let is_ended = reaction == Reaction::Storm && mask_pending_intx(&counts.device);
        if is_ended {
            counts.storm.store(true, Relaxed);
        }
        if is_ended || after.is_look_due() {
            self.queue.enqueue(counts.clone());
        }
        // One whose pin can't be turned off leaves its line to the kernel.
        let is_taken =
            is_ended || (reaction == Reaction::Taken && counts.acknowledges.load(Relaxed));
        if is_taken {
            counts.handled.add(1, Relaxed);
        }
        is_taken
    }
}

impl IntxLine {
    /// Finds the line that the pin of the device reaches. There is no handler yet.
    ///
    /// # Errors
    ///
    /// - Those of [`GsiIrq::new`].
    pub(super) fn new(device: &pci::Device, gsi: Gsi, dom0: Dom0) -> Result<Self> {
        Ok(Self {
            irq: Some(Irq::Idle(GsiIrq::new(device, gsi)?)),
            dom0,
        })
    }

    /// Adds the handler, if it is needed and not there. Sleeps.
    ///
    /// In a PV dom0 it always is, since a driver may come later. In a PVH dom0 only next to other
    /// handlers: Xen never takes a line from a PVH dom0 that had a handler once, and would wait for
    /// it at each interrupt of later guests (a millisecond: `do_IRQ_guest()`, xen/arch/x86/irq.c).
    ///
    /// Returns `true` if it was added.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `ENODEV`: the module goes.
    /// - Those of [`SharedIrq::new`].
    pub(super) fn share(&mut self, device: &ARef<pci::Device>, on_storm: OnStorm) -> Result<bool> {
        match &self.irq {
            Some(Irq::Idle(irq)) if self.dom0.kind() == Dom0Kind::Pv || irq.has_handler() => {}
            _ => return Ok(false),
        }
        let name = CString::try_from_fmt(fmt!("pciback[{}]", device.sbdf()))?;
        let queue = workers::queue_of_each_processor()?;
        let counts = Arc::pin_init(
            pin_init!(Counts {
                device: device.clone(),
                acknowledges: Atomic::new(true),
                handled: Atomic::new(0),
                since: Atomic::new(Counted::NONE.since.0),
                count: Atomic::new(Counted::NONE.count),
                unseen_since: Atomic::new(Counted::NONE.unseen_since.0),
                unseen: Atomic::new(Counted::NONE.unseen),
                suspect: Atomic::new(Counted::NONE.suspect.to_raw()),
                fast: Atomic::new(Counted::NONE.fast.0),
                storm: Atomic::new(false),
                on_storm,
                work <- new_work!("pciback_storm"),
            }),
            GFP_KERNEL,
        )?;
        let handler = Handler {
            counts: counts.clone(),
            queue,
        };
        let Some(Irq::Idle(irq)) = self.irq.take() else {
            return Ok(false); // As above.
        };
        match SharedIrq::new(irq, name, handler) {
            Ok(shared) => {
                self.irq = Some(Irq::Shared(shared, counts));
                Ok(true)
            }
            Err((irq, error)) => {
                self.irq = Some(Irq::Idle(irq));
                Err(error)
            }
        }
    }

    /// Takes the handler away, if it is there. Waits for a call under way. The pin is off.
    pub(super) fn leave(&mut self) {
        self.irq = match self.irq.take() {
            Some(Irq::Shared(shared, _)) => Some(Irq::Idle(shared.free())),
            idle => idle,
        };
    }

    fn counts(&self) -> Option<&Counts> {
        match &self.irq {
            Some(Irq::Shared(_, counts)) => Some(counts),
            _ => None,
        }
    }

    /// Returns `true` if there was a storm since the handler was added.
    pub(super) fn storms(&self) -> bool {
        self.counts()
            .is_some_and(|counts| counts.storm.load(Relaxed))
    }

    /// From now on the handler takes interrupts for the guest's, or not.
    pub(super) fn acknowledge(&self, on: bool) {
        if let Some(counts) = self.counts() {
            counts.acknowledges.store(on, Relaxed);
        }
    }

    /// Returns how many interrupts were taken for the guest's since the handler was added.
    pub(super) fn handled(&self) -> u64 {
        self.counts()
            .map_or(0, |counts| counts.handled.load(Relaxed))
    }
}
