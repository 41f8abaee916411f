// SPDX-License-Identifier: GPL-2.0

//! The connection to a PV frontend: the ring by which it asks for operations, and who answers.
//!
//! An event only queues the work item. That takes the lock of the link for one request at a time,
//! so the operation under way is waited for by whoever takes the link out, who then unbinds the
//! event channel and unmaps the page. Each event is allowed again once (XSA-332), and a run answers
//! a bounded number of requests.

use super::function::PvFunction;
use crate::{
    kapi::{
        workqueue::OwnQueue,
        xenbus::{
            EventChannel,
            EventHandler,
            RingPage,
            XenbusDevice, //
        },
    },
    pure::{
        pciif::{
            self,
            Request,
            Vectors, //
        },
        sbdf::Sbdf, //
    },
};
use kernel::{
    impl_has_work, new_mutex, new_work,
    prelude::*,
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};

/// The requests that one run answers. A guest has one at a time.
const MOST_ANSWERS: usize = 16;

/// What a frontend has published of its ring.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ring {
    /// The grant of the page (`pci-op-ref`).
    pub(super) grant: u32,
    /// The event channel's port (`event-channel`).
    pub(super) port: u32,
}

/// The backend's side of a frontend; dropping it disconnects.
pub(super) struct Frontend(Arc<Server>);

/// Who answers. While it is connected, the event channel keeps it.
#[pin_data]
struct Server {
    /// Held while a request is answered.
    #[pin]
    link: Mutex<Option<Link>>,
    /// To which ring that is, for whoever doesn't want to wait for an answer.
    #[pin]
    ring: Mutex<Option<Ring>>,
    /// There was an event, and the next one isn't allowed yet.
    event: Atomic<bool>,
    /// What the guest sees, and where.
    #[pin]
    functions: Mutex<KVec<(Sbdf, Arc<PvFunction>)>>,
    #[pin]
    work: Work<Self>,
}

/// A connected ring. The fields are dropped in this order.
struct Link {
    channel: EventChannel<Events>,
    page: RingPage,
    queue: Arc<OwnQueue>,
}

/// What is done at an event.
struct Events {
    queue: Arc<OwnQueue>,
    server: Arc<Server>,
}

impl EventHandler for Events {
    fn event(&self) {
        self.server.event.store(true, Release);
        self.queue.enqueue(self.server.clone());
    }
}

impl_has_work! {
    impl HasWork<Self> for Server { self.work }
}

impl WorkItem for Server {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        // The lock is free in between, for who wants to disconnect.
        let answers = (0..MOST_ANSWERS).take_while(|_| {
            this.link
                .lock()
                .as_ref()
                .is_some_and(|link| this.answer(link))
        });
        let answered = answers.count();
        let guard = this.link.lock();
        let Some(link) = guard.as_ref() else {
            return; // It was disconnected.
        };
        if this.event.xchg(false, Acquire) {
            link.channel.eoi(answered == 0);
        }
        if answered == MOST_ANSWERS {
            link.queue.enqueue(this.clone());
        }
    }
}

impl Frontend {
    /// One that is not connected.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn new() -> Result<Self> {
        let server = Arc::pin_init(
            pin_init!(Server {
                link <- new_mutex!(None),
                ring <- new_mutex!(None),
                event: Atomic::new(false),
                functions <- new_mutex!(KVec::new()),
                work <- new_work!("pciback_operation"),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self(server))
    }

    /// Connects to a ring, whose requests are answered on `queue` from then on. It must not be
    /// connected to another one, see [`keeps`](Self::keeps).
    ///
    /// Waits for nothing that frontends ask for, so the lock of xenbus's device may be held.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    /// - Those of [`RingPage::map`] and [`EventChannel::bind`]: there is no such ring.
    pub(super) fn connect(
        &self,
        device: &XenbusDevice,
        ring: Ring,
        queue: &Arc<OwnQueue>,
    ) -> Result {
        let page = RingPage::map(device, ring.grant)?;
        let events = Events {
            queue: queue.clone(),
            server: self.0.clone(),
        };
        let link = Link {
            channel: EventChannel::bind(device, ring.port, events)?,
            page,
            queue: queue.clone(),
        };
        *self.0.link.lock() = Some(link);
        *self.0.ring.lock() = Some(ring);
        // For what was asked before there was a channel, and for an event that came before there
        // was a link.
        queue.enqueue(self.0.clone());
        Ok(())
    }

    /// Returns `true` if it is connected to that ring. If to another, it is disconnected, after the
    /// operation under way.
    pub(super) fn keeps(&self, ring: Ring) -> bool {
        let keeps = *self.0.ring.lock() == Some(ring);
        if !keeps {
            self.unlink();
        }
        keeps
    }

    /// Returns `true` if it is connected. Waits for no operation.
    pub(super) fn is_connected(&self) -> bool {
        self.0.ring.lock().is_some()
    }

    /// Disconnects, after the operation under way, if any. Requests that come later are not seen.
    pub(super) fn disconnect(&self) {
        self.unlink();
        self.show(KVec::new());
    }

    fn unlink(&self) {
        if self.0.ring.lock().take().is_none() {
            return;
        }
        let link = self.0.link.lock().take();
        // Not under the lock: this waits for events under way.
        drop(link);
        // Nobody can allow that of a channel that is unbound.
        self.0.event.store(false, Relaxed);
    }

    /// Shows these functions to the guest, and no others.
    pub(super) fn show(&self, functions: KVec<(Sbdf, Arc<PvFunction>)>) {
        let before = core::mem::replace(&mut *self.0.functions.lock(), functions);
        drop(before);
    }
}

impl Drop for Frontend {
    fn drop(&mut self) {
        self.disconnect();
    }
}

impl Server {
    /// Answers a request; returns `false` if there is none.
    fn answer(&self, link: &Link) -> bool {
        if !is_requested(&link.page) {
            return false;
        }
        let words = link.page.words();
        let copy = copied(&link.page);
        let request = Request::from_words(&copy);
        let write = |word: usize, value: u32| {
            if let Some(word) = words.get(word) {
                word.store(value, Relaxed);
            }
        };
        let mut pirqs = Vectors::new(0);
        let (error, value) = match self.perform(&request, &mut pirqs) {
            Ok(value) => (0, value),
            Err(error) => (error.number(), 0),
        };
        // A guest that has given up may have asked for something else, which is answered next.
        if !is_requested(&link.page) || !pciif::is_same(&copy, &copied(&link.page)) {
            return true;
        }
        let both = request.entries.as_slice().iter().zip(pirqs.as_slice());
        for (word, (index, pirq)) in (pciif::VECTORS..).zip(both) {
            write(word, pciif::answered_entry(*index, *pirq));
        }
        // CAST: The protocol has a signed number there.
        write(pciif::ERROR, error as u32);
        write(pciif::VALUE, value);
        link.page.clear_flag(pciif::ACTIVE);
        link.channel.notify();
        true
    }

    fn perform(&self, request: &Request, pirqs: &mut Vectors) -> Result<u32, pciif::Error> {
        let function = self.find(request.device);
        function
            .ok_or(pciif::Error::DeviceNotFound)?
            .perform(request, pirqs)
    }

    fn find(&self, seen: Option<Sbdf>) -> Option<Arc<PvFunction>> {
        let functions = self.functions.lock();
        let mut functions = functions.iter();
        let found = functions.find(|(place, _)| Some(*place) == seen);
        found.map(|(_, function)| function.clone())
    }
}

/// Returns `true` if there is a request in the page.
fn is_requested(page: &RingPage) -> bool {
    let flags = page.words().get(pciif::FLAGS);
    flags.is_some_and(|flags| flags.load(Acquire) & 1 << pciif::ACTIVE != 0)
}

/// Copies the words of the request, each once.
fn copied(page: &RingPage) -> [u32; pciif::REQUEST_WORDS] {
    let mut copy = [0; pciif::REQUEST_WORDS];
    let words = page.words().iter().skip(pciif::REQUEST);
    for (copied, word) in copy.iter_mut().zip(words) {
        *copied = word.load(Relaxed);
    }
    copy
}
