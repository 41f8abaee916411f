// SPDX-License-Identifier: GPL-2.0

//! Decisions of the driver between others that do what they like, in each state that can come
//! about.
//!
//! A model is a state, what can happen in it, and what must hold (`stateright::Model`). It calls
//! `pure` for what the driver does, and writes down what everybody else may do. It is added as a file
//! here, with a test that has it [`check`]ed.

mod books;
mod xenbus;

use stateright::{Checker, HasDiscoveries, Model};
use std::{fmt::Debug, hash::Hash, time::Instant};

/// How large models are: 1 for every day, more where there is time (`PCIBACK_MODEL_SIZE`).
fn size() -> usize {
    let text = std::env::var("PCIBACK_MODEL_SIZE");
    text.map_or(1, |text| text.parse().expect("a number"))
}

/// Goes through all states of a model; fails, with the shortest way there, where a property does
/// not hold or nothing of what is to be possible is found.
fn check<M>(model: M)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync + 'static,
{
    let start = Instant::now();
    let checker = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    crate::report("states", checker.unique_state_count(), start);
    checker.assert_properties();
}
