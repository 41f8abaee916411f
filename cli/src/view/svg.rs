// SPDX-License-Identifier: GPL-2.0

//! The tree as a picture.

use super::{
    graph::{
        colour,
        state, //
    },
    list::title, //
};
use crate::answer::tree::{
    Tree,
    TreeNode, //
};

use std::fmt::Write;

/// Sizes in pixels.
const ROW: usize = 44;
const HEIGHT: usize = 36;
const WIDTH: usize = 330;
const INDENT: usize = 36;
const MARGIN: usize = 12;
/// The letters of a name that fit.
const LETTERS: usize = 46;

/// Draws the tree: a box for each function, one a row, and around those that one reset reaches a
/// frame, which is dashed where something is in its way.
pub(crate) fn svg(tree: &Tree) -> String {
    let mut picture = Picture {
        row: 0,
        deepest: 0,
        frames: String::new(),
        boxes: String::new(),
    };
    for root in &tree.roots {
        let (x, y) = (MARGIN, MARGIN + picture.row * ROW + HEIGHT / 2);
        let _ = writeln!(
            picture.boxes,
            "<text x=\"{x}\" y=\"{y}\" font-weight=\"bold\">bus {}</text>",
            escaped(&root.bus)
        );
        picture.row += 1;
        for node in &root.nodes {
            picture.node(node, 0);
        }
    }
    let width = 2 * MARGIN + WIDTH + (picture.deepest + 1) * INDENT;
    let height = 2 * MARGIN + picture.row * ROW;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}{}</svg>\n",
        picture.frames, picture.boxes
    )
}

struct Picture {
    row: usize,
    deepest: usize,
    frames: String,
    boxes: String,
}

impl Picture {
    fn node(&mut self, node: &TreeNode, depth: usize) {
        let (x, y) = (MARGIN + depth * INDENT, MARGIN + self.row * ROW);
        self.deepest = self.deepest.max(depth);
        self.row += 1;
        let first = self.row;
        let (middle, text) = (y + HEIGHT / 2, x + 6);
        if depth > 0 {
            let from = x - INDENT / 2;
            let _ = writeln!(
                self.boxes,
                "<path d=\"M{from} {} V{middle} H{x}\" fill=\"none\" stroke=\"#888888\"/>",
                y.saturating_sub(ROW - HEIGHT)
            );
        }
        let name: String = title(&node.device).chars().take(LETTERS).collect();
        let _ = writeln!(
            self.boxes,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"4\" fill=\"{}\" stroke=\"#555555\"/>\n\
             <text x=\"{text}\" y=\"{}\"><tspan font-weight=\"bold\">{}</tspan> {}</text>\n\
             <text x=\"{text}\" y=\"{}\" fill=\"#444444\">{}</text>",
            colour(node),
            y + 14,
            escaped(&node.device.bdf),
            escaped(&name),
            y + 29,
            escaped(&state(node))
        );
        for below in &node.below {
            self.node(below, depth + 1);
        }
        if let Some(group) = &node.group {
            let dashes = if group.blockers.is_empty() {
                ""
            } else {
                " stroke-dasharray=\"5 3\""
            };
            let (left, top) = (x + INDENT - 5, MARGIN + first * ROW - 4);
            let (width, height) = (WIDTH + 10, (self.row - first) * ROW);
            let _ = writeln!(
                self.frames,
                "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"none\" \
                 stroke=\"#2f6fb0\"{dashes}><title>{} reset of {}</title></rect>",
                group.by,
                escaped(&node.device.bdf)
            );
        }
    }
}

/// A text of XML. Names come from pci.ids, so they may have anything in them.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}
