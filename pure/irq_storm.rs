// SPDX-License-Identifier: GPL-2.0

//! When interrupts of a line come without end.

use super::time::Time;

/// How many interrupts in a second are too many. The kernel turns a line off on which 99,900 of
/// 100,000 interrupts are nobody's (`note_interrupt()`, kernel/irq/spurious.c); no device does so
/// much by its pin, with Xen and its guest at each interrupt.
pub(crate) const STORM: u32 = 100_000;

/// After how many interrupts it is looked if work gets a processor between them.
const LOOK: u32 = 1_000;

/// How many are too many if it doesn't, for this long: slow machines never come to [`STORM`].
/// Where work does get one, it takes a few interrupts, or some tens of milliseconds.
const UNSEEN: u32 = 20_000;
const UNSEEN_MILLIS: u32 = 1_000;

/// The interrupts that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// When the present second began.
    pub(crate) since: Time,
    /// How many there were in it.
    pub(crate) count: u32,
    /// How many there were since work had a processor last.
    pub(crate) unseen: u32,
    /// When the first of these came.
    pub(crate) unseen_since: Time,
}

/// What is to be done at an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    Nothing,
    /// Work is to be queued, which takes back [`Counted::unseen`].
    Look,
    /// There were too many.
    Stop,
}

impl Counted {
    /// Counts an interrupt. Returns the counts after it, and what is to be done. `storm`: how many
    /// in a second are too many.
    pub(crate) const fn interrupt(self, now: Time, storm: u32) -> (Self, Reaction) {
        let is_later = now.0 >= self.since.plus_millis(1000).0;
        let after = Self {
            since: if is_later { now } else { self.since },
            count: if is_later {
                1
            } else {
                self.count.saturating_add(1)
            },
            unseen: self.unseen.saturating_add(1),
            unseen_since: if self.unseen == 0 {
                now
            } else {
                self.unseen_since
            },
        };
        let is_unseen =
            after.unseen >= UNSEEN && now.0 >= after.unseen_since.plus_millis(UNSEEN_MILLIS).0;
        let next = if after.count >= storm || is_unseen {
            Reaction::Stop
        } else if after.unseen % LOOK == 0 {
            Reaction::Look
        } else {
            Reaction::Nothing
        };
        (after, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Counted = Counted {
        since: Time(i64::MIN),
        count: 0,
        unseen: 0,
        unseen_since: Time(i64::MIN),
    };

    /// Feeds interrupts `pause` nanoseconds apart; `looks` says if queued work runs. Returns the
    /// number of the first that was too many.
    fn stopped(pause: i64, interrupts: u32, looks: bool) -> Option<u32> {
        let mut counted = NONE;
        (1..=interrupts).find(|number| {
            let (after, next) = counted.interrupt(Time(i64::from(*number) * pause), STORM);
            counted = after;
            if looks && next == Reaction::Look {
                counted.unseen = 0;
            }
            next == Reaction::Stop
        })
    }

    #[test]
    fn a_line_that_is_stuck_is_stopped() {
        // 5 us each: 200,000 in a second.
        assert_eq!(stopped(5_000, 1_000_000, true), Some(STORM));
    }

    #[test]
    fn so_it_is_on_a_slow_machine() {
        // 100 us each: 10,000 in a second.
        assert_eq!(stopped(100_000, 1_000_000, false), Some(UNSEEN));
        // 20 us each: 50,000 in a second, which is how long work may take.
        assert_eq!(stopped(20_000, 1_000_000, false), Some(50_001));
    }

    #[test]
    fn a_busy_device_goes_on() {
        // 10.1 us each: 99,010 in a second.
        assert_eq!(stopped(10_100, 1_000_000, true), None);
    }

    #[test]
    fn it_is_looked_in_time() {
        let mut counted = NONE;
        let looks = (1..UNSEEN).filter(|number| {
            let (after, next) = counted.interrupt(Time(0), u32::MAX);
            counted = after;
            assert_eq!(next == Reaction::Look, number % LOOK == 0);
            next == Reaction::Look
        });
        assert_eq!(looks.count(), 19);
    }

    #[test]
    fn counts_and_clocks_have_ends() {
        let full = Counted {
            since: Time(i64::MAX),
            count: u32::MAX,
            unseen: u32::MAX,
            unseen_since: Time(0),
        };
        assert_eq!(full.interrupt(Time(0), STORM), (full, Reaction::Stop));
        let (after, _) = full.interrupt(Time(i64::MAX), STORM);
        assert_eq!((after.count, after.unseen), (1, u32::MAX));
    }
}
