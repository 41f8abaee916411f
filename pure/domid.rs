// SPDX-License-Identifier: GPL-2.0

//! The number of a Xen domain.

use core::fmt;

/// A domain that can use devices (`domid_t` of Xen's public/xen.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DomId(u16);

impl DomId {
    /// `DOMID_FIRST_RESERVED`: numbers from here on have special meanings.
    const FIRST_RESERVED: u16 = 0x7ff0;

    /// Returns the domain of that number, or `None` for a reserved one.
    pub(crate) const fn new(number: u16) -> Option<Self> {
        if number < Self::FIRST_RESERVED {
            Some(Self(number))
        } else {
            None
        }
    }

    /// Returns its number.
    pub(crate) const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::DomId;

    #[test]
    fn reserved_numbers_are_no_domains() {
        assert_eq!(
            DomId::new(0x7fef).map(|id| id.to_string()),
            Some("32751".into())
        );
        assert_eq!(DomId::new(0x7ff0), None); // DOMID_SELF
        assert_eq!(DomId::new(0x7ff1), None); // DOMID_IO
        assert_eq!(DomId::new(0xffff), None);
    }

    #[test]
    fn every_other_number_is_kept() {
        for number in 0..=u16::MAX {
            let kept = DomId::new(number).map(DomId::number);
            assert_eq!(kept, (number < 0x7ff0).then_some(number));
        }
    }
}
