// SPDX-License-Identifier: GPL-2.0

//! JSON against its schema: as much of JSON Schema as ours has. More than the schema names is
//! refused, although others must expect it: nothing is to be printed that isn't described.

use serde_json::Value;

/// Says what of a document isn't as the schema of its command has it.
///
/// # Errors
///
/// - Where it is, and what is wrong.
pub fn check(schema: &Value, document: &Value) -> Result<(), String> {
    let command = document["command"].as_str().ok_or("no command")?;
    let root = &schema["documents"][command];
    if !root.is_object() || document["schema"] != schema["schema"] {
        return Err(format!("{command}: of no schema: {}", document["schema"]));
    }
    value(root, root, document).map_err(|why| format!("{command}{why}"))
}

fn value(root: &Value, schema: &Value, found: &Value) -> Result<(), String> {
    let wrong = |what: &str| Err(format!(": {what}: {found}"));
    let Some(schema) = schema.as_object() else {
        return wrong("no schema");
    };
    for (keyword, rule) in schema {
        match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                value(root, &root["$defs"][name], found)?;
            }
            "type" => {
                let one = std::slice::from_ref(rule);
                let mut types = rule.as_array().map_or(one, Vec::as_slice).iter();
                if !types.any(|wanted| is(found, wanted.as_str().unwrap())) {
                    return wrong(&format!("not {rule}"));
                }
            }
            "const" if rule != found => return wrong(&format!("not {rule}")),
            "enum" if !rule.as_array().unwrap().contains(found) => {
                return wrong(&format!("none of {rule}"));
            }
            "minimum" | "maximum" => {
                let limit = rule.as_i64().unwrap();
                let beyond = found.as_i64().is_some_and(|number| match keyword.as_str() {
                    "minimum" => number < limit,
                    _ => number > limit,
                });
                if beyond {
                    return wrong(&format!("{keyword} {limit}"));
                }
            }
            "anyOf" | "oneOf" => {
                let fits = |one: &&Value| value(root, one, found).is_ok();
                let fitting = rule.as_array().unwrap().iter().filter(fits).count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    return wrong(&format!("{fitting} of {keyword}"));
                }
            }
            "required" => {
                let mut keys = rule.as_array().unwrap().iter();
                if let Some(key) = keys.find(|key| found.get(key.as_str().unwrap()).is_none()) {
                    return wrong(&format!("lacks {key}"));
                }
            }
            "items" => {
                for (index, item) in found.as_array().into_iter().flatten().enumerate() {
                    value(root, rule, item).map_err(|why| format!("[{index}]{why}"))?;
                }
            }
            "properties" => {
                for (key, item) in found.as_object().into_iter().flatten() {
                    let Some(rule) = rule.get(key) else {
                        return wrong(&format!("{key} is not described"));
                    };
                    value(root, rule, item).map_err(|why| format!(".{key}{why}"))?;
                }
            }
            "additionalProperties" if rule.as_bool() == Some(false) => {}
            "const" | "enum" | "$schema" | "$defs" | "title" | "description" | "format" => {}
            other => panic!("{other}: to be written here"),
        }
    }
    Ok(())
}

fn is(found: &Value, wanted: &str) -> bool {
    match wanted {
        "null" => found.is_null(),
        "boolean" => found.is_boolean(),
        "integer" => found.is_i64() || found.is_u64(),
        "string" => found.is_string(),
        "array" => found.is_array(),
        "object" => found.is_object(),
        other => panic!("{other}: to be written here"),
    }
}
