// SPDX-License-Identifier: GPL-2.0

//! What must hold in each state, and what must be possible.

use super::{state::*, Books, Without};
use crate::pure::{
    device_state::{DeviceState, Holder, Refused},
    reset_state::{ResetState, Verdict},
};
use stateright::Property;

/// All of it.
pub(super) fn properties() -> Vec<Property<Books>> {
    fn known(device: &Device) -> Option<DeviceState> {
        device.state.filter(|_| !device.lost)
    }
    vec![
        Property::always(
            "no domain gets another's data unless that is said",
            |_, world: &World| world.harm != Some(Harm::Leaked),
        ),
        Property::always("clean is clean", |_, world: &World| {
            let clean = |(which, device): (usize, &Device)| {
                known(device).is_none_or(|state| {
                    // Until it is listed, it is called what it was before.
                    state.holder(world.now(which)) == Holder::Assigned
                        || state.reset_state(world.now(which)) != ResetState::Clean
                        || device.soiled_by.is_none()
                })
            };
            !world.is_settled() || world.devices.iter().enumerate().all(clean)
        }),
        Property::always(
            "nothing is done to a device that another uses",
            |_, world: &World| world.harm != Some(Harm::InUse),
        ),
        Property::always(
            "nothing is written to a device that isn't ours",
            |_, world: &World| world.harm != Some(Harm::NotOurs),
        ),
        Property::always(
            "no device that stays listed is taken back",
            |_, world: &World| world.harm != Some(Harm::Robbed),
        ),
        Property::always(
            "every device comes to rest",
            |model: &Books, world: &World| {
                if world.harm.is_some() {
                    return true;
                }
                let Some(rest) = world.at_rest(model) else {
                    return false;
                };
                (0..DEVICES).all(|device| {
                    let state = rest.devices[device].state;
                    let reserved = state.is_some_and(|mut state| !state.reserve());
                    !reserved
                        && match rest.holder(device) {
                            Holder::Leaving(_) | Holder::Cleaning(_) => false,
                            Holder::Domain(domain_now) => (0..DOMAINS).any(|which| {
                                domain(which) == domain_now
                                    && rest.guests[which].listed & bit(device) != 0
                            }),
                            Holder::Nobody => {
                                model.without == Without::ExportAnew
                                    || (0..DOMAINS)
                                        .all(|which| rest.guests[which].listed & bit(device) == 0)
                            }
                            // It ends by itself.
                            Holder::Assigned => true,
                            Holder::Gone => state.is_none(),
                        }
                })
            },
        ),
        Property::always("the answers agree", |model: &Books, world: &World| {
            world.devices.iter().enumerate().all(|(device, it)| {
                let Some(mut state) = it.state else {
                    return true;
                };
                let verdict = state.verdict(model.strict, world.now(device));
                match state.assign(model.strict, world.now(device)) {
                    Ok(_) => verdict != Verdict::No,
                    Err(Refused::Reserved) => true,
                    Err(_) => verdict == Verdict::No,
                }
            })
        }),
        Property::sometimes("both domains have a device", |_, world: &World| {
            world.guests.iter().all(|guest| guest.exports != 0)
        }),
        Property::sometimes(
            "a device has gone from one domain to the other",
            |_, world: &World| {
                let mut all = world.devices.iter().enumerate();
                all.any(|(device, it)| {
                    world.guests[1].exports & bit(device) != 0
                        && it.assigned == Some(1)
                        && world.budget.tools == 0
                })
            },
        ),
        Property::sometimes(
            "two functions of a card are reset for a third's sake",
            |_, world: &World| {
                world.guests.iter().any(|guest| {
                matches!(guest.cleaning, Cleaning::EndUse { reset, .. } if reset & 0b110 == 0b110)
            })
            },
        ),
    ]
}

impl World {
    /// What comes of it when nobody acts any more but the driver, and requests that are under way:
    /// `None` if that has no end.
    fn at_rest(&self, model: &Books) -> Option<Self> {
        let mut world = *self;
        for _ in 0..200 {
            let step = (0..DOMAINS).find_map(|which| {
                let clean = || world.clean(model, which, true);
                world.drive(model, which).or_else(clean)
            });
            let request = || {
                (0..DOMAINS).find_map(|which| match world.guests[which].tool {
                    Tool::AttachReset(..) | Tool::DetachReset(..) => world.tool(model, which, true),
                    _ => None,
                })
            };
            match step.or_else(request) {
                Some(next) => world = next,
                None => return Some(world),
            }
        }
        None
    }
}
