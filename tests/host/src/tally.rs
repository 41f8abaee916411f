// SPDX-License-Identifier: GPL-2.0

//! How many inputs each property was tried with: counted, not taken from what was asked for.

use proptest::test_runner::{ResultCache, ResultCacheKey, TestCaseResult};
use std::{cell::Cell, io::Write};

thread_local! {
    static OPERATIONS: Cell<usize> = const { Cell::new(0) };
}

/// An input of the property that runs in this thread was a row of so many operations.
pub(crate) fn operations(many: usize) {
    OPERATIONS.set(OPERATIONS.get() + many);
}

/// A cache of results that keeps none: proptest tells it of each input that was tried, and drops it
/// at the end of the property.
struct Tally(u64);

/// For `Config::result_cache`.
pub(crate) fn tally() -> Box<dyn ResultCache> {
    Box::new(Tally(0))
}

impl ResultCache for Tally {
    fn key(&self, _: &ResultCacheKey<'_>) -> u64 {
        0
    }

    fn put(&mut self, _: u64, _: &TestCaseResult) {
        self.0 += 1;
    }

    fn get(&self, _: u64) -> Option<&TestCaseResult> {
        None
    }
}

impl Drop for Tally {
    /// The test harness keeps what `println!` says to itself. (tools/test-host adds it up.)
    fn drop(&mut self) {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("?");
        let mut line = format!("inputs: {:>11} {name}\n", self.0);
        let operations = OPERATIONS.take();
        if operations > 0 {
            line += &format!("operations: {operations:>7} {name}\n");
        }
        let _ = std::io::stdout().write_all(line.as_bytes()); // It is for reading only.
    }
}
