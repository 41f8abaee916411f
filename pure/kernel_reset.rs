// SPDX-License-Identifier: GPL-2.0

//! What is known of a reset that the kernel carried out by itself, between its calls of
//! `reset_prepare` and `reset_done`.
//!
//! The kernel walks its list of methods (`__pci_reset_function_locked()`). After one that returns
//! `ENOTTY` it tries the next; any other error ends the walk. A driver learns of neither, nor
//! whether the kernel walked its list at all or reset a bus for another device (`pci_reset_bus()`).
//! So a reset counts as the weakest that it can have been.

use super::{
    canary::Proof,
    reset_method::{
        Listed,
        Method, //
    },
    reset_plan::Rung, //
};

/// The facts that the conclusion is drawn from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// The methods that were listed for the device.
    pub(crate) listed: Listed,
    /// The device answered at `reset_prepare`. FLR of one that doesn't is reported as done (Linux
    /// 7.2), or refused with `ENOTTY` (7.3, `pci_dev_config_accessible()`).
    pub(crate) answered: bool,
    /// From `reset_prepare` to `reset_done`, in microseconds.
    pub(crate) micros: i64,
    /// The device needs no time after a reset (Immediate Readiness, PCIe r6.0 sec 7.5.1.1.4).
    pub(crate) immediate: bool,
    /// It is alone on its bus, which can be reset (`pci_parent_bus_reset()`).
    pub(crate) alone: bool,
}

/// A reset that the kernel carried out, or seemed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guess {
    /// The weakest method that it can have been.
    pub(crate) by: Rung,
    /// Whether it is known that the device was reset at all, if canaries say nothing.
    pub(crate) sure: bool,
}

impl Facts {
    /// After this time, in microseconds, a method that waits for the device gives up, and the next
    /// is tried (`PCIE_RESET_READY_POLL_MS`, drivers/pci/pci.h).
    const TIMED_OUT: i64 = 60_000_000;

    /// Draws the conclusion.
    pub(crate) fn conclude(self) -> Guess {
        let works = self.answered && self.micros < Self::TIMED_OUT;
        let mut first = None;
        let mut others = false;
        let mut weak = false;
        let mut ended = false;
        for method in self.listed.methods() {
            others |= first.is_some();
            first = first.or(Some(method));
            weak |= method == Method::Pm;
            if works && self.does_not_hand_on(method) {
                ended = true;
                break;
            }
        }
        let by = if weak { Some(Method::Pm) } else { first };
        Guess {
            by: match by {
                // Without a list the kernel walks none, so it was a bus.
                None | Some(Method::Bus | Method::CxlBus) => Rung::Bus,
                Some(method) => Rung::Function(method),
            },
            sure: ended && !others && by.is_some_and(|by| self.micros >= self.least(by)),
        }
    }

    /// Returns `true` if a listed method resets a device that answers, unless it gives up waiting
    /// for it.
    const fn does_not_hand_on(self, method: Method) -> bool {
        match method {
            // They fail only on a device that lacks what they need, and aren't listed for one.
            Method::Flr | Method::AfFlr | Method::Pm => true,
            Method::Bus => self.alone,
            // Only the quirk, the firmware or the port knows what they need.
            Method::DeviceSpecific | Method::Acpi | Method::CxlBus => false,
        }
    }

    /// The least time that a method takes, in microseconds: what it sleeps.
    const fn least(self, method: Method) -> i64 {
        match method {
            Method::Flr | Method::AfFlr if !self.immediate => 100_000,
            Method::Bus | Method::CxlBus => 2_000,
            _ => 0,
        }
    }
}

impl Guess {
    /// Returns `true` if, with what the canaries say, it is known what the reset made of the
    /// device.
    pub(crate) const fn is_known(self, proof: Proof) -> bool {
        self.sure || !matches!(proof, Proof::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Facts,
        Guess,
        Listed,
        Method,
        Proof,
        Rung, //
    };

    fn guess(numbers: &[u8], micros: i64, immediate: bool, alone: bool) -> Guess {
        let mut list = [0; 8];
        list[..numbers.len()].copy_from_slice(numbers);
        let facts = Facts {
            listed: Listed::new(list),
            answered: true,
            micros,
            immediate,
            alone,
        };
        facts.conclude()
    }

    const fn surely(by: Method) -> Guess {
        Guess {
            by: Rung::Function(by),
            sure: true,
        }
    }

    const fn perhaps(by: Method) -> Guess {
        Guess {
            by: Rung::Function(by),
            sure: false,
        }
    }

    #[test]
    fn devices_of_the_lab() {
        assert_eq!(guess(&[3, 5, 6], 110_000, false, true), surely(Method::Flr)); // igb
        assert_eq!(guess(&[3, 6], 110_000, false, true), surely(Method::Flr)); // nvme
        assert_eq!(guess(&[5, 6], 20_000, false, true), surely(Method::Pm)); // e1000e
        let bus = guess(&[6], 110_000, false, true); // xhci
        assert_eq!((bus.by, bus.sure), (Rung::Bus, true));
    }

    #[test]
    fn what_may_have_handed_on_is_not_sure() {
        // A neighbour has come since the kernel listed the bus.
        assert!(!guess(&[6], 110_000, false, false).sure);
        assert_eq!(guess(&[6, 5], 110_000, false, false), perhaps(Method::Pm));
        // Firmware's method may have failed, and the next was weak.
        assert_eq!(guess(&[2, 5, 6], 110_000, false, true), perhaps(Method::Pm));
        assert_eq!(
            guess(&[2, 3, 5], 110_000, false, true),
            perhaps(Method::Acpi)
        );
        assert_eq!(
            guess(&[1], 110_000, false, true),
            perhaps(Method::DeviceSpecific)
        );
        // FLR gave up after a minute.
        assert_eq!(
            guess(&[3, 5, 6], 60_200_000, false, true),
            perhaps(Method::Pm)
        );
        assert_eq!(guess(&[3], 60_200_000, false, true), perhaps(Method::Flr));
    }

    #[test]
    fn nothing_is_sure_of_what_did_not_answer() {
        for numbers in [&[3][..], &[3, 5, 6], &[5, 6], &[6]] {
            let mut list = [0; 8];
            list[..numbers.len()].copy_from_slice(numbers);
            let facts = Facts {
                listed: Listed::new(list),
                answered: false,
                micros: 1_100_000,
                immediate: false,
                alone: true,
            };
            let found = facts.conclude();
            assert!(!found.sure, "{numbers:?}");
            let weak = found.by == Rung::Function(Method::Pm);
            assert_eq!(weak, numbers.contains(&5), "{numbers:?}");
        }
    }

    #[test]
    fn what_took_too_little_time_was_not_done() {
        assert_eq!(guess(&[3], 99_999, false, true), perhaps(Method::Flr));
        assert_eq!(guess(&[3], 99_999, true, true), surely(Method::Flr));
        assert!(!guess(&[6], 1_999, false, true).sure);
        // Just enough of it: what a method sleeps it sleeps at least.
        assert_eq!(guess(&[3], 100_000, false, true), surely(Method::Flr));
        assert_eq!(guess(&[4], 100_000, false, true), surely(Method::AfFlr));
        assert!(guess(&[6], 2_000, false, true).sure);
        assert_eq!(guess(&[5], 0, false, true), surely(Method::Pm));
    }

    #[test]
    fn what_came_after_two_others_is_not_sure_either() {
        // Each of the first two may have been the one.
        let third = guess(&[1, 2, 3], 110_000, false, true);
        assert_eq!(third, perhaps(Method::DeviceSpecific));
    }

    #[test]
    fn a_minute_is_when_the_kernel_gives_up() {
        assert_eq!(guess(&[3, 5], 59_999_999, false, true), surely(Method::Flr));
        assert_eq!(guess(&[3, 5], 60_000_000, false, true), perhaps(Method::Pm));
    }

    #[test]
    fn without_a_list_it_was_a_bus() {
        let guess = guess(&[], 110_000, false, true);
        assert_eq!((guess.by, guess.sure), (Rung::Bus, false));
    }

    #[test]
    fn marks_decide_what_is_not_sure() {
        for proof in [Proof::Proven, Proof::Disproven, Proof::Unknown] {
            assert!(surely(Method::Flr).is_known(proof));
            let known = perhaps(Method::Flr).is_known(proof);
            assert_eq!(known, proof != Proof::Unknown);
        }
    }

    /// Every list of up to four kernel numbers, known or not: a list in which a power-state reset
    /// can have been the one is weak.
    #[test]
    fn never_stronger_than_what_it_can_have_been() {
        // Fewer for an interpreter.
        for code in (0..10u32.pow(4)).step_by(if cfg!(miri) { 97 } else { 1 }) {
            let numbers: Vec<u8> = (0..4).map(|i| (code / 10u32.pow(i) % 10) as u8).collect();
            for (micros, alone) in [
                (0, false),
                (110_000, false),
                (110_000, true),
                (61_000_000, true),
            ] {
                let found = guess(&numbers, micros, false, alone);
                let listed: Vec<u8> = numbers.iter().copied().take_while(|n| *n != 0).collect();
                let certain = |n: &u8| matches!(n, 3..=5) || *n == 6 && alone;
                let end = listed
                    .iter()
                    .position(certain)
                    .filter(|_| micros < 60_000_000);
                let reached = end.map_or(&listed[..], |end| &listed[..=end]);
                let weak = reached.contains(&5);
                assert_eq!(found.by == Rung::Function(Method::Pm), weak, "{numbers:?}");
                assert!(!found.sure || end.is_some(), "{numbers:?}");
            }
        }
    }
}
