// SPDX-License-Identifier: GPL-2.0

//! What the driver answers when the kernel recovers from a PCI Express error, what it does, and how
//! often it resets a device for that.
//!
//! No answer waits for a guest: a device that one uses is taken from it, so that the recovery of
//! the other devices below the same port goes on.

/// How far the error goes (`pci_channel_state_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// It was no fatal one: the link works.
    Normal,
    /// It was a fatal one: the link will be reset.
    Frozen,
    /// The device is lost.
    Lost,
}

impl Channel {
    /// All of them.
    #[cfg(test)]
    const ALL: [Self; 3] = [Self::Normal, Self::Frozen, Self::Lost];

    /// Returns the word for the log and for user space.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "nonfatal",
            Self::Frozen => "fatal",
            Self::Lost => "lost",
        }
    }
}

/// The answer to the kernel (`pci_ers_result_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErsResult {
    /// It can go on without a reset.
    CanRecover,
    /// It needs the reset of the link.
    NeedReset,
    /// It is well again.
    Recovered,
    /// It is lost.
    Disconnect,
}

/// What the registers of a function say of errors. `None` stands for a register that the function
/// doesn't have, or that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// Device Status (PCIe r6.0 sec 7.5.3.5).
    pub(crate) device_status: Option<u16>,
    /// Uncorrectable Error Status and Uncorrectable Error Mask (PCIe r6.0 sec 7.8.4.2, 7.8.4.3).
    pub(crate) uncorrectable: Option<(u32, u32)>,
}

impl Signs {
    /// Non-Fatal Error Detected, Fatal Error Detected, Unsupported Request Detected.
    const DETECTED: u16 = 0b1110;

    /// Returns `true` if the function may have, or have had, the error. One that can't be asked
    /// may: what has no Device Status (a conventional device), and what reads as all ones.
    pub(crate) const fn show_an_error(self) -> bool {
        let by_status = match self.device_status {
            None | Some(u16::MAX) => true,
            Some(status) => status & Self::DETECTED != 0,
        };
        let by_aer = match self.uncorrectable {
            None => false,
            Some((u32::MAX, _) | (_, u32::MAX)) => true,
            Some((status, mask)) => status & !mask != 0,
        };
        by_status || by_aer
    }
}

/// What is to be done about a device in which, or above which, an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// The answer to the kernel.
    pub(crate) answer: ErsResult,
    /// The error is the device's, too: it has failed. If it isn't, the device goes on untouched.
    pub(crate) affected: bool,
    /// The device must stop writing to memory at once.
    pub(crate) silence: bool,
    /// The guest that uses it loses it: the toolstack is notified.
    pub(crate) take_away: bool,
}

/// The response to the detection of an error. `shows`: the device shows one. `in_use`:
/// a guest uses it.
///
/// The kernel asks all that is below the port. An error that isn't fatal is the affair of those
/// that show it: others may be other guests'. In any other case the link is or was reset, and with
/// it all of them.
pub(crate) const fn detected(channel: Channel, shows: bool, in_use: bool) -> Response {
    let answer = answer(channel);
    let affected = !matches!(channel, Channel::Normal) || shows;
    Response {
        answer,
        affected,
        // A frozen device can't be written to: its link is about to be reset. One that the kernel
        // gives up may be there still, because only another's recovery failed.
        silence: affected && !matches!(channel, Channel::Frozen),
        take_away: affected && in_use,
    }
}

/// The answer to the kernel for a device, a bridge included, when an error was detected.
pub(crate) const fn answer(channel: Channel) -> ErsResult {
    match channel {
        Channel::Normal => ErsResult::CanRecover,
        Channel::Frozen => ErsResult::NeedReset,
        Channel::Lost => ErsResult::Disconnect,
    }
}

/// The resets of a device that nobody uses, each for an error that came after the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resets {
    count: u32,
    /// When the last error came, in milliseconds since any moment.
    last: u64,
    gave_up: bool,
}

/// What follows from an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The device is reset, after so many milliseconds.
    ResetAfter(u32),
    /// It is not reset any more: this is to be said.
    GiveUp,
    /// The same, and it was said.
    StayFailed,
}

impl Resets {
    /// How many there are before the device is given up. This and [`QUIET`](Self::QUIET) are those
    /// of the kernel's recovery on PowerPC (`eeh_max_freezes`, `eeh_pe_update_time_stamp()`).
    pub(crate) const LIMIT: u32 = 5;

    /// After so many milliseconds without an error the next is the first.
    const QUIET: u64 = 3_600_000;

    /// The pause before the second reset, in milliseconds; before each other it is twice that of
    /// the one before. What the card or its power needs to settle isn't known: the pauses only have
    /// the few resets that there are cover seconds, and not a moment.
    const PAUSE: u32 = 500;

    /// Takes an error into account, which came at `now`.
    pub(crate) const fn after_error(self, now: u64) -> (Self, Next) {
        let quiet = now.saturating_sub(self.last) >= Self::QUIET;
        let before = if quiet { 0 } else { self.count };
        if before >= Self::LIMIT {
            let next = if self.gave_up {
                Next::StayFailed
            } else {
                Next::GiveUp
            };
            let resets = Self {
                last: now,
                gave_up: true,
                ..self
            };
            return (resets, next);
        }
        let pause = match before {
            0 => 0,
            earlier => Self::PAUSE << (earlier - 1),
        };
        let resets = Self {
            count: before + 1,
            last: now,
            gave_up: false,
        };
        (resets, Next::ResetAfter(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        detected,
        Channel,
        ErsResult,
        Next,
        Resets,
        Signs, //
    };

    #[test]
    fn only_a_lost_device_fails_the_recovery_of_others() {
        for channel in Channel::ALL {
            for (shows, in_use) in [(false, false), (false, true), (true, false), (true, true)] {
                let response = detected(channel, shows, in_use);
                let lost = channel == Channel::Lost;
                assert_eq!(response.answer == ErsResult::Disconnect, lost);
                // Another may have the link reset, this device never asks for it.
                let frozen = channel == Channel::Frozen;
                assert_eq!(response.answer == ErsResult::NeedReset, frozen);
            }
        }
    }

    #[test]
    fn who_shows_nothing_goes_on_if_the_link_does() {
        for channel in Channel::ALL {
            for in_use in [false, true] {
                let bystander = detected(channel, false, in_use);
                let goes_on = channel == Channel::Normal;
                assert_eq!(bystander.affected, !goes_on);
                assert!(bystander.affected || !bystander.silence && !bystander.take_away);
                let erring = detected(channel, true, in_use);
                assert!(erring.affected);
                assert_eq!(erring.take_away, in_use);
            }
        }
    }

    #[test]
    fn a_device_is_silenced_where_it_can_be_written_to() {
        assert!(detected(Channel::Normal, true, false).silence);
        assert!(detected(Channel::Lost, false, true).silence);
        assert!(!detected(Channel::Frozen, true, true).silence);
    }

    /// Every Device Status, with every single error, masked, reported, or neither.
    #[test]
    fn an_error_shows_in_either_register() {
        // Fewer for an interpreter.
        let step = if cfg!(miri) { 251 } else { 1 };
        for status in (0..=u16::MAX).step_by(step) {
            let detected = status & 0xe != 0; // 0xffff included.
            let alone = Signs {
                device_status: Some(status),
                uncorrectable: None,
            };
            assert_eq!(alone.show_an_error(), detected);
            for bit in 0..32 {
                let bit = 1u32 << bit;
                for (error, mask, shows) in [
                    (0, 0, false),
                    (0, bit, false),
                    (bit, 0, true),
                    (bit, bit, false),
                    (bit, !bit, true),
                    (!bit, !bit, false),
                ] {
                    let both = Signs {
                        uncorrectable: Some((error, mask)),
                        ..alone
                    };
                    assert_eq!(both.show_an_error(), detected || shows);
                }
            }
        }
    }

    #[test]
    fn who_cannot_be_asked_may_have_it() {
        for device_status in [None, Some(0), Some(u16::MAX)] {
            for uncorrectable in [
                None,
                Some((0, 0)),
                Some((u32::MAX, 0)),
                Some((0, u32::MAX)),
                Some((u32::MAX, u32::MAX)),
            ] {
                let signs = Signs {
                    device_status,
                    uncorrectable,
                };
                let silent = device_status == Some(0)
                    && (uncorrectable.is_none() || uncorrectable == Some((0, 0)));
                assert_eq!(signs.show_an_error(), !silent, "{signs:?}");
            }
        }
    }

    /// Has errors come at these times; returns what follows from each.
    fn errors(times: impl IntoIterator<Item = u64>) -> Vec<Next> {
        let mut resets = Resets::default();
        times
            .into_iter()
            .map(|now| {
                let (after, next) = resets.after_error(now);
                resets = after;
                next
            })
            .collect()
    }

    #[test]
    fn a_device_that_errs_without_end_is_given_up_and_that_is_said_once() {
        let next = errors(0..100);
        let reset = [0, 500, 1000, 2000, 4000].map(Next::ResetAfter);
        assert_eq!(next[..5], reset);
        assert_eq!(next[5], Next::GiveUp);
        assert!(next[6..].iter().all(|next| *next == Next::StayFailed));
    }

    #[test]
    fn an_hour_of_quiet_forgives() {
        const HOUR: u64 = 3_600_000;
        let rare = errors((0..100).map(|n| n * HOUR));
        assert!(rare.iter().all(|next| *next == Next::ResetAfter(0)));
        // Each within an hour of the one before: also when it is given up.
        let steady = errors((1..100).map(|n| n * (HOUR - 1)));
        assert_eq!(steady[4], Next::ResetAfter(4000));
        assert_eq!(steady[5..7], [Next::GiveUp, Next::StayFailed]);
        let late = errors([1, 2, 3, 4, 5, 6, 7, 7 + HOUR]);
        assert_eq!(late[6..], [Next::StayFailed, Next::ResetAfter(0)]);
    }

    #[test]
    fn clocks_at_their_ends() {
        assert_eq!(
            errors([u64::MAX, 0]),
            [Next::ResetAfter(0), Next::ResetAfter(500)]
        );
    }
}
