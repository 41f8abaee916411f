// SPDX-License-Identifier: GPL-2.0

//! `#[pin_data]`, which on the host has nothing to pin: locks here may be moved.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Leaves the structure as it is, without the `#[pin]` of its fields.
#[proc_macro_attribute]
pub fn pin_data(_: TokenStream, structure: TokenStream) -> TokenStream {
    without_pin(structure)
}

fn without_pin(tokens: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_pin(&group) && ends_in_hash(&kept) => {
                kept.pop();
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), without_pin(group.stream()));
                inner.set_span(group.span());
                kept.push(inner.into());
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

fn is_pin(group: &Group) -> bool {
    group.delimiter() == Delimiter::Bracket && group.stream().to_string() == "pin"
}

fn ends_in_hash(tokens: &[TokenTree]) -> bool {
    matches!(tokens.last(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#')
}
