// SPDX-License-Identifier: GPL-2.0

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

/// An interrupt at `now`, of a device that `pulls` the line or doesn't; returns, besides what
/// it says, whether the device was looked at.
fn interrupt(before: Counted, now: i64, pulls: bool) -> (Counted, Reaction, bool) {
    let mut looked = false;
    let (after, reaction) = before.interrupt(Time(now), STORM, || {
        looked = true;
        pulls
    });
    (after, reaction, looked)
}

#[test]
fn a_spell_has_ten_milliseconds() {
    let (first, ..) = interrupt(Counted::NONE, 0, false);
    assert_eq!((first.since, first.count), (Time(0), 1));
    let (inside, ..) = interrupt(first, 10 * MILLISECOND - 1, false);
    assert_eq!((inside.since, inside.count), (Time(0), 2));
    let (next, ..) = interrupt(first, 10 * MILLISECOND, false);
    assert_eq!((next.since, next.count), (Time(10 * MILLISECOND), 1));
}

/// A hundredth of what are too many in a second: of a suspect half as many.
#[test]
fn so_many_in_a_spell_are_too_many() {
    for (suspect, most) in [
        (Suspect::No, 999),
        (Suspect::Cleared, 499),
        (Suspect::Yes(1), 499),
    ] {
        for (count, too_many) in [(most - 1, false), (most, true)] {
            let before = Counted {
                since: Time(0),
                count,
                suspect,
                ..Counted::NONE
            };
            let (after, reaction, _) = interrupt(before, 1, false);
            assert_eq!(reaction != Reaction::Taken, too_many, "{suspect:?} {count}");
            assert_eq!(after.fast == Time(1), too_many);
        }
    }
}

#[test]
fn a_suspect_is_none_after_a_calm_second() {
    let suspect = Counted {
        suspect: Suspect::Cleared,
        fast: Time(0),
        ..Counted::NONE
    };
    let (after, reaction, _) = interrupt(suspect, SECOND - 1, true);
    assert_eq!(after.suspect, Suspect::Cleared);
    assert_eq!(reaction, Reaction::Refused);
    let (after, reaction, _) = interrupt(suspect, SECOND, true);
    assert_eq!((after.suspect, reaction), (Suspect::No, Reaction::Taken));
}

#[test]
fn who_was_cleared_is_looked_at_once_in_a_spell() {
    let mut line = Counted {
        since: Time(0),
        suspect: Suspect::Cleared,
        fast: Time(0),
        ..Counted::NONE
    };
    let mut looks = vec![];
    for number in 1..=1_500 {
        let (after, _, looked) = interrupt(line, number, false);
        line = after;
        looks.extend(looked.then_some(number));
    }
    assert_eq!(looks, [500]);
}

#[test]
fn work_starves_after_twenty_thousand_and_two_seconds() {
    let queued = |unseen| Counted {
        since: Time(0),
        unseen,
        unseen_since: Time(0),
        suspect: Suspect::Cleared,
        ..Counted::NONE
    };
    let starves = |unseen, now| interrupt(queued(unseen), now, false).1 != Reaction::Taken;
    assert!(starves(19_999, 2 * SECOND));
    assert!(!starves(19_998, 2 * SECOND));
    assert!(!starves(19_999, 2 * SECOND - 1));
    // The first of a spell is looked at, and no other: there are few in each.
    let (first, _, looked) = interrupt(queued(19_999), 2 * SECOND, false);
    assert!(looked);
    let (_, _, looked) = interrupt(first, 2 * SECOND + 1, false);
    assert!(!looked);
}

#[test]
fn work_is_queued_at_each_thousandth_and_late_since_the_first() {
    let mut line = Counted::NONE;
    for number in 1..=3_000 {
        (line, ..) = interrupt(line, number * SECOND, false);
        assert_eq!(line.is_look_due(), number % 1_000 == 0, "{number}");
        let queued = number.min(1_000);
        assert_eq!(line.unseen_since, Time(queued * SECOND));
    }
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
