// SPDX-License-Identifier: GPL-2.0

//! Claiming a device: the steps, and undoing those done when one fails.

use super::{claimed::Claimed, fault, registry};
use crate::{
    gsi::{self, Gsi},
    hypercall::{self, ResetKind},
    kapi::{
        pci::{ConfigAccess, DeviceExt, Enabled, Header, Locked, SavedState},
        xen::{self, Dom0},
    },
    pure::{claim_step::ClaimStep, reset_method::Run},
    reset::{function_level, record::ResetRecord},
};
use kernel::{device::Core, pci, prelude::*, sync::Arc, types::ScopeGuard};

/// The driver's hold on a claimed device.
pub(crate) struct Claim {
    /// What the rest of the driver shares.
    pub(super) claimed: Arc<Claimed>,
    /// How the device was enabled, to leave it as it was found.
    pub(super) enabled: Enabled,
}

/// A step that failed; what it says goes to the log.
struct StepFailed {
    step: ClaimStep,
    cause: &'static str,
    error: Error,
}

/// Takes one step.
fn take<T>(
    step: ClaimStep,
    cause: &'static str,
    action: impl FnOnce() -> Result<T>,
) -> Result<T, StepFailed> {
    fault::before(step)
        .and_then(|()| action())
        .map_err(|error| StepFailed { step, cause, error })
}

/// Claims the device. Called by the driver core, which holds the device's lock.
///
/// # Errors
///
/// - The errno of the step that failed, after one line in the log; the device is as it was.
pub(super) fn claim(device: &pci::Device<Core<'_>>) -> Result<Claim> {
    let dom0 = xen::initial_domain().ok_or(ENODEV)?;
    let locked = Locked::by_driver_core(device);
    match take_steps(device, dom0, &locked) {
        Ok(claim) => {
            report(&claim.claimed);
            Ok(claim)
        }
        Err(failed) => {
            dev_err!(
                device,
                "not claimed: {}: {} ({})\n",
                failed.step,
                failed.cause,
                failed.error.to_errno()
            );
            Err(failed.error)
        }
    }
}

/// All steps, in order. The guards undo what was done, in reverse, unless the last step succeeds.
fn take_steps(device: &pci::Device, dom0: Dom0, locked: &Locked<'_>) -> Result<Claim, StepFailed> {
    take(
        ClaimStep::Header,
        "only endpoints and PCI bridges can be claimed",
        || match device.header() {
            Header::Normal | Header::Bridge => Ok(()),
            Header::Other(_) => Err(ENODEV),
        },
    )?;

    take(
        ClaimStep::KnownToXen,
        "Xen refused to add this device, so it can't be given to a guest",
        || hypercall::ask_known(dom0, device),
    )?;

    let enabled = take(ClaimStep::Enable, "the device can't be enabled", || {
        Enabled::new(device, locked)
    })?;
    let enabled = ScopeGuard::new_with_data(enabled, |enabled| enabled.undo(locked));

    take(
        ClaimStep::PrepareMsix,
        "Xen didn't take over the MSI-X table",
        || hypercall::prepare_msix(device),
    )?;
    let msix = ScopeGuard::new(|| {
        if let Err(error) = hypercall::release_msix(device) {
            dev_warn!(device, "MSI-X table not released ({})\n", error.to_errno());
        }
    });

    let state = take(
        ClaimStep::Save,
        "the configuration space can't be saved",
        || SavedState::save(device, locked),
    )?;

    let record = reset(device, dom0, &state, locked)?;

    let gsi = gsi::look_up(device);
    take(ClaimStep::SetupGsi, "Xen didn't set up the GSI", || {
        if let Some(Gsi { number, signalling }) = gsi {
            hypercall::setup_gsi(dom0, number, signalling)?;
        }
        Ok(())
    })?;

    take(ClaimStep::Disable, "the device can't be disabled", || {
        // A bridge goes on forwarding what others below it do.
        if device.header() == Header::Normal {
            enabled.disable(locked);
        }
        device.set_assigned(locked, true);
        Ok(())
    })?;
    let assigned = ScopeGuard::new(|| device.set_assigned(locked, false));

    let claimed = take(ClaimStep::Record, "out of memory or address in use", || {
        let number = gsi.map(|gsi| gsi.number);
        let claimed = Arc::pin_init(
            Claimed::new(device, dom0, number, state, record),
            GFP_KERNEL,
        )?;
        registry::enter(claimed.clone())?;
        Ok(claimed)
    })?;

    assigned.dismiss();
    msix.dismiss();
    Ok(Claim {
        claimed,
        enabled: enabled.dismiss(),
    })
}

/// The reset and Xen's being told of it; a device that cannot be reset by itself is let pass.
fn reset(
    device: &pci::Device,
    dom0: Dom0,
    state: &SavedState,
    locked: &Locked<'_>,
) -> Result<ResetRecord, StepFailed> {
    let plan = function_level::plan(device);
    let access = ConfigAccess::block(device, locked);
    let reset = take(ClaimStep::Reset, "the reset failed", || {
        let Some(how) = plan else {
            return Ok(None);
        };
        function_level::reset(device, how, state, &access.exclusive())
            .map(|done| Some((how, done)))
            .map_err(|failed| failed.error)
    })?;
    take(
        ClaimStep::Notify,
        "Xen refused to hear of the reset",
        || match reset {
            None => Ok(ResetRecord::NotReset),
            Some((how, done)) => Ok(ResetRecord::Reset {
                method: Run::method(how),
                micros: done.micros,
                told: hypercall::reset_done(dom0, device, ResetKind::Flr)?,
            }),
        },
    )
}

/// The line that a claim leaves in the log.
fn report(claimed: &Claimed) {
    let device = &claimed.device;
    match (claimed.last_reset().method(), claimed.gsi) {
        (Some(method), Some(gsi)) => dev_info!(device, "claimed: reset by {method}, GSI {gsi}\n"),
        (Some(method), None) => dev_info!(device, "claimed: reset by {method}, no GSI\n"),
        (None, Some(gsi)) => dev_info!(device, "claimed: not reset, GSI {gsi}\n"),
        (None, None) => dev_info!(device, "claimed: not reset, no GSI\n"),
    }
}
