// SPDX-License-Identifier: GPL-2.0

//! How clean a claimed device is, and whether a guest may have it.

/// What the last reset made of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResetState {
    /// It was reset and restored, and Xen was notified.
    Clean,
    /// It went through a power-state reset, which cleans little.
    Weak,
    /// What was done to it reported success and reset nothing.
    Unproven,
    /// It was not reset since it was claimed.
    NotReset,
    /// A guest has it, or had it, and it was not reset since.
    Used,
    /// A reset was tried and failed, or Xen refused to hear of it.
    Failed,
}

impl ResetState {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] = [
        Self::Clean,
        Self::Weak,
        Self::Unproven,
        Self::NotReset,
        Self::Used,
        Self::Failed,
    ];

    /// Returns the word for sysfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Weak => "weak",
            Self::Unproven => "unproven",
            Self::NotReset => "not-reset",
            Self::Used => "used",
            Self::Failed => "failed",
        }
    }

    /// Returns `true` if a guest may have such a device. `strict` is the administrator's wish to
    /// hand out nothing that isn't known to be clean.
    pub(crate) const fn verdict(self, strict: bool) -> Verdict {
        match self {
            Self::Clean => Verdict::Yes,
            Self::Weak | Self::Unproven | Self::NotReset | Self::Used if !strict => {
                Verdict::WithWarning
            }
            _ => Verdict::No,
        }
    }
}

/// Whether a guest may have a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Yes.
    Yes,
    /// Yes, but somebody should know.
    WithWarning,
    /// No.
    No,
}

impl Verdict {
    /// Returns the word for sysfs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::WithWarning => "with-warning",
            Self::No => "no",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        ResetState,
        Verdict, //
    };

    #[test]
    fn only_clean_devices_pass_without_a_word() {
        for state in ResetState::ALL {
            for strict in [false, true] {
                let yes = state.verdict(strict) == Verdict::Yes;
                assert_eq!(yes, state == ResetState::Clean, "{state:?}");
            }
        }
    }

    #[test]
    fn failed_never_passes_and_strict_stops_the_doubtful() {
        assert_eq!(ResetState::Failed.verdict(false), Verdict::No);
        for state in [
            ResetState::Weak,
            ResetState::Unproven,
            ResetState::NotReset,
            ResetState::Used,
        ] {
            assert_eq!(state.verdict(false), Verdict::WithWarning);
            assert_eq!(state.verdict(true), Verdict::No);
        }
    }

    #[test]
    fn words_differ() {
        let mut names: Vec<_> = ResetState::ALL.iter().map(|state| state.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ResetState::ALL.len());
    }
}
