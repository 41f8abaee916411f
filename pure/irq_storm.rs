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
#[path = "irq_storm_tests.rs"]
mod tests;
