// SPDX-License-Identifier: GPL-2.0

//! A list with room for a fixed number of things: nothing in `pure` allocates.

/// There is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Up to `N` things in order.
///
/// # Invariants
///
/// `len` is at most `N`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounded<T, const N: usize> {
    items: [T; N],
    len: usize,
}

impl<T: Copy, const N: usize> Bounded<T, N> {
    /// An empty list; `filler` is what the room holds, and is never shown.
    pub(crate) const fn new(filler: T) -> Self {
        // INVARIANT: No number is below zero.
        Self {
            items: [filler; N],
            len: 0,
        }
    }

    /// Returns what is in the list.
    pub(crate) fn as_slice(&self) -> &[T] {
        // By the invariant there is such a part.
        self.items.get(..self.len).unwrap_or(&[])
    }

    /// Adds one at the end.
    ///
    /// # Errors
    ///
    /// - [`Full`]: there is no room. The list stays as it is.
    pub(crate) fn push(&mut self, item: T) -> Result<(), Full> {
        self.insert(self.len, item)
    }

    /// Adds one before the one at `at`.
    ///
    /// # Errors
    ///
    /// - [`Full`]: there is no room, or no such place. The list stays as it is.
    pub(crate) fn insert(&mut self, at: usize, item: T) -> Result<(), Full> {
        let len = self.len.checked_add(1).ok_or(Full)?;
        let moved = self.items.get_mut(at..len).unwrap_or(&mut []);
        if moved.is_empty() {
            return Err(Full);
        }
        moved.rotate_right(1); // The first free place comes first.
        *moved.first_mut().ok_or(Full)? = item;
        // INVARIANT: There is a part of the array that ends here.
        self.len = len;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Bounded,
        Full, //
    };

    #[test]
    fn order_and_bounds() {
        let mut list = Bounded::<u8, 3>::new(0);
        assert!(list.as_slice().is_empty());
        assert_eq!(list.insert(1, 7), Err(Full));
        assert_eq!(list.push(2), Ok(()));
        assert_eq!(list.insert(0, 1), Ok(()));
        assert_eq!(list.insert(2, 3), Ok(()));
        assert_eq!(list.as_slice(), [1, 2, 3]);
        assert_eq!(list.push(4), Err(Full));
        assert_eq!(list.insert(0, 4), Err(Full));
        assert_eq!(list.as_slice(), [1, 2, 3]);
    }
}
