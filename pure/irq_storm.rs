// SPDX-License-Identifier: GPL-2.0

//! Whose the interrupts of a shared line are, when they come too fast to be anybody's.
//!
//! As long as they don't, each may be the device's, and the device isn't looked at. When they do,
//! it is, and none is taken any more, so that the kernel can turn off a line that another has
//! stuck. A device that pulls the line at so many, one after the other, has its pin turned off.

use super::time::Time;

/// How many interrupts in a second are too many. The kernel turns a line off on which 99,900 of
/// 100,000 interrupts are nobody's (`note_interrupt()`, kernel/irq/spurious.c); no device does so
/// much by its pin, with Xen and its guest at each interrupt.
pub(crate) const STORM: u32 = 100_000;

/// For how long they are counted, so that a storm that has ended counts for nobody.
const SPELL_MILLIS: u32 = 10;
const SPELLS: u32 = 1000 / SPELL_MILLIS;

/// How long the line is to be calm until the device is no suspect any more. Of a line that is stuck
/// fewer than 100 in 100,000 may be taken, or the kernel lets it be; a storm may pause; and it is
/// slower while the device is looked at.
const CALM_MILLIS: u32 = 1_000;

/// After how many interrupts it is looked if work gets the processor between them.
const LOOK: u32 = 1_000;

/// How many are too many if it doesn't, for this long: slow machines never come to [`STORM`]. Tasks
/// with real-time priority alone leave it some of each second (the deadline server for others,
/// kernel/sched/fair.c).
const UNSEEN: u32 = 20_000;
const UNSEEN_MILLIS: u32 = 2_000;

/// What the device is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspect {
    /// Not looked at.
    No,
    /// It has pulled the line at so many interrupts, one after the other.
    Yes(u32),
    /// The interrupts are not its own.
    Cleared,
}

impl Suspect {
    /// Returns it as a number.
    pub(crate) const fn to_raw(self) -> u32 {
        match self {
            Self::No => 0,
            Self::Yes(times) if times == u32::MAX => times - 1,
            Self::Yes(times) => times,
            Self::Cleared => u32::MAX,
        }
    }

    /// Returns what a number of [`Self::to_raw`] stands for.
    pub(crate) const fn from_raw(raw: u32) -> Self {
        match raw {
            0 => Self::No,
            u32::MAX => Self::Cleared,
            times => Self::Yes(times),
        }
    }
}

/// The interrupts that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// When the present spell began.
    pub(crate) since: Time,
    /// How many there were in it.
    pub(crate) count: u32,
    /// How many there were since work had the processor last.
    pub(crate) unseen: u32,
    /// When that work was queued.
    pub(crate) unseen_since: Time,
    /// What the device is taken for.
    pub(crate) suspect: Suspect,
    /// When they came too fast last.
    pub(crate) fast: Time,
}

/// What is done with an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// It may be the device's.
    Taken,
    /// It is not.
    Refused,
    /// It is, and the device's pin is to be turned off.
    Storm,
}

impl Counted {
    /// Before the first interrupt.
    pub(crate) const NONE: Self = Self {
        since: Time(i64::MIN),
        count: 0,
        unseen: 0,
        unseen_since: Time(i64::MAX),
        suspect: Suspect::No,
        fast: Time(i64::MIN),
    };

    /// Counts an interrupt. `storm`: how many in a second are too many. `pulls` is called where the
    /// device is to be looked at, and is to be `true` if it pulls the line.
    ///
    /// Returns the counts after it, and what is done with it.
    pub(crate) fn interrupt(
        self,
        now: Time,
        storm: u32,
        pulls: impl FnOnce() -> bool,
    ) -> (Self, Reaction) {
        // In a spell.
        let too_many = (storm / SPELLS).max(1);
        let half = too_many.div_ceil(2);
        let mut after = self.counted(now);
        let is_suspect = after.suspect != Suspect::No;
        let is_starving = after.is_starving(now);
        if is_starving || after.count >= if is_suspect { half } else { too_many } {
            after.fast = now;
        } else if is_suspect && now.0 < self.fast.plus_millis(CALM_MILLIS).0 {
            return (after, Reaction::Refused);
        } else {
            after.suspect = Suspect::No;
            return (after, Reaction::Taken);
        }
        let is_first = after.count == half || (is_starving && after.count == 1);
        after.suspect = match after.suspect {
            // Once in a spell it is looked again.
            Suspect::Cleared if !is_first => Suspect::Cleared,
            _ if !pulls() => Suspect::Cleared,
            Suspect::Yes(times) => Suspect::Yes(times.saturating_add(1)),
            Suspect::No | Suspect::Cleared => Suspect::Yes(1),
        };
        match after.suspect {
            Suspect::Yes(times) if times >= too_many => {
                // What comes with the pin off is another's.
                after.suspect = Suspect::Cleared;
                (after, Reaction::Storm)
            }
            _ => (after, Reaction::Refused),
        }
    }

    /// Returns `true` if work is to be queued, which takes back [`Self::unseen`].
    pub(crate) const fn is_look_due(&self) -> bool {
        self.unseen % LOOK == 0
    }

    /// The counts with one more.
    const fn counted(self, now: Time) -> Self {
        let unseen = self.unseen.saturating_add(1);
        let is_later = now.0 >= self.since.plus_millis(SPELL_MILLIS).0;
        Self {
            since: if is_later { now } else { self.since },
            count: if is_later {
                1
            } else {
                self.count.saturating_add(1)
            },
            unseen,
            unseen_since: if unseen <= LOOK {
                now
            } else {
                self.unseen_since
            },
            ..self
        }
    }

    /// Returns `true` if interrupts have left no time for work.
    const fn is_starving(&self, now: Time) -> bool {
        self.unseen >= UNSEEN && now.0 >= self.unseen_since.plus_millis(UNSEEN_MILLIS).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line that the handler shares with others.
    struct Line {
        counted: Counted,
        now: Time,
        /// As `note_interrupt()` has them.
        count: u32,
        unhandled: u32,
    }

    /// What comes on a line.
    #[derive(Clone, Copy, Debug)]
    struct Feed {
        per_second: i64,
        /// What a look at the device takes, in nanoseconds.
        look: i64,
        /// A pause in each half second, in milliseconds.
        pause: i64,
        /// Work gets the processor.
        works: bool,
        /// The device pulls the line so long of each half millisecond, in microseconds.
        pulls: i64,
        /// Another handler takes all.
        others: bool,
        /// The device's pin can be turned off.
        masks: bool,
    }

    /// A line that another has stuck.
    const STUCK: Feed = Feed {
        per_second: 200_000,
        look: 0,
        pause: 0,
        works: true,
        pulls: 0,
        others: false,
        masks: true,
    };

    /// A device that has stuck it.
    const GUILTY: Feed = Feed {
        pulls: 500,
        ..STUCK
    };

    /// What a line came to.
    #[derive(Debug, PartialEq, Eq)]
    enum End {
        /// Nothing happened.
        GoesOn,
        /// The device lost its pin at that interrupt.
        Storm(u32),
        /// The kernel turned the line off at that interrupt.
        Disabled(u32),
    }

    const SECOND: i64 = 1_000_000_000;
    const MILLISECOND: i64 = 1_000_000;
    const MICROSECOND: i64 = 1_000;

    impl Line {
        fn new() -> Self {
            Self {
                counted: Counted::NONE,
                now: Time(0),
                count: 0,
                unhandled: 0,
            }
        }

        fn feed(&mut self, feed: Feed, interrupts: u32) -> End {
            let mut next_pause = self.now.0 + SECOND / 2;
            for number in 1..=interrupts {
                let mut now = self.now.0 + SECOND / feed.per_second;
                if now >= next_pause {
                    now += feed.pause * MILLISECOND;
                    next_pause += SECOND / 2;
                }
                let mut looked = false;
                let pulls = || {
                    looked = true;
                    now % (MILLISECOND / 2) < feed.pulls * MICROSECOND
                };
                let (after, reaction) = self.counted.interrupt(Time(now), STORM, pulls);
                self.counted = after;
                self.now = Time(now + if looked { feed.look } else { 0 });
                if feed.works && after.is_look_due() {
                    self.counted.unseen = 0;
                }
                if reaction == Reaction::Storm && feed.masks {
                    return End::Storm(number);
                }
                self.count += 1;
                if reaction != Reaction::Taken && !feed.others {
                    self.unhandled += 1;
                }
                if self.count == 100_000 {
                    if self.unhandled > 99_900 {
                        return End::Disabled(number);
                    }
                    (self.count, self.unhandled) = (0, 0);
                }
            }
            End::GoesOn
        }
    }

    #[test]
    fn a_device_that_is_stuck_loses_its_pin() {
        for per_second in [105_000, 110_000, 150_000, 1_000_000] {
            for look in [0, MICROSECOND, 4 * MICROSECOND] {
                let feed = Feed {
                    per_second,
                    look,
                    ..GUILTY
                };
                // 1,000 are too many, and at as many it is looked, in three spells at most.
                let end = Line::new().feed(feed, 1_000_000);
                assert!(
                    matches!(end, End::Storm(1_999..=4_000)),
                    "{per_second} {look}: {end:?}"
                );
            }
        }
    }

    #[test]
    fn so_it_does_on_a_slow_machine() {
        for per_second in [10_000, 50_000, 99_000] {
            let feed = Feed {
                per_second,
                works: false,
                ..GUILTY
            };
            let end = Line::new().feed(feed, 1_000_000);
            assert!(
                matches!(end, End::Storm(20_000..201_000)),
                "{per_second}: {end:?}"
            );
        }
    }

    #[test]
    fn a_busy_device_goes_on() {
        for pulls in [0, 100, 500] {
            let feed = Feed {
                per_second: 99_000,
                pulls,
                ..STUCK
            };
            let mut line = Line::new();
            assert_eq!(line.feed(feed, 1_000_000), End::GoesOn);
            assert_eq!(line.unhandled, 0);
        }
    }

    /// The kernel turns the line off, after so many interrupts at most.
    fn assert_disabled(feed: Feed, most: u32) {
        let end = Line::new().feed(feed, 1_000_000);
        assert!(
            matches!(end, End::Disabled(number) if number <= most),
            "{feed:?}: {end:?}"
        );
    }

    #[test]
    fn a_line_that_another_has_stuck_is_the_kernels_to_turn_off() {
        for per_second in [110_000, 150_000, 250_000, 1_000_000] {
            for pause in [0, 1, 4, 12, 25] {
                for pulls in [0, 100, 200] {
                    let feed = Feed {
                        per_second,
                        pause,
                        pulls,
                        ..STUCK
                    };
                    assert_disabled(feed, 300_000);
                }
            }
        }
    }

    #[test]
    fn so_it_is_on_a_slow_machine() {
        for per_second in [20_000, 50_000, 99_000] {
            let feed = Feed {
                per_second,
                works: false,
                ..STUCK
            };
            assert_disabled(feed, 400_000);
        }
    }

    #[test]
    fn so_is_the_line_of_a_device_whose_pin_stays_on() {
        for (per_second, works) in [(150_000, true), (300_000, true), (50_000, false)] {
            let feed = Feed {
                per_second,
                works,
                masks: false,
                ..GUILTY
            };
            assert_disabled(feed, 300_000);
        }
    }

    #[test]
    fn another_handlers_storm_takes_nothing_from_the_device() {
        let feed = Feed {
            pulls: 50,
            others: true,
            ..STUCK
        };
        assert_eq!(Line::new().feed(feed, 1_000_000), End::GoesOn);
    }

    #[test]
    fn a_storm_that_has_ended_counts_for_nobody() {
        let mut line = Line::new();
        let storm = Feed {
            others: true,
            ..STUCK
        };
        assert_eq!(line.feed(storm, 100_500), End::GoesOn);
        assert_ne!(line.counted.suspect, Suspect::No);
        // Its neighbour has lost its pin. For a second no more its own interrupts are refused.
        let own = Feed {
            per_second: 5_000,
            ..GUILTY
        };
        (line.count, line.unhandled) = (0, 0);
        assert_eq!(line.feed(own, 10_000), End::GoesOn);
        assert!(line.unhandled <= 5_100, "{}", line.unhandled);
        assert_eq!(line.counted.suspect, Suspect::No);
    }

    #[test]
    fn what_comes_with_the_pin_off_is_anothers() {
        let mut line = Line::new();
        assert!(matches!(line.feed(GUILTY, 1_000_000), End::Storm(_)));
        assert!(matches!(line.feed(STUCK, 1_000_000), End::Disabled(_)));
    }

    #[test]
    fn a_pause_is_no_starvation() {
        let mut line = Line::new();
        let slow = Feed {
            per_second: 1_000,
            ..GUILTY
        };
        assert_eq!(line.feed(slow, 999), End::GoesOn);
        line.now = Time(line.now.0 + 10 * SECOND);
        // Work is late, but not for that long.
        let busy = Feed {
            per_second: 80_000,
            works: false,
            ..GUILTY
        };
        assert_eq!(line.feed(busy, 40_000), End::GoesOn);
    }

    #[test]
    fn a_limit_may_be_low() {
        let (after, reaction) = Counted::NONE.interrupt(Time(0), 50, || true);
        assert_eq!(reaction, Reaction::Storm);
        assert_eq!(after.suspect, Suspect::Cleared);
    }

    #[test]
    fn counts_and_clocks_have_ends() {
        let full = Counted {
            since: Time(i64::MAX),
            count: u32::MAX,
            unseen: u32::MAX,
            unseen_since: Time(0),
            suspect: Suspect::Yes(u32::MAX),
            fast: Time(i64::MAX),
        };
        for now in [Time(0), Time(i64::MAX), Time(i64::MIN)] {
            let (after, _) = full.interrupt(now, STORM, || true);
            assert_eq!(after.unseen, u32::MAX);
        }
    }

    #[test]
    fn suspects_are_numbers() {
        for suspect in [
            Suspect::No,
            Suspect::Yes(1),
            Suspect::Yes(u32::MAX - 1),
            Suspect::Cleared,
        ] {
            assert_eq!(Suspect::from_raw(suspect.to_raw()), suspect);
        }
        assert_eq!(Suspect::Yes(u32::MAX).to_raw(), u32::MAX - 1);
    }
}
