// SPDX-License-Identifier: GPL-2.0

//! Executing one reset of one or several devices, whose locks are held: quiesce, plant canaries,
//! reset once, wait for each, check the canaries, restore each.
//!
//! Xen is notified after all of that (see
//! [`hypercall::notify_reset`](crate::hypercall::notify_reset)), and not before: after an FLR the
//! BARs read 0, so Xen would find the MSI-X table at guest frame 0, among dom0's memory, and
//! refuse.

use crate::{
    device::{
        bridge_state::BridgeState,
        canary::Canaries,
        saved_state::{
            Quiet,
            SavedState, //
        },
    },
    fault,
    kapi::pci::{
        CfgLocked,
        DeviceExt,
        RuntimePm,
        SecondaryLink, //
    },
    pure::{
        canary::Proof,
        reset_method::Method,
        reset_plan::Rung, //
    },
};
use kernel::{
    pci,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

/// How long devices may take to come back after the first has, together (the kernel's
/// `PCIE_RESET_READY_POLL_MS`, drivers/pci/pci.h).
const PATIENCE: Delta = Delta::from_secs(60);

/// The same where the first hasn't come back: the second that PCIe grants any device (PCIe r6.0
/// sec 6.6.1) is over by then.
const LITTLE_PATIENCE: Delta = Delta::from_millis(100);

/// From the end of the reset of a bus to the first access to what is on it: 100 ms in PCI Express
/// (PCIe r6.0 sec 6.6.1), 2^25 clocks of 33 MHz and 100 ms on a conventional bus (PCI 3.0 sec
/// 4.3.2), as in the kernel's `pci_bridge_wait_for_secondary_bus()`.
const SETTLE: Delta = Delta::from_millis(100);
/// The same on a conventional bus.
const SETTLE_CONVENTIONAL: Delta = Delta::from_millis(1100);

/// How long the kernel holds a bus in reset (`pci_reset_secondary_bus()`).
const ASSERTED: Delta = Delta::from_millis(2);

/// Returns how long to wait before the first access to what is below a bridge that was reset.
pub(crate) fn settling(bridge: &pci::Device) -> Delta {
    match bridge.secondary_link() {
        SecondaryLink::Express => SETTLE,
        SecondaryLink::Internal => Delta::ZERO,
        SecondaryLink::Conventional => SETTLE_CONVENTIONAL,
    }
}

/// A device that a reset reaches.
pub(crate) struct Member<'a> {
    /// The device.
    pub(crate) device: CfgLocked<'a>,
    /// What to restore; `None` for a bridge, which gets back the configuration that it has now.
    pub(crate) state: Option<&'a SavedState>,
}

/// What is to be done.
pub(crate) enum How<'a, 'b> {
    /// One function is reset, by one of its own methods.
    Function(&'b CfgLocked<'a>, Method),
    /// The slot of this bridge is reset, in which the other device is.
    Slot(&'b CfgLocked<'a>, &'b CfgLocked<'a>),
    /// Everything below this bridge is reset.
    Bus(&'b CfgLocked<'a>),
}

impl How<'_, '_> {
    /// Returns the rung of the ladder that this is.
    pub(crate) const fn rung(&self) -> Rung {
        match self {
            Self::Function(_, method) => Rung::Function(*method),
            Self::Slot(..) => Rung::Slot,
            Self::Bus(_) => Rung::Bus,
        }
    }

    /// Returns `true` if the kernel waits until the device answers, and fails if it doesn't
    /// (`pci_dev_wait()`). What a firmware or a single device's quirk does isn't known.
    const fn is_waited_for(&self) -> bool {
        matches!(
            self,
            Self::Function(_, Method::Flr | Method::AfFlr | Method::Pm)
        )
    }

    /// Does it and waits until the first device answers again.
    fn perform(&self) -> Result {
        if fault::skips(self.rung()) {
            return Ok(());
        }
        let start = Instant::<Monotonic>::now();
        let (result, bridge) = match self {
            Self::Function(device, method) => return device.run(*method),
            Self::Slot(bridge, inside) => (bridge.reset_slot(inside), bridge),
            Self::Bus(bridge) => (bridge.reset_secondary_bus(), bridge),
        };
        // The kernel has waited, unless the bus is behind a PCI Express to PCI bridge, or has no
        // device with power management (whose delay it goes by).
        let due = settling(bridge.device()) + ASSERTED;
        let left = due - start.elapsed();
        if left > Delta::ZERO {
            fsleep(left);
        }
        result
    }
}

/// Something that failed, and at which step.
#[derive(Clone, Copy)]
pub(crate) struct Failed {
    /// The step, for the log.
    pub(crate) step: &'static str,
    /// Its error.
    pub(crate) error: Error,
}

impl Failed {
    /// Returns what makes a step's error into this.
    pub(crate) fn at(step: &'static str) -> impl Fn(Error) -> Self {
        move |error| Self { step, error }
    }
}

/// A reset that was carried out.
pub(crate) struct Done {
    /// From the quiescing to the return of the hardware, in microseconds.
    pub(crate) micros: i64,
    /// The outcome for each member.
    pub(crate) findings: KVec<Result<Proof, Failed>>,
}

/// What a member needs after the reset.
enum Prepared {
    Ours(Quiet, Canaries),
    Bridge(BridgeState),
}

/// How long to wait for a member that didn't answer before the reset. If the reset brings it back,
/// it answers within a second (PCIe r6.0 sec 6.6.1); most likely it is gone.
const HUNG_PATIENCE: Delta = Delta::from_secs(1);

/// Resets the members, which are all that `how` reaches, bridges before what is below them.
/// `undisturbed` is asked at the last moment whether they still are.
///
/// # Errors
///
/// Nothing was reset:
///
/// - `ENOMEM`: no memory.
/// - `EAGAIN`, step "recheck": another device has come.
/// - `EIO`, step "presence check": a function whose own method is to be used doesn't answer.
/// - The errno of the step "wake to D0" of such a function, or "save" of a bridge.
pub(crate) fn execute(
    members: &[Member<'_>],
    how: &How<'_, '_>,
    undisturbed: impl FnOnce() -> bool,
) -> Result<Done, Failed> {
    execute_seen(members, how, false, undisturbed)
}

/// The same for one function and a method of its own. `answers`: it was seen to answer since its
/// lock was taken.
///
/// # Errors
///
/// - Those of [`execute`], but for `EAGAIN`.
pub(super) fn execute_function(
    member: &Member<'_>,
    method: Method,
    answers: bool,
) -> Result<Done, Failed> {
    let how = How::Function(&member.device, method);
    execute_seen(core::slice::from_ref(member), &how, answers, || true)
}

fn execute_seen(
    members: &[Member<'_>],
    how: &How<'_, '_>,
    answers: bool,
    undisturbed: impl FnOnce() -> bool,
) -> Result<Done, Failed> {
    // Allocate everything now: nothing may fail while a device doesn't decode.
    let no_memory = |_| Failed {
        step: "preparation",
        error: ENOMEM,
    };
    let mut awake = KVec::with_capacity(members.len(), GFP_KERNEL).map_err(no_memory)?;
    let mut bridges = KVec::with_capacity(members.len(), GFP_KERNEL).map_err(no_memory)?;
    let mut prepared = KVec::with_capacity(members.len(), GFP_KERNEL).map_err(no_memory)?;
    let mut findings = KVec::with_capacity(members.len(), GFP_KERNEL).map_err(no_memory)?;
    let mut to_resume = KVec::with_capacity(members.len(), GFP_KERNEL).map_err(no_memory)?;

    for member in members {
        append(&mut awake, RuntimePm::new(member.device.device()));
    }
    if let How::Function(device, _) = how {
        // For a function that is gone, its method would wait a minute.
        if !answers && !device.is_ready() {
            return Err(Failed::at("presence check")(EIO));
        }
        device.wake().map_err(Failed::at("wake to D0"))?;
    }
    if !undisturbed() {
        return Err(Failed::at("planning while devices come and go")(EAGAIN));
    }
    save_bridges(members, &mut bridges).map_err(Failed::at("save"))?;

    let start = Instant::<Monotonic>::now();
    for (member, bridge) in members.iter().zip(bridges) {
        // The one function that resets itself was seen to answer.
        let answered = matches!(how, How::Function(..)) || member.device.is_ready();
        append(&mut prepared, (answered, prepare(member, bridge)));
    }
    let result = how.perform();
    let elapsed = start.elapsed();

    // The time that the first device has taken is no longer left for the others.
    let patience = match result {
        Ok(()) => (PATIENCE - elapsed).max(LITTLE_PATIENCE),
        Err(_) => LITTLE_PATIENCE,
    };
    let back = Instant::<Monotonic>::now();
    for (member, (answered, prepared)) in members.iter().zip(prepared) {
        let patience = if answered {
            patience
        } else {
            patience.min(HUNG_PATIENCE)
        };
        let patience = (patience - back.elapsed()).max(Delta::ZERO);
        let is_back = result.is_ok() && how.is_waited_for();
        let finding = finish(member, prepared, patience, is_back, result, &mut to_resume);
        append(&mut findings, finding.map(|proof| proof.after(how.rung())));
    }
    // What is below them is back, or won't come.
    for (bridge, state) in to_resume {
        bridge.resume_bridge(state);
    }
    Ok(Done {
        micros: elapsed.as_micros_ceil(),
        findings,
    })
}

/// Saves the configurations of the bridges among the members, `None` for the others; of all or of
/// none. `saved` has room for all members.
fn save_bridges(members: &[Member<'_>], saved: &mut KVec<Option<BridgeState>>) -> Result {
    for member in members {
        if member.state.is_some() {
            append(saved, None);
            continue;
        }
        // A bridge that doesn't wake doesn't answer either, which is seen next.
        let _ = member.device.wake();
        match member.device.save_bridge() {
            Ok(state) => append(saved, Some(state)),
            Err(error) => {
                for (member, state) in members.iter().zip(saved.drain_all()) {
                    if let Some(state) = state {
                        member.device.resume_bridge(state);
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Appends to a vector that was given room for all members.
fn append<T>(vector: &mut KVec<T>, item: T) {
    // So this doesn't fail.
    let _ = vector.push_within_capacity(item);
}

/// Quiesces a member, and plants canaries in it unless it is a bridge, whose configuration was
/// saved.
fn prepare(member: &Member<'_>, bridge: Option<BridgeState>) -> Prepared {
    let device = &member.device;
    if let Some(state) = bridge {
        device.quiesce_bridge();
        return Prepared::Bridge(state);
    }
    // One that doesn't wake, or is gone, is lost already. A reset of its bus may bring it back.
    let _ = device.wake();
    let quiet = device.quiesce();
    let canaries = match member.state {
        Some(state) => device.plant_canaries(state),
        None => device.plant_unsaved_canaries(),
    };
    Prepared::Ours(quiet, canaries)
}

/// Waits for a member, unless the kernel has done so, checks its canaries and restores it. A bridge
/// is put to those whose events are `to_resume`.
fn finish<'a, 'b>(
    member: &'b Member<'a>,
    prepared: Prepared,
    patience: Delta,
    is_back: bool,
    result: Result,
    to_resume: &mut KVec<(&'b CfgLocked<'a>, BridgeState)>,
) -> Result<Proof, Failed> {
    let device = &member.device;
    let answer = device.wait_until_ready(patience, is_back);
    let command = answer.as_ref().ok().copied();
    let came_back = answer.and_then(|_| fault::come_back(device.device().sbdf()));
    match (prepared, member.state) {
        (Prepared::Ours(quiet, canaries), Some(state)) => {
            let proof = device.check_canaries(canaries, command);
            // Restore in any case: a device that comes back later needs its addresses.
            let restored = state.restore(device, quiet.after_reset(command));
            match result {
                // The reset as a whole failed. This device came back if a canary is gone.
                Err(error) if error != ETIMEDOUT || proof != Proof::Proven => {
                    return Err(Failed::at("reset")(error));
                }
                _ => {}
            }
            came_back.map_err(Failed::at("ready check"))?;
            restored.map_err(Failed::at("restore"))?;
            Ok(proof)
        }
        (Prepared::Bridge(state), _) => {
            device.restore_saved_bridge(&state);
            fsleep(settling(device.device()));
            append(to_resume, (device, state));
            came_back.map_err(Failed::at("ready check"))?;
            Ok(Proof::Unknown)
        }
        (Prepared::Ours(..), None) => Err(Failed::at("restore")(EINVAL)),
    }
}
