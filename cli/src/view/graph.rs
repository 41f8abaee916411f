// SPDX-License-Identifier: GPL-2.0

//! The tree as DOT, for graphviz.

use super::list::{
    is_chipset,
    reset,
    title, //
};
use crate::answer::tree::{
    Tree,
    TreeNode, //
};

use std::fmt::Write;

/// Writes the tree as a directed graph from the root buses to the endpoints. What one reset
/// reaches is in one box.
pub(crate) fn dot(tree: &Tree) -> String {
    let mut text = String::from(
        "digraph pci {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\", fontsize=10];\n",
    );
    for root in &tree.roots {
        let bus = format!("bus {}", root.bus);
        let _ = writeln!(text, "  {} [shape=plaintext];", quoted(&bus));
        for node in &root.nodes {
            self::node(&mut text, node, &bus);
        }
    }
    text.push_str("}\n");
    text
}

fn node(text: &mut String, node: &TreeNode, above: &str) {
    let device = &node.device;
    let name = format!("{}\n{}\n{}", device.bdf, title(device), state(node));
    let fill = colour(node);
    let _ = writeln!(
        text,
        "  {} [label={}, style=filled, fillcolor=\"{fill}\"];\n  {} -> {};",
        quoted(&device.bdf),
        quoted(name.trim_end()),
        quoted(above),
        quoted(&device.bdf)
    );
    if let Some(group) = &node.group {
        let style = if group.blockers.is_empty() {
            "solid"
        } else {
            "dashed"
        };
        let label = format!("{} reset of {}", group.by, device.bdf);
        let members: Vec<String> = group.reaches.iter().map(|bdf| quoted(bdf)).collect();
        let _ = writeln!(
            text,
            "  subgraph {} {{ label={}; style={style}; fontsize=9; {}; }}",
            quoted(&format!("cluster {}", device.bdf)),
            quoted(&label),
            members.join("; ")
        );
    }
    for below in &node.below {
        self::node(text, below, &device.bdf);
    }
}

/// Returns who has a function and how it would be reset, in a line.
pub(super) fn state(node: &TreeNode) -> String {
    let device = &node.device;
    if device.kind != "endpoint" || is_chipset(device) {
        return device.driver.clone().unwrap_or_default();
    }
    let holder = match (&device.driver, device.used_by) {
        (_, Some(domain)) => format!("domain {domain}"),
        (Some(_), None) if device.claimed => {
            format!("claimed, {}", device.state.as_deref().unwrap_or("?"))
        }
        (Some(driver), None) => driver.clone(),
        (None, None) => "no driver".to_string(),
    };
    format!("{holder}; reset: {}", reset(device).0)
}

/// Returns the colour of a function: green for what can be reset now, yellow for what could be
/// with others, red for what can't, white for bridges.
pub(super) fn colour(node: &TreeNode) -> &'static str {
    let reset = &node.device.reset;
    if node.device.kind != "endpoint" || is_chipset(&node.device) {
        return "#ffffff";
    }
    match (&reset.rung, reset.ready, reset.claim_too.is_empty()) {
        (Some(rung), true, _) if rung == "pm" => "#fdf3c7",
        (Some(_), true, _) => "#d9f2d9",
        (Some(_), false, false) => "#fdf3c7",
        _ => "#f8d7d7",
    }
}

/// A text of DOT. Names come from pci.ids, so they may have anything in them.
fn quoted(text: &str) -> String {
    let text = text
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("\"{text}\"")
}
