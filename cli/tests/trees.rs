// SPDX-License-Identifier: GPL-2.0

//! The program as a person runs it, on trees of machines in files.

mod common;

use common::{
    json,
    run,
    schema,
    text,
    PROGRAM, //
};

use std::{
    collections::BTreeSet,
    fs,
    path::{
        Path,
        PathBuf, //
    },
    process::Command, //
};

fn tree(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trees/{name}.txt"))
}

fn trees() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut trees: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "txt"))
        .collect();
    trees.sort();
    assert!(trees.len() >= 10);
    trees
}

/// What the files of tests/cmd say.
#[test]
fn sessions() {
    trycmd::TestCases::new()
        .env("LANG", "C.UTF-8")
        .case("tests/cmd/*.trycmd");
}

#[test]
fn a_report_of_a_report_is_the_same() {
    for path in trees() {
        let once = text(&run(&path, &["report"]));
        let copy = tempfile::NamedTempFile::new().unwrap();
        fs::write(copy.path(), &once).unwrap();
        assert_eq!(text(&run(copy.path(), &["report"])), once, "{path:?}");
        for command in [&["list", "-a"][..], &["tree"], &["doctor"]] {
            assert_eq!(
                json(&path, command),
                json(copy.path(), command),
                "{path:?} {command:?}"
            );
        }
    }
}

#[test]
fn no_events_are_watched_for_none() {
    let output = run(Path::new("/"), &["watch", "--count", "0"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
}

#[test]
fn names_mean_devices() {
    let bdfs = |name: &str| -> Vec<String> {
        let answer = json(&tree("lab-shared"), &["explain", name]);
        let devices = answer["devices"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer}"));
        let bdf =
            |device: &serde_json::Value| device["device"]["bdf"].as_str().unwrap().to_string();
        devices.iter().map(bdf).collect()
    };
    let pair = ["0000:01:00.0", "0000:01:00.1"];
    assert_eq!(bdfs("01:00"), pair);
    assert_eq!(bdfs("01:00.*"), pair);
    assert_eq!(bdfs("1:0.1"), ["0000:01:00.1"]);
    assert_eq!(bdfs("10ec:8139"), ["0000:00:06.0"]);
    assert_eq!(bdfs("rtl-8100"), ["0000:00:06.0"]);
    for name in [
        "09:00.0",
        "eth7",
        "gigabit",
        "8086:10d3",
        "nothing like that",
        "*",
        "-1",
    ] {
        let output = run(&tree("lab-shared"), &["explain", "--", name]);
        assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
    }
}

/// All that explanations can link to is there.
#[test]
fn links_lead_somewhere() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let slug = |heading: &str| -> String {
        let letters = heading.trim_start_matches('#').trim().chars();
        letters
            .filter(|letter| letter.is_alphanumeric() || "_- ".contains(*letter))
            .map(|letter| match letter {
                ' ' => '-',
                letter => letter.to_ascii_lowercase(),
            })
            .collect()
    };
    let source = fs::read_to_string(here.join("src/answer/explain.rs")).unwrap();
    let links = source.split(".doc(\"").skip(1);
    let links: BTreeSet<&str> = links.map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.len() >= 5, "{links:?}");
    for link in &links {
        let (page, anchor) = link.split_once('#').unwrap();
        let text = fs::read_to_string(here.join("../Documentation").join(page)).unwrap();
        let mut headings = text.lines().filter(|line| line.starts_with('#'));
        assert!(headings.any(|heading| slug(heading) == anchor), "{link}");
    }
    for path in trees() {
        let list = json(&path, &["list", "-a"]);
        let devices = list["devices"].as_array().unwrap().iter();
        let bdfs: Vec<&str> = devices
            .map(|device| device["bdf"].as_str().unwrap())
            .collect();
        let answer = json(&path, &[&["explain"], bdfs.as_slice()].concat());
        for device in answer["devices"].as_array().unwrap() {
            for line in device["lines"].as_array().unwrap() {
                let link = line["doc"].as_str().unwrap();
                assert!(link.is_empty() || links.contains(link), "{line}");
            }
        }
    }
}

/// The pages have what the program prints.
#[test]
fn pages_show_what_is_printed() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let picture = text(&run(&tree("lab-nested"), &["graph"]));
    let path = pages.join("Documentation/pcibackctl.svg");
    if std::env::var("TRYCMD").as_deref() == Ok("overwrite") {
        fs::write(&path, &picture).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), picture);
    let readme = fs::read_to_string(pages.join("README.md")).unwrap();
    let said = text(&run(&tree("lab-shared"), &["explain", "01:00.0"]));
    let lines = said.lines().filter(|line| !line.starts_with("  More: "));
    let mut shown = "    $ pcibackctl explain 01:00.0\n".to_string();
    for line in lines {
        shown += &format!("    {line}\n");
    }
    assert!(readme.contains(&shown), "{shown}");
}

/// The schema is the one that is documented, and all that is printed is as it says (see
/// `common::document`).
#[test]
fn the_schema_is_kept() {
    let printed = text(&run(&tree("lab-demo"), &["schema"]));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    if std::env::var("TRYCMD").as_deref() == Ok("overwrite") {
        fs::write(&path, &printed).unwrap();
    }
    assert_eq!(printed, fs::read_to_string(path).unwrap());
    for path in trees() {
        let list = json(&path, &["list", "-a"]);
        let devices = list["devices"].as_array().unwrap();
        let first = devices[0]["bdf"].as_str().unwrap();
        for (command, status) in [
            (&["tree", "--if-claimed", first][..], "tree"),
            (&["graph"], "graph"),
            (&["explain", first], "explain"),
            (&["doctor"], "doctor"),
            (&["explain", "0000:ff:1f.7"], "error"),
            (&["claim", "--now", first], "error"),
        ] {
            assert_eq!(json(&path, command)["command"], status, "{path:?}");
        }
        let endpoint = devices.iter().find(|device| {
            let is_card = device["class"] == "Ethernet controller";
            is_card && device["physical"].is_null()
        });
        if let Some(endpoint) = endpoint {
            let bdf = endpoint["bdf"].as_str().unwrap();
            let plan = json(&path, &["claim", "--boot", "--force", "--dry-run", bdf]);
            assert_eq!(plan["steps"].as_array().unwrap().len(), 1, "{plan}");
        }
    }
}

/// What isn't as the schema says is found.
#[test]
fn a_document_that_is_wrong_is_known() {
    let schema = serde_json::from_str(include_str!("../schema.json")).unwrap();
    let right = json(&tree("lab-demo"), &["doctor"]);
    let refused = |at: &str, value: serde_json::Value| {
        let mut wrong = right.clone();
        match wrong.pointer_mut(at) {
            Some(place) => *place = value,
            None => wrong["findings"][0]["more"] = value,
        }
        schema::check(&schema, &wrong).unwrap_err()
    };
    assert_eq!(schema::check(&schema, &right), Ok(()));
    let level = refused("/findings/0/level", "awful".into());
    assert_eq!(level, "doctor.findings[0].level: 0 of oneOf: \"awful\"");
    assert!(refused("/findings/0/text", 1.into()).contains("not \"string\""));
    assert!(refused("/findings/0/more", 1.into()).contains("more is not described"));
    assert!(refused("/findings/0", serde_json::json!({})).contains("lacks"));
    assert!(refused("/schema", "pcibackctl/0".into()).contains("of no schema"));
    assert!(refused("/command", "dance".into()).contains("of no schema"));
}

#[test]
fn lines_fit_the_terminal_and_have_colours_on_demand() {
    for columns in [60, 80, 132] {
        for path in [tree("lab-main"), tree("laptop")] {
            let output = Command::new(PROGRAM)
                .args(["--root", path.to_str().unwrap(), "list"])
                .env_clear()
                .env("COLUMNS", columns.to_string())
                .output()
                .unwrap();
            // Below this, the rest of the columns alone is wider.
            for line in text(&output).lines().filter(|_| columns >= 80) {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
        }
    }
    let plain = run(&tree("lab-main"), &["tree"]);
    let coloured = run(&tree("lab-main"), &["tree", "--color", "always"]);
    assert!(!text(&plain).contains('\x1b') && text(&coloured).contains("\x1b[32m"));
    let ascii = run(&tree("lab-main"), &["tree", "--ascii"]);
    assert!(text(&ascii).is_ascii(), "{}", text(&ascii));
}

#[test]
fn pictures_are_well_formed() {
    for path in trees() {
        let svg = text(&run(&path, &["graph"]));
        assert_eq!(svg.matches("<svg").count(), 1);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        let dot = text(&run(&path, &["graph", "--format", "dot"]));
        assert_eq!(dot.matches('{').count(), dot.matches('}').count());
        assert!(dot.contains("[label=\"0000:00:00.0\\n"), "{dot}");
    }
}
