// SPDX-License-Identifier: GPL-2.0

//! A device that a guest uses.

use crate::{
    kapi::pci::{DeviceExt, DeviceLocks},
    pure::{
        cleanness::Verdict,
        domid::DomId,
        sbdf::Sbdf,
        virtual_bus::{place, Model, Placed},
    },
    reset::{policy, reservation::Reservation},
    stub::{claimed::Claimed, registry},
    PASSTHROUGH,
};
use kernel::{
    pci,
    prelude::*,
    sync::{aref::ARef, Arc},
    time::{Delta, Instant, Monotonic},
};

/// A device that a guest uses, and where it sees it.
pub(super) struct Export {
    /// The device.
    pub(super) claimed: Arc<Claimed>,
    /// Where the guest sees it.
    pub(super) placed: Placed,
    /// No guest should have it, so this one is not told of it. It may have it all the same: of
    /// guests that are not PV, Xen and the toolstack decide. So it counts as used.
    pub(super) withheld: bool,
}

/// Why a device is not exported.
pub(super) struct Refusal {
    /// The error.
    pub(super) error: Error,
    /// The reason.
    pub(super) why: &'static str,
}

impl Refusal {
    /// For `map_err`.
    pub(super) fn because(why: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self { error, why }
    }
}

/// Returns how guests see their devices.
fn model() -> Model {
    if PASSTHROUGH.is_on() {
        Model::Real
    } else {
        Model::Virtual
    }
}

/// The longest that a device is waited for that its last guest has just given back, in
/// milliseconds: a device that doesn't come back from its reset is given a minute by the kernel
/// (`PCIE_RESET_READY_POLL_MS`), and then the next rung is tried.
const PATIENCE: u32 = 100_000;

/// Exports a device: from here on the domain uses it. Sleeps until a guest that has just given it
/// back has left.
///
/// # Errors
///
/// - `ENODEV`: the device isn't claimed.
/// - `EPERM`: it is a bridge.
/// - `EBUSY`: a domain uses it.
/// - `EAGAIN`: it is being reset, for longer than is worth waiting for.
/// - `ENOSPC`: the guest's bus is full.
/// - `ENOMEM`: no memory.
pub(super) fn export(sbdf: Sbdf, domain: DomId, others: &[Export]) -> Result<Export, Refusal> {
    let not_claimed = || Refusal::because("it is not claimed by pciback")(ENODEV);
    let claimed = registry::find(sbdf).ok_or_else(not_claimed)?;
    if !claimed.is_endpoint() {
        return Err(Refusal::because("it is a bridge")(EPERM));
    }
    let placed = place(
        model(),
        others.iter().map(|export| &export.placed),
        sbdf,
        claimed.device.is_virtual_function(),
    )
    .ok_or_else(|| Refusal::because("the guest's bus is full")(ENOSPC))?;
    claimed
        .wait_left(PATIENCE)
        .map_err(Refusal::because("it is being reset"))?;
    let _reserved = reserve(&claimed).map_err(Refusal::because("it is being reset"))?;
    let locks = lock(&claimed.device).map_err(Refusal::because("out of memory"))?;
    if !registry::has(&claimed) {
        return Err(not_claimed());
    }
    let verdict = policy::verdict(&claimed);
    claimed.enter_user(domain).map_err(|error| Refusal {
        error,
        why: match error {
            EBUSY => "another domain uses it",
            ENODEV => "it was released",
            _ => "it cannot be entered in the kernel's books",
        },
    })?;
    for device in locks.iter() {
        device.set_assigned(true);
    }
    claimed.dirtied();
    if verdict == Verdict::WithWarning && claimed.first_warning() {
        dev_warn!(
            &claimed.device,
            "is given to domain {domain} without having been cleaned by a reset\n"
        );
    }
    Ok(Export {
        claimed,
        placed,
        withheld: verdict == Verdict::No,
    })
}

/// Reserves a device. A guest that isn't PV has its device whatever is said here, so somebody
/// else's reset is waited for to its end, as long as that can take.
///
/// # Errors
///
/// - `EAGAIN`: a reset, or one after the other, goes on for longer than that.
/// - `ENOMEM`: no memory.
fn reserve(claimed: &Arc<Claimed>) -> Result<Reservation> {
    let start = Instant::<Monotonic>::now();
    loop {
        match Reservation::take([claimed.clone()].into_iter()) {
            Err(EAGAIN) if start.elapsed() < Delta::from_millis(i64::from(PATIENCE)) => {}
            result => return result,
        }
    }
}

/// Takes a device's lock.
///
/// # Errors
///
/// - `ENOMEM`: no memory.
pub(super) fn lock(device: &ARef<pci::Device>) -> Result<DeviceLocks> {
    let mut devices = KVec::new();
    devices.push(device.clone(), GFP_KERNEL)?;
    Ok(DeviceLocks::new(devices))
}
