// SPDX-License-Identifier: GPL-2.0

//! A set of functions of one bus, in 32 bytes whatever it holds.

use super::bdf_grammar::Unit;

/// Words of 64 bits that hold one bit for each of the 256 functions of a bus.
const WORDS: usize = 4;

/// A set of `devfn` numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DevfnSet([u64; WORDS]);

impl DevfnSet {
    /// Returns the functions that a written unit stands for.
    pub(crate) fn of(unit: Unit) -> Self {
        match unit {
            Unit::Bus => Self([u64::MAX; WORDS]),
            Unit::Device(slot) => Self::bits(slot << 3, 0xff),
            Unit::Function(devfn) => Self::bits(devfn, 1),
        }
    }

    /// Places `pattern`, the low bit at `devfn`. A pattern wider than one bit starts at a multiple
    /// of 8, so it never crosses a word.
    fn bits(devfn: u8, pattern: u64) -> Self {
        let mut set = Self::default();
        if let Some(word) = set.0.get_mut(usize::from(devfn >> 6)) {
            *word = pattern << (devfn & 63);
        }
        set
    }

    /// Returns `true` if `devfn` is in the set.
    pub(crate) fn contains(&self, devfn: u8) -> bool {
        self.0
            .get(usize::from(devfn >> 6))
            .is_some_and(|word| word >> (devfn & 63) & 1 == 1)
    }

    /// Adds everything of `other`.
    pub(crate) fn insert(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine |= theirs;
        }
    }

    /// Takes out everything of `other`.
    pub(crate) fn remove(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine &= !theirs;
        }
    }

    /// Returns `true` if anything is in both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0
            .iter()
            .zip(other.0)
            .any(|(mine, theirs)| mine & theirs != 0)
    }

    /// Returns `true` if nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Returns how many functions are in the set, 0 to 256.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Yields the members in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|devfn| self.contains(*devfn))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        DevfnSet,
        Unit, //
    };

    #[test]
    fn units_cover_what_they_say() {
        // Fewer for an interpreter.
        for devfn in (0..=255u8).step_by(if cfg!(miri) { 17 } else { 1 }) {
            let one = DevfnSet::of(Unit::Function(devfn));
            assert!(one.iter().eq([devfn]));
        }
        for slot in 0..32u8 {
            let device = DevfnSet::of(Unit::Device(slot));
            assert!(device.iter().eq((0..8).map(|function| slot * 8 + function)));
        }
        assert_eq!(DevfnSet::of(Unit::Bus).len(), 256);
    }

    #[test]
    fn insert_and_remove_are_set_operations() {
        let mut set = DevfnSet::of(Unit::Device(3));
        set.insert(&DevfnSet::of(Unit::Function(200)));
        assert_eq!(set.len(), 9);
        let one = DevfnSet::of(Unit::Function(25));
        assert!(set.overlaps(&one));
        set.remove(&one);
        assert!(!set.overlaps(&one));
        assert!(set.iter().eq([24, 26, 27, 28, 29, 30, 31, 200]));
        assert!(set.overlaps(&DevfnSet::of(Unit::Bus)));
        assert!(!set.is_empty());
        set.remove(&DevfnSet::of(Unit::Bus));
        assert!(set.is_empty());
        assert_eq!(set.len(), 0);
    }
}
