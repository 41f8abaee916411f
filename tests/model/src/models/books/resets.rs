// SPDX-License-Identifier: GPL-2.0

//! Resets, as reset/ladder.rs does them: planned, reserved, looked at again and carried out.

use super::{state::*, Books, Without};
use crate::pure::{
    device_state::{DeviceState, Holder},
    reset_method::{Listed, Method},
    reset_plan::{Plan, Rungs},
    reset_state::ResetState,
    sbdf::Sbdf,
    topology::{Function, FunctionKind, Owner, ResetOptOut, Secondary, Topology},
};

impl World {
    /// reset/snapshot.rs: two ports; the first leads to device 0, the second to 1 and 2.
    pub(super) fn functions(&self, target: usize, without: Without) -> Vec<Function> {
        let port = |number: u8| Function {
            sbdf: Sbdf::new(0, 0, number << 3),
            kind: FunctionKind::Bridge,
            above: None,
            physical: None,
            owner: Owner::PortDriver,
            opt_out: ResetOptOut::None,
            listed: Listed::new([0; 8]),
            secondary: Secondary::Slot,
        };
        let mut all = vec![port(0), port(1)];
        for device in 0..DEVICES {
            let holder = match (self.holder(device), without) {
                (Holder::Domain(domain), Without::SparingOthers)
                    if self.holder(target).domain() == Some(domain) =>
                {
                    Holder::Cleaning(domain)
                }
                (holder, _) => holder,
            };
            let owner = match self.devices[device].state {
                Some(_) => Owner::Pciback(holder),
                None => Owner::Driver,
            };
            let flr = Method::Flr.kernel_number();
            let listed = if device == 0 {
                [flr, 0, 0, 0, 0, 0, 0, 0]
            } else {
                [0; 8]
            };
            all.push(Function {
                sbdf: Sbdf::new(0, device.min(1) as u8 + 1, device.saturating_sub(1) as u8),
                kind: FunctionKind::Endpoint,
                above: Some(device.min(1)),
                owner,
                listed: Listed::new(listed),
                ..port(0)
            });
        }
        all
    }

    /// The planner: what would be reset for the sake of a device; `None` if nothing may be.
    pub(super) fn plan(&self, target: usize, without: Without) -> Option<Set> {
        let functions = self.functions(target, without);
        let topology = Topology(&functions);
        match topology.plan(target + 2, Rungs::default()) {
            Plan::Reset(reset) => {
                let reached = topology.scope(reset).filter(|index| *index >= 2);
                Some(reached.fold(0, |set, index| set | bit(index - 2)))
            }
            Plan::Blocked(_) | Plan::Nothing => None,
        }
    }

    /// The next step of a reset for the sake of `target`, which is with `user`: `None` if it has to
    /// wait, else what it is next, if it goes on, and what it has reset, if anything.
    pub(super) fn step_reset(
        &mut self,
        model: &Books,
        target: usize,
        reset: Reset,
        works: bool,
        from: Option<usize>,
    ) -> Option<(Option<Reset>, Set)> {
        match reset {
            Reset::New => {
                let reach = self.plan(target, model.without);
                Some((reach.map(Reset::Planned), 0))
            }
            Reset::Planned(reach) => {
                let free = |device: usize| {
                    let state: Option<DeviceState> = self.devices[device].state;
                    state.is_some_and(|mut state| state.reserve())
                };
                if !members(reach).all(free) {
                    // It waits, or was released: planned anew.
                    let gone = members(reach).any(|device| self.devices[device].state.is_none());
                    return gone.then_some((None, 0));
                }
                for device in members(reach) {
                    self.state(device).reserve();
                }
                Some((Some(Reset::Reserved(reach)), 0))
            }
            Reset::Reserved(reach) => {
                // The second look, under the locks of all that is reached.
                let same = self.plan(target, model.without) == Some(reach);
                let still = members(reach).all(|device| self.devices[device].state.is_some());
                if same && still {
                    for device in members(reach) {
                        self.hit(device, target, from);
                        let now = self.now(device);
                        if works {
                            self.devices[device].soiled_by = self.devices[device].assigned;
                        }
                        let made = if works {
                            ResetState::Clean
                        } else {
                            ResetState::Failed
                        };
                        self.state(device).was_reset(made, now);
                    }
                }
                for device in members(reach) {
                    if let Some(state) = &mut self.devices[device].state {
                        state.unreserve();
                    }
                }
                Some((None, if same && still { reach } else { 0 }))
            }
        }
    }

    /// The hardware of a device is written to for the sake of `target`, which `from` has given back,
    /// or whose reset its toolstack has asked for.
    pub(super) fn hit(&mut self, device: usize, target: usize, from: Option<usize>) {
        let hit = self.devices[device];
        let others = match (hit.assigned, from) {
            (Some(_), _) if device != target => true,
            (Some(domain), Some(from)) => usize::from(domain) != from,
            // Whoever asks for a reset of a device that is in use means it.
            _ => false,
        };
        if hit.state.is_none() {
            self.harm = Some(Harm::NotOurs);
        } else if others && !hit.lost {
            self.harm = Some(Harm::InUse);
        }
    }
}
