// SPDX-License-Identifier: GPL-2.0

//! Finding places in a list by keys: what a snapshot of many devices would else search from the
//! start for each of them.

/// A key and the place in the list that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// The key.
    pub(crate) key: usize,
    /// The place.
    pub(crate) index: usize,
}

/// Sorts, in place and in n log n steps: a heap of which the largest goes to the end each time.
/// (That of `core` has ten times the code.)
pub(crate) fn sort(positions: &mut [Position]) {
    let len = positions.len();
    for root in (0..len / 2).rev() {
        sink(positions, root);
    }
    for end in (1..len).rev() {
        positions.swap(0, end);
        if let Some(heap) = positions.get_mut(..end) {
            sink(heap, 0);
        }
    }
}

/// Lets one sink in the heap until both below it are smaller.
fn sink(heap: &mut [Position], mut at: usize) {
    loop {
        let left = at.saturating_mul(2).saturating_add(1);
        let right = left.saturating_add(1);
        let larger = if heap.get(right) > heap.get(left) {
            right
        } else {
            left
        };
        match (heap.get(larger), heap.get(at)) {
            (Some(child), Some(parent)) if child > parent => heap.swap(larger, at),
            _ => return,
        }
        at = larger;
    }
}

/// Returns the first place that a key stands for. `positions` must be sorted.
pub(crate) fn find(positions: &[Position], key: usize) -> Option<usize> {
    let first = positions.partition_point(|position| position.key < key);
    let position = positions.get(first)?;
    (position.key == key).then_some(position.index)
}

#[cfg(test)]
mod tests {
    use super::{
        find,
        sort,
        Position, //
    };

    /// All lists of up to seven keys, with equal ones among them.
    #[test]
    fn every_short_list_is_sorted_and_searched() {
        for len in 0..=7u32 {
            for list in 0..4usize.pow(len) {
                let keys: Vec<usize> = (0..len).map(|nth| list >> (2 * nth) & 3).collect();
                let mut sorted: Vec<Position> = (keys.iter().enumerate())
                    .map(|(index, key)| Position { key: *key, index })
                    .collect();
                let mut expected = sorted.clone();
                expected.sort();
                sort(&mut sorted);
                assert_eq!(sorted, expected);
                for key in 0..5 {
                    let first = keys.iter().position(|other| *other == key);
                    assert_eq!(find(&sorted, key), first);
                }
            }
        }
    }

    #[test]
    fn long_lists_are_sorted() {
        let scattered = |nth: usize| nth.wrapping_mul(0x9e37_79b9) >> 3 & 0xfff;
        for order in [|nth| nth, |nth| 5000 - nth, scattered] {
            let mut sorted: Vec<Position> = (0..if cfg!(miri) { 50 } else { 5000 })
                .map(|index| Position {
                    key: order(index),
                    index,
                })
                .collect();
            let mut expected = sorted.clone();
            expected.sort();
            sort(&mut sorted);
            assert_eq!(sorted, expected);
        }
    }
}
