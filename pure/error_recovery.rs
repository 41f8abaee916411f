// SPDX-License-Identifier: GPL-2.0

//! What the driver answers when the kernel recovers from a PCI Express error, and what it does.
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
    /// Returns the word for the log and for user space.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Normal => "nonfatal",
            Self::Frozen => "fatal",
            Self::Lost => "lost",
        }
    }
}

/// What the kernel is told (`pci_ers_result_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It can go on without a reset.
    CanRecover,
    /// It needs the reset of the link.
    NeedReset,
    /// It is well again.
    Recovered,
    /// It is lost.
    Disconnect,
}

/// What is to be done about a device in which, or above which, an error was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    /// What the kernel is told.
    pub(crate) answer: Answer,
    /// The device must stop writing to memory at once.
    pub(crate) silence: bool,
    /// The guest that uses it loses it: the toolstack is told.
    pub(crate) take_away: bool,
}

/// The response to the detection of an error. `in_use` tells whether a guest uses the device.
pub(crate) const fn detected(channel: Channel, in_use: bool) -> Response {
    let answer = match channel {
        Channel::Normal => Answer::CanRecover,
        Channel::Frozen => Answer::NeedReset,
        Channel::Lost => Answer::Disconnect,
    };
    Response {
        answer,
        // A frozen or lost device can neither be written to nor write.
        silence: matches!(channel, Channel::Normal),
        take_away: in_use,
    }
}

#[cfg(test)]
mod tests {
    use super::{detected, Answer, Channel};

    #[test]
    fn only_a_lost_device_fails_the_recovery_of_others() {
        for channel in [Channel::Normal, Channel::Frozen, Channel::Lost] {
            for in_use in [false, true] {
                let response = detected(channel, in_use);
                let lost = channel == Channel::Lost;
                assert_eq!(response.answer == Answer::Disconnect, lost);
                assert_eq!(response.take_away, in_use);
            }
        }
    }

    #[test]
    fn a_device_is_silenced_where_it_can_be_written_to() {
        assert!(detected(Channel::Normal, false).silence);
        assert!(!detected(Channel::Frozen, true).silence);
    }
}
