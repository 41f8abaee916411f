// SPDX-License-Identifier: GPL-2.0

//! Explanations, findings and changes as lines.

use super::{
    list::title,
    paint::{
        of_state,
        Ink,
        Paint, //
    },
};
use crate::{
    answer::{
        doctor::{
            Diagnosis,
            Level, //
        },
        explain::Explanations, //
    },
    change::{
        Act,
        Step, //
    },
    watch::Event, //
};

/// Puts explanations into lines.
pub(crate) fn explain(answer: &Explanations, paint: &Paint) -> String {
    let mut text = String::new();
    let arrow = if paint.unicode { "→" } else { "->" };
    for (number, explanation) in answer.devices.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let device = &explanation.device;
        text += &format!(
            "{} {}\n",
            paint.ink(Ink::Strong, &device.bdf),
            title(device)
        );
        for line in &explanation.lines {
            let indent = if line.about == "blocker" {
                "      "
            } else {
                "  "
            };
            let ink = match line.about {
                "blocker" => Ink::Bad,
                _ if line.mend.is_empty() => Ink::Good,
                _ => Ink::Warn,
            };
            text += &format!("{indent}{}\n", paint.ink(ink, &line.text));
            if !line.mend.is_empty() {
                text += &format!("{indent}  {arrow} {}\n", line.mend);
            }
        }
        let mut docs: Vec<&str> = explanation.lines.iter().map(|line| line.doc).collect();
        docs.retain(|doc| !doc.is_empty());
        docs.sort_unstable();
        docs.dedup();
        if !docs.is_empty() {
            let docs = docs.join(", Documentation/");
            text += &format!(
                "  {}\n",
                paint.ink(Ink::Faint, &format!("More: Documentation/{docs}"))
            );
        }
    }
    text
}

/// Puts findings into lines.
pub(crate) fn doctor(answer: &Diagnosis, paint: &Paint) -> String {
    let mut text = String::new();
    let arrow = if paint.unicode { "→" } else { "->" };
    for finding in &answer.findings {
        let (word, ink) = match finding.level {
            Level::Ok => ("ok", Ink::Good),
            Level::Note => ("note", Ink::Faint),
            Level::Warning => ("warning", Ink::Warn),
            Level::Problem => ("PROBLEM", Ink::Bad),
        };
        text += &format!(
            "{} {}\n",
            paint.ink(ink, &format!("{word:<8}")),
            finding.text
        );
        if !finding.mend.is_empty() {
            text += &format!("         {arrow} {}\n", finding.mend);
        }
    }
    text
}

/// Puts a plan into lines that a shell would take.
pub(crate) fn steps(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "nothing to do\n".to_string();
    }
    let mut text = String::new();
    for step in steps {
        text += &match &step.act {
            Act::Write(what) if what.trim().is_empty() => format!("echo >{}\n", step.path),
            Act::Write(what) => format!("echo {} >{}\n", what.trim(), step.path),
            Act::Keep(content) => {
                let lines: String = content
                    .lines()
                    .flat_map(|line| ["  ", line, "\n"])
                    .collect();
                format!("write {}\n{lines}", step.path)
            }
            Act::Remove => format!("rm {}\n", step.path),
            Act::Run => format!("{}\n", step.path),
        };
    }
    text
}

/// Puts an event into a line.
pub(crate) fn event(event: &Event, paint: &Paint) -> String {
    let mut words = vec![paint.ink(Ink::Strong, &event.bdf), event.event.clone()];
    if let Some(state) = &event.state {
        words.push(paint.ink(of_state(state), state));
    }
    words.extend(event.method.as_ref().map(|method| format!("by {method}")));
    words.extend(
        event
            .error
            .filter(|error| *error != 0)
            .map(|error| format!("({error})")),
    );
    words.extend(event.recovery.clone());
    words.extend(event.domain.map(|domain| format!("domain {domain}")));
    if event.event == "bind" {
        words.extend(event.driver.clone());
    }
    words.join("  ")
}
