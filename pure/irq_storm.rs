// SPDX-License-Identifier: GPL-2.0

//! Whose the interrupts of a shared line are, when they come too fast to be anybody's.
//!
//! As long as they don't, each may be the device's, and the device isn't looked at. When they do,
//! it is, at each interrupt: one that always pulls the line has its pin turned off, and where it
//! doesn't, the interrupts are refused until the line is calm, so that the kernel can turn off a
//! line that is stuck without anybody's fault.

use super::time::Time;

/// How many interrupts in a second are too many. The kernel turns a line off on which 99,900 of
/// 100,000 interrupts are nobody's (`note_interrupt()`, kernel/irq/spurious.c); no device does so
/// much by its pin, with Xen and its guest at each interrupt.
pub(crate) const STORM: u32 = 100_000;

/// For how long they are counted, so that a storm that has ended counts for nobody.
const SPELL_MILLIS: u32 = 10;
const SPELLS: u32 = 1000 / SPELL_MILLIS;

/// After how many interrupts it is looked if work gets the processor between them.
const LOOK: u32 = 1_000;

/// How many are too many if it doesn't, for this long: slow machines never come to [`STORM`].
/// Where work does get it, it takes a few interrupts, or some tens of milliseconds.
const UNSEEN: u32 = 20_000;
const UNSEEN_MILLIS: u32 = 1_000;

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
}

/// What is to be said of an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be the device's.
    Taken,
    /// It is not.
    Refused,
    /// It is, and the device's pin is to be turned off.
    Storm,
}

/// How many interrupts in a spell are too many, if so many in a second are.
const fn too_many(storm: u32) -> u32 {
    let spell = storm / SPELLS;
    if spell == 0 {
        1
    } else {
        spell
    }
}

impl Counted {
    /// Before the first interrupt.
    pub(crate) const NONE: Self = Self {
        since: Time(i64::MIN),
        count: 0,
        unseen: 0,
        unseen_since: Time(i64::MAX),
        suspect: Suspect::No,
    };

    /// Counts an interrupt. `storm`: how many in a second are too many. `pulls` tells whether the
    /// device pulls the line.
    ///
    /// Returns the counts after it, and what is to be said of it.
    pub(crate) fn interrupt(
        self,
        now: Time,
        storm: u32,
        pulls: impl FnOnce() -> bool,
    ) -> (Self, Verdict) {
        let mut after = self.counted(now, too_many(storm));
        let is_storm = after.count >= too_many(storm) || after.is_starving(now);
        after.suspect = match after.suspect {
            Suspect::No if !is_storm => return (after, Verdict::Taken),
            // Once in a spell it is looked again.
            Suspect::Cleared if after.count > 1 => return (after, Verdict::Refused),
            _ if !pulls() => Suspect::Cleared,
            Suspect::Yes(times) => Suspect::Yes(times.saturating_add(1)),
            Suspect::No | Suspect::Cleared => Suspect::Yes(1),
        };
        let verdict = match after.suspect {
            Suspect::Yes(times) if times >= too_many(storm) && is_storm => Verdict::Storm,
            Suspect::Yes(_) => Verdict::Taken,
            _ => Verdict::Refused,
        };
        if verdict == Verdict::Storm {
            // What comes with the pin off is another's.
            after.suspect = Suspect::Cleared;
        }
        (after, verdict)
    }

    /// Returns `true` if work is to be queued, which takes back [`Self::unseen`].
    pub(crate) const fn is_look_due(&self) -> bool {
        self.unseen % LOOK == 0
    }

    /// The counts with one more, and the suspicion that is left.
    const fn counted(self, now: Time, too_many: u32) -> Self {
        let unseen = self.unseen.saturating_add(1);
        let mut after = Self {
            count: self.count.saturating_add(1),
            unseen,
            unseen_since: if unseen <= LOOK {
                now
            } else {
                self.unseen_since
            },
            ..self
        };
        if now.0 >= self.since.plus_millis(SPELL_MILLIS).0 {
            let was_calm =
                self.count < too_many || now.0 >= self.since.plus_millis(2 * SPELL_MILLIS).0;
            if was_calm && !after.is_starving(now) {
                after.suspect = Suspect::No;
            }
            after.since = now;
            after.count = 1;
        }
        after
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

    /// What a line came to.
    #[derive(Debug, PartialEq, Eq)]
    enum End {
        /// Nothing happened.
        GoesOn,
        /// The device lost its pin at that interrupt.
        Storm(u32),
        /// The kernel turned the line off.
        Disabled,
    }

    impl Line {
        fn new() -> Self {
            Self {
                counted: Counted::NONE,
                now: Time(0),
                count: 0,
                unhandled: 0,
            }
        }

        /// Feeds interrupts, `pause` nanoseconds apart. `pulls` says at which the device pulls the
        /// line, `works` whether work gets the processor, `others` whether another handler takes
        /// an interrupt.
        fn feed(
            &mut self,
            pause: i64,
            interrupts: u32,
            works: bool,
            pulls: impl Fn(u32) -> bool,
            others: impl Fn(u32) -> bool,
        ) -> End {
            for number in 1..=interrupts {
                self.now = Time(self.now.0 + pause);
                let (after, verdict) = self.counted.interrupt(self.now, STORM, || pulls(number));
                self.counted = after;
                if works && after.is_look_due() {
                    self.counted.unseen = 0;
                }
                if verdict == Verdict::Storm {
                    return End::Storm(number);
                }
                self.count += 1;
                if verdict == Verdict::Refused && !others(number) {
                    self.unhandled += 1;
                }
                if self.count == 100_000 {
                    if self.unhandled > 99_900 {
                        return End::Disabled;
                    }
                    (self.count, self.unhandled) = (0, 0);
                }
            }
            End::GoesOn
        }
    }

    const SECOND: i64 = 1_000_000_000;
    const NEVER: fn(u32) -> bool = |_| false;
    const ALWAYS: fn(u32) -> bool = |_| true;

    #[test]
    fn a_device_that_is_stuck_loses_its_pin() {
        for per_second in [110_000, 200_000, 1_000_000] {
            let end = Line::new().feed(SECOND / per_second, 1_000_000, true, ALWAYS, NEVER);
            assert!(
                matches!(end, End::Storm(1_999..4_000)),
                "{per_second}: {end:?}"
            );
        }
    }

    #[test]
    fn so_it_does_on_a_slow_machine() {
        for per_second in [10_000, 50_000, 99_000] {
            let end = Line::new().feed(SECOND / per_second, 1_000_000, false, ALWAYS, NEVER);
            assert!(
                matches!(end, End::Storm(20_000..110_000)),
                "{per_second}: {end:?}"
            );
        }
    }

    #[test]
    fn a_busy_device_goes_on() {
        for pulls in [NEVER, ALWAYS] {
            let end = Line::new().feed(SECOND / 99_000, 1_000_000, true, pulls, NEVER);
            assert_eq!(end, End::GoesOn);
        }
    }

    #[test]
    fn a_line_that_another_has_stuck_is_the_kernels_to_turn_off() {
        for (per_second, works) in [
            (110_000, true),
            (150_000, true),
            (250_000, true),
            (1_000_000, true),
            (20_000, false),
            (50_000, false),
            (199_000, false),
        ] {
            let end = Line::new().feed(SECOND / per_second, 1_000_000, works, NEVER, NEVER);
            assert_eq!(end, End::Disabled, "{per_second}");
        }
    }

    #[test]
    fn another_handlers_storm_takes_nothing_from_the_device() {
        let mut line = Line::new();
        // Its own interrupts are some of those.
        let own = |number: u32| number % 100 == 0;
        let end = line.feed(SECOND / 200_000, 1_000_000, true, own, |number| {
            !own(number)
        });
        assert_eq!(end, End::GoesOn);
    }

    #[test]
    fn a_storm_that_has_ended_counts_for_nobody() {
        let mut line = Line::new();
        let end = line.feed(SECOND / 200_000, 100_500, true, NEVER, ALWAYS);
        assert_eq!(end, End::GoesOn);
        assert_eq!(line.counted.suspect, Suspect::Cleared);
        // Its neighbour has lost its pin. At most 10 ms later its own interrupts are its own.
        let refused = (1..=5_000u32)
            .filter(|_| {
                line.now = Time(line.now.0 + SECOND / 5_000);
                let (after, verdict) = line.counted.interrupt(line.now, STORM, || true);
                line.counted = after;
                assert_ne!(verdict, Verdict::Storm);
                verdict == Verdict::Refused
            })
            .count();
        assert!(refused <= 50, "{refused}");
        assert_eq!(line.counted.suspect, Suspect::No);
    }

    #[test]
    fn what_comes_with_the_pin_off_is_anothers() {
        let mut line = Line::new();
        let end = line.feed(SECOND / 200_000, 1_000_000, true, ALWAYS, NEVER);
        assert!(matches!(end, End::Storm(_)));
        let end = line.feed(SECOND / 200_000, 1_000_000, true, NEVER, NEVER);
        assert_eq!(end, End::Disabled);
    }

    #[test]
    fn a_pause_is_no_starvation() {
        let mut line = Line::new();
        let end = line.feed(SECOND / 1_000, 999, true, ALWAYS, NEVER);
        assert_eq!(end, End::GoesOn);
        line.now = Time(line.now.0 + 10 * SECOND);
        // Work is late, but not for a second.
        let end = line.feed(SECOND / 80_000, 40_000, false, ALWAYS, NEVER);
        assert_eq!(end, End::GoesOn);
    }

    #[test]
    fn a_limit_may_be_low() {
        let (after, verdict) = Counted::NONE.interrupt(Time(0), 50, || true);
        assert_eq!(verdict, Verdict::Storm);
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
