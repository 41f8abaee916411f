// SPDX-License-Identifier: GPL-2.0

//! The tree as lines.

use super::{
    list::{
        is_chipset,
        reset,
        title, //
    },
    paint::{
        of_state,
        visible,
        Ink,
        Paint, //
    },
};
use crate::answer::{
    device::BlockerInfo,
    tree::{
        Group,
        Tree,
        TreeNode, //
    },
};

/// The characters of the lines.
struct Lines {
    /// Before one that others follow.
    tee: &'static str,
    /// Before the last.
    corner: &'static str,
    /// Beside the lines below one that others follow.
    bar: &'static str,
    /// Beside the lines below the last.
    blank: &'static str,
    /// Before what a reset would reach.
    group: &'static str,
}

const UNICODE: Lines = Lines {
    tee: "├─",
    corner: "└─",
    bar: "│ ",
    blank: "  ",
    group: "╎ ",
};

const ASCII: Lines = Lines {
    tee: "|-",
    corner: "`-",
    bar: "| ",
    blank: "  ",
    group: ": ",
};

/// Draws the tree.
pub(crate) fn tree(tree: &Tree, paint: &Paint) -> String {
    let mut drawing = Drawing {
        lines: if paint.unicode { &UNICODE } else { &ASCII },
        paint,
        text: String::new(),
    };
    if !tree.if_claimed.is_empty() {
        drawing.line("", &format!("As if claimed: {}", tree.if_claimed.join(" ")));
    }
    for root in &tree.roots {
        drawing.line("", &paint.ink(Ink::Faint, &format!("bus {}", root.bus)));
        drawing.nodes(&root.nodes, "");
    }
    drawing.text
}

struct Drawing<'a> {
    lines: &'a Lines,
    paint: &'a Paint,
    text: String,
}

impl Drawing<'_> {
    fn line(&mut self, before: &str, text: &str) {
        self.text.push_str(before);
        self.text.push_str(text.trim_end());
        self.text.push('\n');
    }

    fn nodes(&mut self, nodes: &[TreeNode], before: &str) {
        for (number, node) in nodes.iter().enumerate() {
            let last = number + 1 == nodes.len();
            let (branch, beside) = match last {
                true => (self.lines.corner, self.lines.blank),
                false => (self.lines.tee, self.lines.bar),
            };
            let used = before.chars().count() + branch.chars().count();
            let text = self.node(node, used);
            self.line(&format!("{before}{branch}"), &text);
            let below = format!("{before}{beside}");
            if let Some(group) = &node.group {
                self.group(group, &below);
            }
            self.nodes(&node.below, &below);
        }
    }

    fn node(&self, node: &TreeNode, used: usize) -> String {
        let (device, paint) = (&node.device, self.paint);
        let address = device
            .bdf
            .split_once(':')
            .map_or(device.bdf.as_str(), |(_, rest)| rest);
        let mut marks: Vec<String> = Vec::new();
        if device.physical.is_some() {
            marks.push("VF".to_string());
        }
        if let (Some(now), Some(most)) = (device.virtual_functions, device.virtual_functions_most) {
            marks.push(format!("VFs {now}/{most}"));
        }
        if device.ari {
            marks.push("ARI".to_string());
        }
        if let Some(group) = device.iommu_group {
            marks.push(format!("IOMMU {group}"));
        }
        let mut words = Vec::new();
        match (&device.driver, device.used_by) {
            (Some(_), Some(domain)) => {
                words.push(paint.ink(Ink::Good, &format!("domain {domain}")))
            }
            (Some(_), None) if device.claimed => words.push(paint.ink(Ink::Good, "claimed")),
            (Some(driver), None) => words.push(driver.clone()),
            (None, _) => {}
        }
        if let Some(state) = &device.state {
            words.push(paint.ink(of_state(state), state));
        }
        if device.kind == "endpoint" && !is_chipset(device) {
            let (text, ink) = reset(device);
            let text = format!("reset: {text}");
            words.push(ink.map_or(text.clone(), |ink| paint.ink(ink, &text)));
        }
        if !marks.is_empty() {
            words.push(paint.ink(Ink::Faint, &format!("[{}]", marks.join(", "))));
        }
        let tail = words.join("  ");
        let plain = visible(&tail) + used + address.len() + 4;
        let room = self.paint.width.map_or(60, |width| {
            usize::from(width).saturating_sub(plain).clamp(12, 60)
        });
        let name = paint.cut(&title(device), room);
        format!("{} {name}  {tail}", paint.ink(Ink::Strong, address))
    }

    fn group(&mut self, group: &Group, before: &str) {
        let reaches = group.reaches.len();
        let functions = if reaches == 1 {
            "function"
        } else {
            "functions"
        };
        let what = format!("{} reset reaches {reaches} {functions}", group.by);
        let text = match group.blockers.as_slice() {
            [] => self
                .paint
                .ink(Ink::Good, &format!("{what}, nothing in the way")),
            blockers => {
                // As many as there is room for.
                let used = before.chars().count() + self.lines.group.chars().count();
                let room = self
                    .paint
                    .width
                    .map_or(usize::MAX, |width| usize::from(width).saturating_sub(used));
                let mut texts = (1..=NAMED)
                    .rev()
                    .map(|most| format!("{what}; {}", in_the_way(blockers, most)));
                let fits = |text: &String| text.chars().count() <= room;
                let text = texts.find(fits).unwrap_or_else(|| {
                    let many = blockers.len();
                    self.paint.cut(&format!("{what}; {many} in the way"), room)
                });
                self.paint.ink(Ink::Warn, &text)
            }
        };
        let before = format!("{before}{}", self.lines.group);
        self.line(&before, &text);
    }
}

/// Names so many of those that are in the way.
fn in_the_way(blockers: &[BlockerInfo], most: usize) -> String {
    let named = blockers.iter().take(most).map(|blocker| {
        let bdf = &blocker.bdf;
        let short = bdf.split_once(':').map_or(bdf.as_str(), |(_, rest)| rest);
        format!("{short} ({})", blocker.reason)
    });
    let named: Vec<String> = named.collect();
    let more = match blockers.len().saturating_sub(most) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("in the way: {}{more}", named.join(", "))
}

/// How many that are in the way are named; all are in `explain`.
const NAMED: usize = 3;
