// SPDX-License-Identifier: GPL-2.0

//! dom0's side of the interrupt line that a PV guest's device pulls by its pin.
//!
//! Xen sends the interrupts of a line to each domain that has a handler for it. For the drivers of
//! dom0 that share it, the guest's are nobody's, and the kernel turns a line off whose interrupts
//! nearly all are nobody's. So dom0 has a handler for the guest's device too, which takes each for
//! the guest's: only the guest can tell.
//!
//! When nobody ends an interrupt, such as after the death of the guest, the line calls the handler
//! without end. That masks the line then, and the device's pin is turned off.

use super::workers;
use crate::{
    kapi::{
        clock, fault,
        irq::{
            GsiIrq,
            Interrupt,
            IrqHandler,
            SharedIrq, //
        },
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
            STORM, //
        },
        time::Time, //
    },
};
use kernel::{
    impl_has_work, new_work, pci,
    prelude::*,
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

/// The line of a device that a PV guest uses.
pub(super) struct IntxLine {
    /// `None` only while one is exchanged for the other.
    irq: Option<Irq>,
    counts: Arc<Counts>,
    dom0: Dom0,
}

/// dom0's interrupt of the line.
enum Irq {
    /// Without a handler for the guest's device.
    Idle(GsiIrq),
    /// With one.
    Shared(SharedIrq<Handler>),
}

/// What the handler counts, and what is done when there were too many.
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
    unseen: Atomic<u32>,
    /// There was a storm.
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

impl IrqHandler for Handler {
    fn interrupt(&self) -> Interrupt {
        let counts = &self.counts;
        if !counts.acknowledges.load(Relaxed) {
            return Interrupt::Foreign;
        }
        counts.handled.add(1, Relaxed);
        let before = Counted {
            since: Time(counts.since.load(Relaxed)),
            count: counts.count.load(Relaxed),
            unseen: counts.unseen.load(Relaxed),
        };
        let (after, next) = before.interrupt(clock::now(), fault::storm(STORM));
        counts.since.store(after.since.0, Relaxed);
        counts.count.store(after.count, Relaxed);
        counts.unseen.store(after.unseen, Relaxed);
        match next {
            Reaction::Nothing => return Interrupt::Handled,
            Reaction::Look => {}
            Reaction::Stop => {
                counts.acknowledges.store(false, Relaxed);
                counts.storm.store(true, Relaxed);
            }
        }
        self.queue.enqueue(counts.clone());
        if next == Reaction::Stop {
            Interrupt::TooMany
        } else {
            Interrupt::Handled
        }
    }
}

impl IntxLine {
    /// Finds the line that the pin of the device reaches. There is no handler yet.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - Those of [`GsiIrq::new`].
    pub(super) fn new(
        device: &ARef<pci::Device>,
        gsi: Gsi,
        dom0: Dom0,
        on_storm: OnStorm,
    ) -> Result<Self> {
        let irq = GsiIrq::new(device, gsi)?;
        let counts = Arc::pin_init(
            pin_init!(Counts {
                device: device.clone(),
                acknowledges: Atomic::new(true),
                handled: Atomic::new(0),
                since: Atomic::new(i64::MIN),
                count: Atomic::new(0),
                unseen: Atomic::new(0),
                storm: Atomic::new(false),
                on_storm,
                work <- new_work!("pciback_storm"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self {
            irq: Some(Irq::Idle(irq)),
            counts,
            dom0,
        })
    }

    /// Adds the handler, if it is needed and not there. Sleeps.
    ///
    /// In a PV dom0 it always is, since a driver may come later. In a PVH dom0 only next to other
    /// handlers: Xen never takes a line from a PVH dom0 that had a handler once, and would wait for
    /// it at each interrupt of later guests (8 ms, `PT_IRQ_TIME_OUT` of xen/include/asm/hvm/irq.h).
    ///
    /// Returns `true` if it was added.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - `ENODEV`: the module goes.
    /// - Those of [`SharedIrq::new`].
    pub(super) fn share(&mut self) -> Result<bool> {
        let always = self.dom0.kind() == Dom0Kind::Pv;
        match &self.irq {
            Some(Irq::Idle(irq)) if always || irq.has_handler() => {}
            _ => return Ok(false),
        }
        let handler = Handler {
            counts: self.counts.clone(),
            queue: workers::queue()?,
        };
        let Some(Irq::Idle(irq)) = self.irq.take() else {
            return Ok(false); // As above.
        };
        match SharedIrq::new(irq, super::NAME, handler) {
            Ok(shared) => {
                self.irq = Some(Irq::Shared(shared));
                Ok(true)
            }
            Err((irq, error)) => {
                self.irq = Some(Irq::Idle(irq));
                Err(error)
            }
        }
    }

    /// Takes the handler away, if it is there. Waits for a call under way.
    pub(super) fn leave(&mut self) {
        self.irq = match self.irq.take() {
            Some(Irq::Shared(shared)) => Some(Irq::Idle(shared.free())),
            idle => idle,
        };
    }

    /// Returns `true` if there was a storm.
    pub(super) fn storms(&self) -> bool {
        self.counts.storm.load(Relaxed)
    }

    /// From now on the handler takes interrupts for the guest's, or not.
    pub(super) fn acknowledge(&self, on: bool) {
        self.counts.acknowledges.store(on, Relaxed);
    }

    /// Returns how many interrupts were taken for the guest's.
    pub(super) fn handled(&self) -> u64 {
        self.counts.handled.load(Relaxed)
    }
}
