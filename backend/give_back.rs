// SPDX-License-Identifier: GPL-2.0

//! Cleaning the devices that a guest has given back.

use super::{
    export::{
        lock,
        Export, //
    },
    guests, //
};
use crate::{
    device::claimed::Claimed,
    kapi::clock,
    pure::{
        domid::DomId,
        reset_state::ResetState,
        time::Time, //
    },
    reset::request::reset_together, //
};
use kernel::{
    impl_has_work, new_mutex, new_work,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};

/// Cleaning in the background. All memory for it is allocated before devices leave the guest.
#[pin_data]
pub(super) struct Cleaning {
    domain: DomId,
    #[pin]
    exports: Mutex<KVec<Export>>,
    #[pin]
    work: Work<Self>,
}

impl_has_work! {
    impl HasWork<Self> for Cleaning { self.work }
}

impl WorkItem for Cleaning {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        let exports = core::mem::take(&mut *this.exports.lock());
        give_back(exports, this.domain);
    }
}

impl Cleaning {
    /// Prepares it.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn new(domain: DomId) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                domain,
                exports <- new_mutex!(KVec::new()),
                work <- new_work!("pciback_cleaning"),
            }),
            GFP_KERNEL,
        )
    }

    /// Says what is to be cleaned.
    pub(super) fn begin(&self, exports: KVec<Export>) {
        *self.exports.lock() = exports;
    }
}

/// Cleans devices that are [leaving](Claimed::begin_leaving) a guest: what the guest was allowed
/// ends, they are reset by the whole ladder and restored, and then nobody has them. They count as
/// the guest's until all are done, so that one reset may reach several of them.
///
/// Sleeps for as long as that takes.
pub(super) fn give_back(exports: KVec<Export>, domain: DomId) {
    for export in &exports {
        export.claimed.begin_cleaning(domain);
        export.end();
        export.claimed.settings.end_use();
        export.claimed.aer.forget_notification();
    }
    let start = clock::now();
    let mut targets = KVec::new();
    let listed = exports
        .iter()
        .try_for_each(|export| targets.push(export.claimed.clone(), GFP_KERNEL));
    let result = match listed {
        // What became of each device is in its own record; what failed is in the log.
        Ok(()) => reset_together(&targets, start),
        Err(error) => Err(error.into()),
    };
    for Export { claimed, .. } in exports {
        if let Err(error) = end_use(&claimed, domain, start) {
            dev_err!(
                &claimed.device,
                "given back by domain {domain}: not restored ({})\n",
                error.to_errno()
            );
        }
        report(&claimed, domain, result);
    }
    guests::schedule_waiting();
}

/// Ends the guest's use of a device. If no reset has restored its configuration since `start`, it
/// is restored here, with bus mastering off.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
/// - `EIO`: it doesn't answer.
fn end_use(claimed: &Arc<Claimed>, domain: DomId, start: Time) -> Result {
    let result = lock(&claimed.device).and_then(|locks| {
        let mut result = Ok(());
        // Another driver may have the device by now.
        for device in locks.iter().filter(|_| claimed.is_claimed()) {
            if claimed.reset_since(start).is_none() {
                let quiet = device.quiesce();
                result = claimed.saved.restore(&device, quiet);
            }
            device.set_assigned(false);
        }
        result
    });
    if result == Err(ENOMEM) {
        // It may still master the bus, so no guest gets it until it is reset.
        claimed.record_error(ENOMEM);
    }
    claimed.left(domain);
    result
}

fn report(claimed: &Claimed, domain: DomId, result: Result) {
    let device = &claimed.device;
    match (claimed.last_reset().state, result) {
        (ResetState::Clean, _) => dev_info!(device, "given back by domain {domain}: clean\n"),
        (state, Ok(())) => {
            dev_warn!(device, "given back by domain {domain}: {}\n", state.name());
        }
        (state, Err(error)) => dev_warn!(
            device,
            "given back by domain {domain}: {} ({})\n",
            state.name(),
            error.to_errno()
        ),
    }
}
