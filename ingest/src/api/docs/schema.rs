//! JSON Schema, as people read it: a table of properties, and a few words for a type.

use serde_json::Value;

use super::html::{Html, prose};

/// Where a named schema is on the page.
pub fn anchor(name: &str) -> String {
    format!("schema-{name}")
}

/// A named schema.
pub fn show(html: &mut Html, name: &str, schema: &Value) {
    html.raw("<section").attribute("id", &anchor(name)).raw(">").element("h3", name);
    prose(html, schema["description"].as_str().unwrap_or_default());
    body(html, schema);
    html.raw("</section>");
}

fn body(html: &mut Html, schema: &Value) {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if part.get("$ref").is_some() {
            html.raw("<p>All of ");
            name(html, part);
            html.raw(", and:</p>");
        } else {
            body(html, part);
        }
    }
    for (nth, part) in (1..).zip(one_of(schema).into_iter().flatten()) {
        html.element("p", &format!("Either ({nth}): {}", part["description"].as_str().unwrap_or_default()));
        if part.get("$ref").is_some() {
            name(html, part);
        }
        body(html, part);
    }
    if let Some(words) = schema["enum"].as_array() {
        html.raw("<p>");
        words.iter().filter_map(Value::as_str).for_each(|word| {
            html.element("code", word).text(" ");
        });
        html.raw("</p>");
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    html.raw("<table><tr><th>Field</th><th>Type</th><th></th></tr>");
    for (field, of) in properties {
        html.raw("<tr><td>").element("code", field);
        if schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == field)) {
            html.raw(" <em>required</em>");
        }
        html.raw("</td><td>");
        name(html, of);
        html.raw("</td><td>").inline(of["description"].as_str().unwrap_or_default());
        if let Some(example) = of.get("example").or_else(|| of["examples"].get(0)) {
            html.raw(" Such as ").element("code", &example.to_string()).raw(".");
        }
        html.raw("</td></tr>");
    }
    html.raw("</table>");
}

/// What a schema is, in a few words; a link where it has a name.
pub fn name(html: &mut Html, schema: &Value) {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        html.link(&anchor(name), |html| {
            html.text(name);
        });
        return;
    }
    if let Some(items) = schema.get("items") {
        html.raw("list of ");
        return name(html, items);
    }
    if let Some(parts) = one_of(schema).or(schema["allOf"].as_array()) {
        for (nth, part) in parts.iter().enumerate() {
            if nth > 0 {
                html.raw(" or ");
            }
            name(html, part);
        }
        return;
    }
    let several = schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let types: Vec<&str> = schema["type"].as_str().into_iter().chain(several).collect();
    html.text(if types.is_empty() { "anything".to_owned() } else { types.join(" or ") }.as_str());
    if let Some(format) = schema["format"].as_str() {
        html.text(", ").text(format);
    }
}

fn one_of(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().or(schema["anyOf"].as_array())
}
