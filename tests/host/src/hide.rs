// SPDX-License-Identifier: GPL-2.0

//! The parameter `hide=` against a second reading of its description.

use crate::{
    cases,
    grammar::{address, blanks, reference, texts, BLANKS, ENDS},
    pure::bdf_grammar::{HideList, Malformed, Pattern},
};
use proptest::{collection::vec, prelude::*};

/// Reads the addresses up to the end or the first that is none; tells where the text that is left
/// over begins.
fn reference_hide(text: &[u8]) -> (Vec<Pattern>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at += text[at..]
            .iter()
            .take_while(|byte| BLANKS.contains(byte))
            .count();
        let close = text[at..].iter().position(|byte| *byte == b')');
        let Some(close) = close.filter(|_| text[at] == b'(') else {
            return (found, at);
        };
        match reference(&text[at + 1..at + close]) {
            Some(pattern) => found.push(pattern),
            None => return (found, at),
        }
        at += close + 1;
    }
}

/// Addresses in parentheses, most of them right.
fn hides() -> impl Strategy<Value = Vec<u8>> {
    let right = any::<(u64, u32)>().prop_map(|(number, ends)| {
        let (before, after) = (blanks(ends as u16), blanks((ends >> 16) as u16));
        let inner = [before, address(number).into_bytes(), after].concat();
        [
            blanks((ends >> 8) as u16),
            b"(".to_vec(),
            inner,
            b")".to_vec(),
        ]
        .concat()
    });
    let wrong = ("[(){x ]?[(]?", texts(), "[)]?[,();x]?")
        .prop_map(|(open, text, close)| [open.into_bytes(), text, close.into_bytes()].concat());
    let items = vec(prop_oneof![12 => right, 1 => wrong], 0..6);
    (items, any::<u16>()).prop_map(|(items, end)| [items.concat(), blanks(end)].concat())
}

proptest! {
    #![proptest_config(cases(200_000))]

    /// All addresses up to the one that the fault is in.
    #[test]
    fn hide_is_a_list_in_parentheses(text in hides()) {
        let (wanted, left) = reference_hide(&text);
        let mut read: Vec<_> = HideList::new(&text).collect();
        if left < text.len() {
            let Some(Err(Malformed { at })) = read.pop() else {
                return Err(TestCaseError::fail(format!("no fault behind {left}")));
            };
            prop_assert!((left..=text.len()).contains(&at), "{at} is not behind {left}");
            // What is before the fault, with something else after it, is right.
            let ends = ENDS.map(|end| format!("{end})"));
            let ends = ends.iter().map(String::as_str).chain(["(0:0.0)"]);
            let whole = |end: &str| [&text[..at], end.as_bytes()].concat();
            let mut whole = ends.map(whole);
            prop_assert!(whole.any(|whole| reference_hide(&whole).1 == whole.len()), "{at}");
        }
        prop_assert_eq!(read, wanted.into_iter().map(Ok).collect::<Vec<_>>());
    }
}
