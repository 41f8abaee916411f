// SPDX-License-Identifier: GPL-2.0

//! Unit tests of [`super`].

use super::{
    first,
    look_up,
    IommuSpec,
    MalformedMap,
    Phandle, //
};

/// An IOMMU of one cell, as `xen,grant-dma` is; one of two; one of none; one of as many as can be.
const ONE: u32 = 0x10;
const TWO: u32 = 0x20;
const NONE: u32 = 0x30;
const MANY: u32 = 0x60;
const ALL: u32 = u32::MAX;

fn wanted(iommu: Phandle) -> Option<u32> {
    match iommu.0 {
        ONE => Some(1),
        TWO => Some(2),
        NONE => Some(0),
        MANY => Some(16),
        0x40 => Some(17),
        _ => None,
    }
}

fn bytes(cells: &[u32]) -> Vec<u8> {
    cells.iter().flat_map(|cell| cell.to_be_bytes()).collect()
}

fn mapped(cells: &[u32], mask: u32, requester: u16) -> Result<Option<IommuSpec>, MalformedMap> {
    look_up(&bytes(cells), mask, requester, wanted)
}

fn spec(iommu: u32, cells: u32, id: u32) -> IommuSpec {
    IommuSpec {
        iommu: Phandle(iommu),
        cells,
        id,
    }
}

#[test]
fn each_device_below_a_bridge_has_a_backend_of_its_own_or_none() {
    // 00:01.0 in domain 2, 00:02.0 to 00:02.7 in domains 5 to 12, 00:03.0 at hardware, others none.
    let map = [
        0x08, ONE, 2, 1, //
        0x10, ONE, 5, 8, //
        0x18, TWO, 7, 9, 1,
    ];
    let backend = |requester| {
        mapped(&map, ALL, requester)
            .unwrap()
            .and_then(|spec| spec.backend(spec.iommu.0 == ONE))
    };
    assert_eq!(backend(0x08), Some(2));
    assert_eq!(backend(0x09), None);
    for function in 0..8 {
        assert_eq!(backend(0x10 + function), Some(5 + u32::from(function)));
    }
    assert_eq!(mapped(&map, ALL, 0x18), Ok(Some(spec(TWO, 2, 7))));
    assert_eq!(backend(0x18), None);
    assert_eq!(mapped(&map, ALL, 0x07), Ok(None));
    assert_eq!(mapped(&map, ALL, 0x19), Ok(None));
}

#[test]
fn the_mask_is_laid_over_the_requester() {
    let map = [0, ONE, 3, 0x10000];
    // Functions of a device are one.
    assert_eq!(mapped(&map, 0xfff8, 0x000f), Ok(Some(spec(ONE, 1, 3 + 8))));
    assert_eq!(mapped(&map, 0, 0xffff), Ok(Some(spec(ONE, 1, 3))));
    assert_eq!(
        mapped(&map, ALL, 0xffff),
        Ok(Some(spec(ONE, 1, 3 + 0xffff)))
    );
    // An entry that no requester reaches is a mistake.
    assert_eq!(mapped(&[1, ONE, 3, 1], 0xfff8, 0), Err(MalformedMap));
}

#[test]
fn the_first_entry_that_covers_it_counts_and_an_empty_one_covers_nothing() {
    let map = [0, ONE, 1, 0, 0, ONE, 2, 4, 2, ONE, 9, 4];
    assert_eq!(mapped(&map, ALL, 0), Ok(Some(spec(ONE, 1, 2))));
    assert_eq!(mapped(&map, ALL, 3), Ok(Some(spec(ONE, 1, 5))));
    assert_eq!(mapped(&map, ALL, 5), Ok(Some(spec(ONE, 1, 12))));
    assert_eq!(mapped(&map, ALL, 6), Ok(None));
    assert_eq!(mapped(&[], ALL, 0), Ok(None));
}

#[test]
fn numbers_at_the_end_of_their_range() {
    assert_eq!(
        mapped(&[0, ONE, u32::MAX, u32::MAX], ALL, 1),
        Ok(Some(spec(ONE, 1, 0)))
    );
    assert_eq!(mapped(&[u32::MAX, ONE, 1, 1], ALL, 0xffff), Ok(None));
    assert_eq!(mapped(&[0, NONE, 1], ALL, 0), Ok(Some(spec(NONE, 0, 0))));
}

#[test]
fn what_ends_in_the_middle_is_malformed() {
    let whole = bytes(&[8, ONE, 2, 1, 16, TWO, 1, 2, 1]);
    for length in 0..whole.len() {
        let cut = look_up(&whole[..length], ALL, 0xffff, wanted);
        // Between two entries it is a shorter map.
        let good = length == 0 || length == 16;
        assert_eq!(
            cut,
            if good { Ok(None) } else { Err(MalformedMap) },
            "{length}"
        );
    }
}

#[test]
fn a_node_that_is_not_there_or_wants_too_much_is_malformed() {
    assert_eq!(mapped(&[0, 0x50, 2, 1], ALL, 9), Err(MalformedMap));
    assert_eq!(mapped(&[0, 0x40, 2, 1], ALL, 9), Err(MalformedMap));
    // Behind the entry that counts nobody looks.
    assert_eq!(
        mapped(&[9, ONE, 2, 1, 0, 0x50, 2, 1], ALL, 9),
        Ok(Some(spec(ONE, 1, 2)))
    );
}

#[test]
fn entries_of_one_cell_for_two_are_taken_as_the_kernel_takes_them() {
    let map = [0, TWO, 7, 1, 8, TWO, 8, 1];
    assert_eq!(mapped(&map, ALL, 8), Ok(Some(spec(TWO, 1, 8))));
    // It is no such map if one entry is longer, or names another.
    assert_eq!(
        mapped(&[0, TWO, 7, 1, 8, TWO, 8, 2], ALL, 8),
        Err(MalformedMap)
    );
    assert_eq!(
        mapped(&[0, TWO, 7, 1, 8, ONE, 8, 1], ALL, 9),
        Err(MalformedMap)
    );
    // Nor if it isn't made of such entries: then the first one has two cells and covers eight.
    assert_eq!(
        mapped(&[0, TWO, 7, 1, 8, TWO], ALL, 7),
        Ok(Some(spec(TWO, 2, 14)))
    );
}

#[test]
fn a_specifier_has_sixteen_cells_at_most() {
    let sixteen: Vec<u32> = (100..116).collect();
    let entry = [&[0, MANY], &sixteen[..], &[4]].concat();
    assert_eq!(mapped(&entry, ALL, 3), Ok(Some(spec(MANY, 16, 103))));
    let named = bytes(&[&[MANY], &sixteen[..]].concat());
    assert_eq!(first(&named, wanted), Ok(spec(MANY, 16, 100)));
    // One more, and there is nothing else wrong.
    let seventeen: Vec<u32> = (100..117).collect();
    let entry = [&[0, 0x40], &seventeen[..], &[4]].concat();
    assert_eq!(mapped(&entry, ALL, 3), Err(MalformedMap));
    let named = bytes(&[&[0x40], &seventeen[..]].concat());
    assert_eq!(first(&named, wanted), Err(MalformedMap));
}

#[test]
fn the_first_of_iommus() {
    let one = |cells: &[u32]| first(&bytes(cells), wanted);
    assert_eq!(one(&[ONE, 4]), Ok(spec(ONE, 1, 4)));
    assert_eq!(one(&[TWO, 4, 5, ONE, 6]), Ok(spec(TWO, 2, 4)));
    assert_eq!(one(&[NONE]), Ok(spec(NONE, 0, 0)));
    for bad in [&[][..], &[ONE], &[TWO, 4], &[0x50, 4], &[0x40]] {
        assert_eq!(one(bad), Err(MalformedMap), "{bad:?}");
    }
    assert_eq!(first(&[0, 0, 0], wanted), Err(MalformedMap));
}

#[test]
fn only_grants_of_one_number_name_a_backend() {
    assert_eq!(spec(ONE, 1, 6).backend(true), Some(6));
    assert_eq!(spec(ONE, 1, 6).backend(false), None);
    assert_eq!(spec(TWO, 2, 6).backend(true), None);
    assert_eq!(spec(NONE, 0, 0).backend(true), None);
}
