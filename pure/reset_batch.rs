// SPDX-License-Identifier: GPL-2.0

//! Planning the reset of many devices at once. Each bus is reset once, however many devices on it
//! are to be reset, and all that is left can be reset at the same time.

use super::{
    reset_plan::Rungs,
    topology::{
        Reset,
        Topology, //
    },
};

/// A device to be reset, and what to do for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    /// Its index in the snapshot.
    pub(crate) target: usize,
    /// What to do for it.
    pub(crate) part: Part,
    /// The place among the tasks of the next one that leads, if any: of many tasks few do.
    next_lead: usize,
}

impl Task {
    /// A task for which nothing is planned yet.
    pub(crate) const fn new(target: usize) -> Self {
        Self {
            target,
            part: Part::Alone,
            next_lead: usize::MAX,
        }
    }
}

/// A task's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Whatever is planned for it, which is no reset of others.
    Alone,
    /// This reset of everything below a bridge.
    Leads(Reset),
    /// Nothing: the reset of another task (the place of that one's target) reaches it.
    With(usize),
}

impl Part {
    /// Returns `true` if something is to be done for the task itself.
    pub(crate) const fn is_own(self) -> bool {
        !matches!(self, Self::With(_))
    }
}

/// Fills in the parts.
pub(crate) fn divide(topology: Topology<'_>, tasks: &mut [Task]) {
    let mut first_lead = usize::MAX;
    for (index, task) in tasks.iter_mut().enumerate().rev() {
        task.next_lead = first_lead;
        task.part = match topology.next(task.target, Rungs::default()) {
            Some(reset @ Reset::Below { .. }) if topology.is_safe(reset, task.target) => {
                first_lead = index;
                Part::Leads(reset)
            }
            _ => Part::Alone,
        };
    }
    for index in 0..tasks.len() {
        let last = tasks
            .get(index)
            .and_then(|task| last_leader(topology, tasks, first_lead, task));
        if let (Some(last), Some(task)) = (last, tasks.get_mut(index)) {
            task.part = Part::With(last);
        }
    }
}

/// Follows leaders to the one that has none.
fn last_leader(
    topology: Topology<'_>,
    tasks: &[Task],
    first_lead: usize,
    task: &Task,
) -> Option<usize> {
    let above = |task: &Task| leader(topology, tasks, first_lead, task);
    core::iter::successors(above(task), |task| above(task))
        .take(tasks.len())
        .last()
        .map(|task| task.target)
}

/// Finds another task whose reset makes the reset of `task` superfluous: one that resets more, or
/// the same and comes first.
fn leader<'a>(
    topology: Topology<'_>,
    tasks: &'a [Task],
    first_lead: usize,
    task: &Task,
) -> Option<&'a Task> {
    let mine = of_bus(task);
    core::iter::successors(tasks.get(first_lead), |lead| tasks.get(lead.next_lead))
        .filter(|other| other.target != task.target)
        .find(|other| {
            let Some((reset, bridge)) = of_bus(other) else {
                return false;
            };
            topology.reaches(reset, task.target)
                && match mine {
                    None => true,
                    Some((_, own)) if own == bridge => other.target < task.target,
                    // The outer bridge leads. (In a ring, each would be below the other.)
                    Some((_, own)) => {
                        topology.is_below(own, bridge) && !topology.is_below(bridge, own)
                    }
                }
        })
}

/// Returns the reset of everything below a bridge that a task is to carry out, and the bridge.
fn of_bus(task: &Task) -> Option<(Reset, usize)> {
    match task.part {
        Part::Leads(reset @ Reset::Below { bridge, .. }) => Some((reset, bridge)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            reset_method::Listed,
            topology::{
                samples::*,
                Function,
                Owner, //
            },
        },
        *, //
    };

    fn flr(function: Function) -> Function {
        Function {
            listed: Listed::new([3, 0, 0, 0, 0, 0, 0, 0]),
            ..function
        }
    }

    fn parts(all: &[Function], targets: &[usize]) -> Vec<Part> {
        let mut tasks: Vec<Task> = targets.iter().map(|target| Task::new(*target)).collect();
        divide(Topology(all), &mut tasks);
        tasks.into_iter().map(|task| task.part).collect()
    }

    fn word(part: &Part) -> &'static str {
        match part {
            Part::Alone => "alone",
            Part::Leads(reset) => reset.rung().name(),
            Part::With(_) => "with",
        }
    }

    #[test]
    fn a_shared_bus_is_reset_once() {
        let all = [
            port(0),
            below(0, endpoint(1)),
            below(0, endpoint(2)),
            below(0, flr(endpoint(3))),
        ];
        let parts = parts(&all, &[3, 2, 1]);
        assert!(parts.iter().map(word).eq(["with", "with", "bus"]));
        assert_eq!(parts[0], Part::With(1));
        assert!(parts.into_iter().map(Part::is_own).eq([false, false, true]));
    }

    #[test]
    fn who_is_blocked_leads_nobody() {
        let foreign = Function {
            owner: Owner::Driver,
            ..endpoint(2)
        };
        let all = [port(0), below(0, endpoint(1)), below(0, foreign)];
        assert_eq!(parts(&all, &[1]), [Part::Alone]);
    }

    /// Else each would wait for the other's reset.
    #[test]
    fn in_a_ring_nobody_follows() {
        let all = [
            below(1, port(0)),
            below(0, port(1)),
            below(0, endpoint(2)),
            below(1, endpoint(3)),
        ];
        let parts = parts(&all, &[2, 3]);
        assert!(parts.iter().map(word).eq(["bus", "bus"]));
    }

    #[test]
    fn functions_with_flr_stay_alone() {
        let all = [
            port(0),
            below(0, flr(endpoint(1))),
            below(0, flr(endpoint(2))),
        ];
        assert!(parts(&all, &[1, 2]).iter().map(word).eq(["alone", "alone"]));
    }

    #[test]
    fn the_outer_bus_takes_the_inner_along() {
        let all = [
            port(0),
            below(0, port(1)),
            below(1, endpoint(2)),
            below(0, endpoint(3)),
        ];
        let parts = parts(&all, &[2, 3]);
        assert_eq!(parts[0], Part::With(3));
        assert_eq!(word(&parts[1]), "bus");
    }

    #[test]
    fn one_that_is_blocked_can_be_reached_by_one_that_is_not() {
        let seven = super::super::domid::DomId::new(7).unwrap();
        let seven = Owner::Pciback(super::super::device_state::Holder::Domain(seven));
        let used = Function {
            owner: seven,
            ..endpoint(1)
        };
        let all = [port(0), below(0, used), below(0, endpoint(2))];
        let parts = parts(&all, &[1, 2]);
        assert_eq!(word(&parts[0]), "bus"); // of domain 7, beside an idle one
        assert_eq!(parts[1], Part::With(1)); // by itself: blocked by domain 7
    }
}
