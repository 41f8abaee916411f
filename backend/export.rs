// SPDX-License-Identifier: GPL-2.0

//! A device that a guest uses.

use super::function::PvFunction;
use crate::{
    device::{
        assignment::NotListed,
        claimed::Claimed,
        pm,
        registry,
        reservation::Reservation, //
    },
    kapi::pci::{
        DeviceExt,
        DeviceLocks, //
    },
    params::PASSTHROUGH,
    pure::{
        device_state::{
            Permitted,
            Refused, //
        },
        domid::DomId,
        sbdf::Sbdf,
        virtual_bus::{
            place,
            Model,
            Placed, //
        },
    },
};
use kernel::{
    pci,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
};

/// A device that a guest uses, and where it sees it.
pub(super) struct Export {
    /// Its address.
    pub(super) sbdf: Sbdf,
    /// The claim by which it is the guest's. The device may have been released since.
    pub(super) claimed: Arc<Claimed>,
    /// Where the guest sees it.
    pub(super) placed: Option<Placed>,
    /// Why no guest should have it. The guest isn't shown the device, but unless it is a PV guest,
    /// Xen and the toolstack may have assigned it all the same: so it counts as used.
    pub(super) withheld: Option<&'static str>,
    /// What the guest of a PV frontend sees of it.
    pub(super) view: View,
}

/// What the guest of a PV frontend sees of a device.
pub(super) enum View {
    /// Nothing yet: there was no frontend, or the device didn't answer.
    Unseen {
        /// The administrator was told that it didn't.
        told: bool,
    },
    /// Nothing: it can't be shown.
    Unfit,
    /// This.
    Function(Arc<PvFunction>),
}

impl Export {
    /// Returns where the guest sees it, if it is shown the device.
    pub(super) fn announced(&self) -> Option<&Placed> {
        self.placed.as_ref().filter(|_| self.withheld.is_none())
    }

    /// Returns what the guest of a connected frontend, which is `domain`, sees of it, and where.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: no memory.
    pub(super) fn show(&mut self, domain: DomId) -> Result<Option<(Sbdf, Arc<PvFunction>)>> {
        let Some(seen) = self.announced().map(|placed| placed.seen) else {
            return Ok(None);
        };
        if let View::Unseen { told } = self.view {
            self.view = match PvFunction::new(&self.claimed, domain) {
                Ok(function) => View::Function(function),
                Err(ENOMEM) => return Err(ENOMEM),
                Err(error) => {
                    if !told {
                        dev_err!(
                            &self.claimed.device,
                            "domain {domain} doesn't see it: its configuration space can't be shown ({})\n",
                            error.to_errno()
                        );
                    }
                    // Its capabilities stay as they are. Whether it answers may change.
                    if error == EINVAL {
                        View::Unfit
                    } else {
                        View::Unseen { told: true }
                    }
                }
            };
        }
        Ok(match &self.view {
            View::Function(function) => Some((seen, function.clone())),
            View::Unseen { .. } | View::Unfit => None,
        })
    }

    /// The guest's use ends: what its frontend asks for from now on is refused, and the device
    /// sends it nothing more.
    pub(super) fn end(&self) {
        if let View::Function(function) = &self.view {
            function.end();
        }
    }
}

/// Why a device is not exported.
pub(super) enum NotExported {
    /// For this reason, which lasts.
    Refused(Error, &'static str),
    /// It will be free before long.
    Later {
        /// No event says when: try again.
        retry: bool,
    },
    /// It is in use by another domain.
    UsedBy(DomId),
    /// Something else failed.
    Failed(Error),
}

/// Returns how guests see their devices.
fn model() -> Model {
    if PASSTHROUGH.is_on() {
        Model::Real
    } else {
        Model::Virtual
    }
}

/// Exports a device: from here on the domain uses it. Sleeps while the device is being reset on
/// behalf of a neighbour, for ten seconds at most. `before`: the domain's export of it before it
/// was claimed anew; the guest, which isn't told, goes on seeing it at the same place.
///
/// # Errors
///
/// - `Refused`, `ENODEV`: the device isn't claimed.
/// - `Refused`, `EPERM`: it is a bridge.
/// - `UsedBy`: another domain uses it.
/// - `Later`: it is being reset or cleaned; or the system is about to sleep.
/// - `Failed`, `ENOMEM`: no memory.
pub(super) fn export(
    sbdf: Sbdf,
    domain: DomId,
    others: &[Export],
    before: Option<&Export>,
) -> Result<Export, NotExported> {
    let not_claimed = || NotExported::Refused(ENODEV, "it is not claimed by pciback");
    let claimed = registry::find(sbdf).ok_or_else(not_claimed)?;
    if !claimed.is_endpoint() {
        return Err(NotExported::Refused(EPERM, "it is a bridge"));
    }
    let placed = before.and_then(|before| before.placed).or_else(|| {
        place(
            model(),
            others.iter().filter_map(|export| export.placed.as_ref()),
            sbdf,
            claimed.device.is_virtual_function(),
        )
    });
    // Whoever ends a use schedules the guests that wait.
    if claimed.holder().is_leaving() {
        return Err(NotExported::Later { retry: false });
    }
    let _reserved = Reservation::take([claimed.clone()].into_iter()).map_err(busy)?;
    let locks = lock(&claimed.device).map_err(NotExported::Failed)?;
    let listed = pm::while_awake(|| claimed.list(domain));
    // When the system wakes, all guests are scheduled.
    let listed = listed.ok_or(NotExported::Later { retry: false })?;
    let permitted = listed.map_err(|error| match error {
        NotListed::Refused(Refused::Gone) => not_claimed(),
        NotListed::Refused(Refused::UsedBy(other)) => NotExported::UsedBy(other),
        NotListed::Refused(_) => NotExported::Later { retry: false },
        NotListed::Failed(EBUSY) => NotExported::Refused(EBUSY, "the kernel says it is in use"),
        NotListed::Failed(error) => NotExported::Failed(error),
    })?;
    for device in locks.iter() {
        device.set_assigned(true);
    }
    if permitted == Permitted::WithWarning && claimed.first_warning() {
        dev_warn!(
            &claimed.device,
            "is given to domain {domain} without having been cleaned by a reset\n"
        );
    }
    let withheld = match permitted {
        Permitted::Withheld => Some("its pciback/state forbids it"),
        _ if placed.is_none() => Some("the guest's bus is full"),
        _ => None,
    };
    Ok(Export {
        sbdf,
        claimed,
        placed,
        withheld,
        view: View::Unseen { told: false },
    })
}

/// What an error of waiting for a device means.
fn busy(error: Error) -> NotExported {
    match error {
        EAGAIN | ERESTARTSYS => NotExported::Later { retry: true },
        error => NotExported::Failed(error),
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
