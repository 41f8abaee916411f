// SPDX-License-Identifier: GPL-2.0

//! Claiming a device: the steps, and undoing those done when one fails.

use super::{
    guest_interrupts,
    hotplug, //
};
use crate::{
    backend,
    device::{
        backend_domain::backend_domain,
        claimed::Claimed,
        enabled::Enabled,
        ordered_log::{
            Level,
            LogBatch, //
        },
        registry,
        saved_state::SavedState, //
    },
    fault, gsi,
    hypercall::{
        self,
        msix::{
            self,
            Hold, //
        },
    },
    kapi::{
        pci::{
            ConfigAccess,
            DeviceExt,
            Header,
            Locked,
            Registered, //
        },
        xen::{
            self,
            Dom0, //
        },
    },
    pure::{
        claim_step::ClaimStep,
        guest_interrupts::Interrupts,
        reset_plan::{
            Rung,
            Unproven, //
        },
        reset_state::ResetState, //
    },
    reset::function_level::{
        self,
        Outcome, //
    },
};
use kernel::{
    device::Core,
    fmt,
    pci,
    prelude::*,
    sync::Arc,
    types::ScopeGuard, //
};

/// The driver's hold on a claimed device.
pub(crate) struct Claim {
    /// What the rest of the driver shares.
    pub(super) claimed: Arc<Claimed>,
    /// What is needed to leave the device as it was found; `None` for a bridge, which isn't
    /// touched.
    pub(super) enabled: Option<Enabled>,
    /// The hold on its MSI-X table, where one is needed for Xen to know the table.
    pub(super) hold: Option<Hold>,
}

/// A step that failed; what it says goes to the log.
struct StepFailed {
    step: ClaimStep,
    cause: Cause,
    error: Error,
}

/// Why a step failed.
#[derive(Clone, Copy)]
enum Cause {
    /// For the reason that the step always has.
    Usual(&'static str),
    /// The device's other end is in that domain.
    BackendIn(u32),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usual(cause) => f.write_str(cause),
            Self::BackendIn(domain) => {
                write!(f, "it is no hardware: its backend is in domain {domain}")
            }
        }
    }
}

/// Takes one step.
fn take<T>(
    step: ClaimStep,
    cause: &'static str,
    action: impl FnOnce() -> Result<T>,
) -> Result<T, StepFailed> {
    fault::before(step)
        .and_then(|()| action())
        .map_err(|error| StepFailed {
            step,
            cause: Cause::Usual(cause),
            error,
        })
}

/// Claims the device. Called by the driver core, which holds the device's lock.
///
/// # Errors
///
/// - The errno of the step that failed, after one line in the log; the device is as it was.
pub(super) fn claim(device: &pci::Device<Core<'_>>) -> Result<Claim> {
    let dom0 = xen::initial_domain().ok_or(ENODEV)?;
    let lines = LogBatch::open();
    match take_steps(&Locked::by_driver_core(device), dom0, &lines) {
        Ok(claim) => {
            // Enabling the device may have programmed its interrupt link, so now it may have a GSI.
            gsi::files::add(Registered::by_driver_core(device));
            hotplug::end_reserve(device);
            report(&claim.claimed, &lines);
            // The toolstack may list it for a guest already.
            backend::schedule_all();
            Ok(claim)
        }
        Err(StepFailed { step, cause, error }) => {
            let errno = error.to_errno();
            lines.write(
                Level::Error,
                device,
                fmt!("not claimed: {step}: {cause} ({errno})"),
            );
            Err(error)
        }
    }
}

/// All steps, in order. The guards undo what was done, in reverse, unless the last step succeeds.
fn take_steps(locked: &Locked<'_>, dom0: Dom0, lines: &LogBatch) -> Result<Claim, StepFailed> {
    let device = locked.device();
    let header = take(
        ClaimStep::Header,
        "only endpoints and PCI bridges can be claimed",
        || match device.header() {
            Header::Other => Err(ENODEV),
            header => Ok(header),
        },
    )?;

    let backend = take(
        ClaimStep::Backend,
        "the device tree says something malformed of it",
        || backend_domain(locked),
    )?;
    if let Some(domain) = backend {
        return Err(StepFailed {
            step: ClaimStep::Backend,
            cause: Cause::BackendIn(domain),
            error: ENODEV,
        });
    }

    take(
        ClaimStep::KnownToXen,
        "Xen refused to add this device, so it can't be given to a guest",
        || hypercall::ask_known(dom0, locked),
    )?;

    if header == Header::Normal {
        take(
            ClaimStep::Enable,
            "it doesn't answer, or has lost its addresses (remove it and rescan)",
            || locked.check_addresses(),
        )?;
    }
    let enabled = take(ClaimStep::Enable, "the device can't be enabled", || {
        // A bridge isn't touched: what is below it may be in use.
        (header == Header::Normal)
            .then(|| Enabled::new(locked))
            .transpose()
    })?;
    let undo_enable = ScopeGuard::new(|| {
        if let Some(enabled) = &enabled {
            enabled.undo(locked);
        }
    });

    let prepared = take(
        ClaimStep::PrepareMsix,
        "Xen didn't take over the MSI-X table",
        || msix::prepare(dom0, device),
    )?;
    let undo_msix = ScopeGuard::new(|| {
        if let Err(error) = msix::release(dom0, device) {
            dev_warn!(device, "MSI-X table not released ({})\n", error.to_errno());
        }
    });

    let state = take(
        ClaimStep::Save,
        "the configuration space can't be saved",
        || SavedState::save(locked),
    )?;

    let outcome = reset(locked, dom0, &state, lines)?;

    // This must come before another domain can get the device, and after Xen has forgotten its
    // state. If a later step fails, dropping the hold lets go of the table.
    let (guest, hold) = guest_interrupts::arrange(locked, dom0, prepared);

    let gsi = gsi::look_up(device);
    take(ClaimStep::SetupGsi, "Xen didn't set up the GSI", || {
        gsi.map(|gsi| hypercall::setup_gsi(dom0, gsi)).transpose()
    })?;

    let claimed = take(ClaimStep::Record, "out of memory or address in use", || {
        let claimed = Arc::pin_init(
            Claimed::new(
                locked,
                dom0,
                Interrupts { gsi, guest },
                state,
                outcome.record,
                outcome.unproven,
                registry::was_released_while_held(device.sbdf()),
            ),
            GFP_KERNEL,
        )?;
        registry::enter(claimed.clone())?;
        registry::forget_in_use(device.sbdf());
        Ok(claimed)
    })?;

    // Nothing can fail from here on.
    undo_msix.dismiss();
    undo_enable.dismiss();
    if let Some(enabled) = &enabled {
        enabled.disable(locked);
    }
    Ok(Claim {
        claimed,
        enabled,
        hold,
    })
}

/// Resets the device and notifies Xen. A device without a method of its own passes.
fn reset(
    locked: &Locked<'_>,
    dom0: Dom0,
    state: &SavedState,
    lines: &LogBatch,
) -> Result<Outcome, StepFailed> {
    let access = ConfigAccess::block(locked);
    let unproven = |rung| {
        lines.write(Level::Warning, locked.device(), fmt!("{}", Unproven(rung)));
    };
    let mut outcome = take(ClaimStep::Reset, "the reset failed", || {
        function_level::reset(&access.cfg_locked(), state, unproven).map_err(|failed| failed.error)
    })
    .map_err(|failed| match failed.error {
        EBUSY => StepFailed {
            cause: Cause::Usual("it has virtual functions, which a reset would take away"),
            ..failed
        },
        _ => failed,
    })?;
    take(
        ClaimStep::Notify,
        "Xen refused the notification of the reset",
        || function_level::notify_xen(&mut outcome.record, dom0, locked),
    )?;
    Ok(outcome)
}

/// Logs the claim in one line.
fn report(claimed: &Claimed, lines: &LogBatch) {
    let record = claimed.last_reset();
    let (state, by) = (record.state.name(), record.by.map_or("none", Rung::name));
    let say = |text| lines.write(Level::Info, &claimed.device, text);
    let Interrupts { gsi, guest } = claimed.interrupts;
    let gsi = gsi.map(|gsi| gsi.number);
    let level = if guest.needs_warning() {
        Level::Warning
    } else {
        Level::Info
    };
    if guest.lacks_something() {
        lines.write(level, &claimed.device, fmt!("guest interrupts: {guest}"));
    }
    match (record.state, gsi) {
        (ResetState::Clean, Some(gsi)) => say(fmt!("claimed: reset by {by}, GSI {gsi}")),
        (ResetState::Clean, None) => say(fmt!("claimed: reset by {by}, no GSI")),
        (_, Some(gsi)) => say(fmt!("claimed: {state}, GSI {gsi}")),
        (_, None) => say(fmt!("claimed: {state}, no GSI")),
    }
}
