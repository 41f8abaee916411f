// SPDX-License-Identifier: GPL-2.0

//! The steps of a claim, in order, with the words that the log uses for them.

use core::fmt;

/// A step of a claim. The order is that of [`ClaimStep::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClaimStep {
    /// The header type must be one that can be given away.
    Header,
    /// Its other end must be hardware, not a backend in another domain.
    Backend,
    /// Xen must have accepted the device, or a state reset would crash Xen (PVH dom0).
    KnownToXen,
    /// `pci_enable_device()`.
    Enable,
    /// PHYSDEVOP_prepare_msix.
    PrepareMsix,
    /// Saving the configuration space.
    Save,
    /// Decode and bus mastering off, then the reset, then the configuration space back.
    Reset,
    /// PHYSDEVOP_pci_device_reset (PVH dom0).
    Notify,
    /// PHYSDEVOP_map_pirq of an MSI-X entry (PVH dom0). The only step whose failure fails no claim.
    HoldMsix,
    /// PHYSDEVOP_setup_gsi (PVH dom0).
    SetupGsi,
    /// Entering the device among the claimed ones.
    Record,
}

impl ClaimStep {
    /// All steps in the order in which a claim takes them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Header,
        Self::Backend,
        Self::KnownToXen,
        Self::Enable,
        Self::PrepareMsix,
        Self::Save,
        Self::Reset,
        Self::Notify,
        Self::HoldMsix,
        Self::SetupGsi,
        Self::Record,
    ];

    /// Returns the step's word in log lines and in the `fail_step` parameter of test builds.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Backend => "backend",
            Self::KnownToXen => "known-to-xen",
            Self::Enable => "enable",
            Self::PrepareMsix => "prepare-msix",
            Self::Save => "save",
            Self::Reset => "reset",
            Self::Notify => "notify",
            Self::HoldMsix => "hold-msix",
            Self::SetupGsi => "setup-gsi",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for ClaimStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ClaimStep;

    #[test]
    fn steps_are_in_order_and_named_apart() {
        for pair in ClaimStep::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
        }
        let mut names: Vec<_> = ClaimStep::ALL.iter().map(|step| step.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ClaimStep::ALL.len());
    }
}
