// SPDX-License-Identifier: GPL-2.0

//! Points in time.

/// Nanoseconds on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Time(pub(crate) i64);

impl Time {
    /// Returns the time so many milliseconds later.
    pub(crate) const fn plus_millis(self, millis: u32) -> Self {
        // CAST: Widening; `as` because `from` isn't const.
        Self(
            self.0
                .saturating_add((millis as i64).saturating_mul(1_000_000)),
        )
    }
}
