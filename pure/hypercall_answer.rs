// SPDX-License-Identifier: GPL-2.0

//! What Xen's answers mean for what the driver was about to do.
//!
//! The numbers are Xen's (xen/include/public/errno.h), which equal Linux's for all those used.

/// `-ENOSYS`: this Xen doesn't know the operation, or not for this kind of domain.
const ENOSYS: i32 = -38;
/// `-EOPNOTSUPP`: what the operation is for is switched off.
const EOPNOTSUPP: i32 = -95;
/// `-EEXIST`: already so.
const EEXIST: i32 = -17;

/// An answer of Xen, sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, or was so already.
    Done,
    /// This Xen doesn't have the operation: go on without it.
    Unsupported,
    /// Refused, with Xen's own errno (negative).
    Refused(i32),
}

/// Sorts the answer to an operation that has no errno of its own.
pub(crate) const fn plain(ret: i32) -> Answer {
    match ret {
        ENOSYS => Answer::Unsupported,
        ret if ret < 0 => Answer::Refused(ret),
        _ => Answer::Done,
    }
}

/// Sorts the answer to an operation on PCI devices. Where passthrough `can_be_off` (on Arm, where
/// it is an option of Xen's command line), `EOPNOTSUPP` says that it is, whatever the device.
pub(crate) const fn of_pci(ret: i32, can_be_off: bool) -> Answer {
    match ret {
        EOPNOTSUPP if can_be_off => Answer::Unsupported,
        ret => plain(ret),
    }
}

/// Sorts the answer to the notification of a reset, after which the device's MSI-X may be `hidden`.
///
/// Where a BAR covers something else, Xen 4.21.0 says that all is well, and leaves MSI-X out of the
/// list of capabilities that dom0 reads (`vpci_init_capabilities()` of xen/drivers/vpci/vpci.c).
/// Other versions say `EEXIST`.
pub(crate) const fn of_reset(ret: i32, can_be_off: bool, hidden: bool) -> Answer {
    match of_pci(ret, can_be_off) {
        Answer::Done if hidden => Answer::Refused(EEXIST),
        answer => answer,
    }
}

/// Sorts the answer to a GSI set-up, for which "exists" is a success.
pub(crate) const fn setup_gsi(ret: i32) -> Answer {
    match ret {
        EEXIST => Answer::Done,
        ret => plain(ret),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        of_pci,
        of_reset,
        plain,
        setup_gsi,
        Answer, //
    };

    #[test]
    fn every_errno_keeps_its_value_but_the_named_ones() {
        for errno in 1..=4095 {
            let as_is = match errno {
                38 => Answer::Unsupported,
                _ => Answer::Refused(-errno),
            };
            assert_eq!(plain(-errno), as_is);
            assert_eq!(of_pci(-errno, false), as_is);
            assert_eq!(
                of_pci(-errno, true),
                if errno == 95 {
                    Answer::Unsupported
                } else {
                    as_is
                }
            );
            assert_eq!(
                setup_gsi(-errno),
                if errno == 17 { Answer::Done } else { as_is }
            );
        }
    }

    #[test]
    fn success_is_success() {
        for ret in [0, 1, i32::MAX] {
            assert_eq!(plain(ret), Answer::Done);
            assert_eq!(of_pci(ret, true), Answer::Done);
            assert_eq!(of_reset(ret, true, false), Answer::Done);
            assert_eq!(setup_gsi(ret), Answer::Done);
        }
    }

    #[test]
    fn success_that_hides_msix_is_what_other_versions_call_it() {
        for ret in [0, 1] {
            assert_eq!(of_reset(ret, false, true), Answer::Refused(-17));
        }
        // What isn't a success says more than that.
        for errno in 1..=200 {
            for can_be_off in [false, true] {
                for hidden in [false, true] {
                    let answer = of_reset(-errno, can_be_off, hidden);
                    assert_eq!(answer, of_pci(-errno, can_be_off));
                }
            }
        }
    }
}
