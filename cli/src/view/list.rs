// SPDX-License-Identifier: GPL-2.0

//! The list as a table.

use super::paint::{
    of_state,
    visible,
    Ink,
    Paint, //
};
use crate::answer::device::{
    DeviceInfo,
    List, //
};

/// Puts the list into a table.
pub(crate) fn list(list: &List, paint: &Paint) -> String {
    let heads = HEADS.map(|head| paint.ink(Ink::Faint, head));
    let mut rows: Vec<[String; COLUMNS]> = vec![heads];
    rows.extend(list.devices.iter().map(|device| {
        [
            paint.ink(Ink::Strong, &device.bdf),
            what(device),
            inked(paint, holder(device)),
            inked(paint, state(device)),
            inked(paint, reset(device)),
            gsi(device),
            boot(device),
        ]
    }));
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = visible(cell).max(*width);
        }
    }
    // The name has what the others leave.
    if let (Some(columns), [_, name, ..]) = (paint.width, widths) {
        let others: usize = widths.iter().sum::<usize>() - name + 2 * (COLUMNS - 1);
        let room = usize::from(columns).saturating_sub(others).max(SHORTEST);
        let [_, width, ..] = &mut widths;
        *width = name.min(room);
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (number, (cell, width)) in row.iter().zip(widths).enumerate() {
            let cell = if number == NAME {
                paint.cut(cell, width)
            } else {
                cell.clone()
            };
            let blanks = width.saturating_sub(visible(&cell)) + 2;
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', blanks));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

const COLUMNS: usize = 7;
const HEADS: [&str; COLUMNS] = [
    "ADDRESS", "DEVICE", "DRIVER", "STATE", "RESET", "GSI", "BOOT",
];
/// The column that is cut where there is no room.
const NAME: usize = 1;
/// What is left of it at least.
const SHORTEST: usize = 16;

fn inked(paint: &Paint, (text, ink): (String, Option<Ink>)) -> String {
    ink.map_or(text.clone(), |ink| paint.ink(ink, &text))
}

/// What it is, and what it is called.
fn what(device: &DeviceInfo) -> String {
    let title = title(device);
    match device.nodes.as_slice() {
        [] => title,
        nodes => {
            let mut nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
            nodes.sort_by_key(|name| name.len());
            format!("{title} ({})", nodes.first().unwrap_or(&""))
        }
    }
}

/// Returns a device's name with that of its vendor; else its IDs, with the class.
pub(crate) fn title(device: &DeviceInfo) -> String {
    match (device.name.is_empty(), device.class.is_empty()) {
        (true, false) => format!("{} [{}]", device.class, device.id),
        _ => device.title.clone(),
    }
}

/// Returns `true` for parts of the chipset, as `list` leaves them out.
pub(crate) fn is_chipset(device: &DeviceInfo) -> bool {
    let class = |digits| device.class_id.starts_with(digits);
    class("06") || (class("08") && !class("0805")) || class("0c05")
}

fn holder(device: &DeviceInfo) -> (String, Option<Ink>) {
    match (&device.driver, device.used_by) {
        (Some(_), Some(domain)) => (format!("pciback, dom {domain}"), Some(Ink::Good)),
        (Some(driver), None) if device.claimed => (driver.clone(), Some(Ink::Good)),
        (Some(driver), None) => (driver.clone(), None),
        (None, _) => ("-".to_string(), Some(Ink::Faint)),
    }
}

fn state(device: &DeviceInfo) -> (String, Option<Ink>) {
    match &device.state {
        Some(state) => (state.clone(), Some(of_state(state))),
        None => ("-".to_string(), Some(Ink::Faint)),
    }
}

/// How it would be reset, in a word or two.
pub(crate) fn reset(device: &DeviceInfo) -> (String, Option<Ink>) {
    let reset = &device.reset;
    match (&reset.rung, reset.ready, reset.claim_too.len()) {
        (None, ..) => ("none".to_string(), Some(Ink::Bad)),
        (Some(rung), true, _) if rung == "pm" => (format!("{rung} (weak)"), Some(Ink::Warn)),
        (Some(rung), true, _) => (rung.clone(), Some(Ink::Good)),
        (Some(rung), false, 0) => (format!("{rung} (blocked)"), Some(Ink::Bad)),
        (Some(rung), false, others) => (format!("{rung} (with {others} more)"), Some(Ink::Warn)),
    }
}

fn gsi(device: &DeviceInfo) -> String {
    device.gsi.map_or("-".to_string(), |gsi| gsi.to_string())
}

fn boot(device: &DeviceInfo) -> String {
    match &device.at_boot {
        None => "-".to_string(),
        Some(boot) if boot.mistaken => "other device".to_string(),
        Some(boot) if boot.refused.is_some() => "refused".to_string(),
        Some(boot) if boot.by == "pcibackctl" => "claimed".to_string(),
        Some(boot) => boot.by.to_string(),
    }
}
