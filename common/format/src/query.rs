//! Where something is in a payload: JSONPath (RFC 9535), with alternatives.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use serde_json_path::JsonPath;

/// One JSONPath query, and the text of it, which faults are named by: it is the description's, never a payload's.
#[derive(Debug, Clone)]
pub struct Query {
    text: Arc<str>,
    path: JsonPath,
}

impl Query {
    /// Reads a query, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = JsonPath::parse(text).map_err(|error| format!("is no JSONPath (RFC 9535): {error}"))?;
        Ok(Self { text: text.into(), path })
    }

    /// As it was written.
    pub const fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Everything that it finds, in the payload's order.
    pub fn all<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.path.query(value).all()
    }
}

/// Queries that are tried in turn; the first that finds something counts. Null and a text of blanks are nothing.
#[derive(Debug, Clone)]
pub struct Finding(Vec<Query>);

/// A finding as it is written: one query, or an array of them.
#[derive(Debug, Clone)]
pub struct WrittenFinding(Vec<String>);

impl<'de> Deserialize<'de> for WrittenFinding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = WrittenFinding;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSONPath, or an array of them to be tried in turn")
            }
            fn visit_str<E>(self, text: &str) -> Result<WrittenFinding, E> {
                Ok(WrittenFinding(vec![text.to_owned()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<WrittenFinding, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(WrittenFinding(texts))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl WrittenFinding {
    /// The queries, or what is wrong with each that is none.
    pub fn compile(&self) -> Result<Finding, Vec<String>> {
        let (mut queries, mut problems) = (Vec::new(), Vec::new());
        for text in &self.0 {
            match Query::parse(text) {
                Ok(query) => queries.push(query),
                Err(problem) => problems.push(problem),
            }
        }
        if self.0.is_empty() {
            problems.push("names no path; give at least one".to_owned());
        }
        if problems.is_empty() { Ok(Finding(queries)) } else { Err(problems) }
    }

    /// The queries; `fault` hears what is wrong with each that is none.
    pub fn judge(&self, fault: impl FnMut(String)) -> Option<Finding> {
        self.compile().map_err(|problems| problems.into_iter().for_each(fault)).ok()
    }
}

impl Finding {
    /// The first thing that is found, and by which query.
    pub fn first<'v>(&self, value: &'v Value) -> Option<(&'v Value, &Query)> {
        let something = |query: &Query| query.all(value).into_iter().find(|found| is_something(found));
        self.0.iter().find_map(|query| Some((something(query)?, query)))
    }

    /// Everything that the first query finds that finds anything; of none, nothing and the first.
    pub fn all<'v>(&self, value: &'v Value) -> (Vec<&'v Value>, &Query) {
        let found =
            |query: &Query| query.all(value).into_iter().filter(|found| is_something(found)).collect::<Vec<_>>();
        self.0
            .iter()
            .map(|query| (found(query), query))
            .find(|(found, _)| !found.is_empty())
            .unwrap_or_else(|| (Vec::new(), self.named()))
    }

    /// Every node of every query, null and blank ones too.
    pub fn every<'v>(&self, value: &'v Value) -> Vec<&'v Value> {
        self.0.iter().flat_map(|query| query.all(value)).collect()
    }

    /// Whether anything is found at all.
    pub fn holds(&self, value: &Value) -> bool {
        self.0.iter().any(|query| !query.all(value).is_empty())
    }

    /// The query that a missing field is named by: the first, which is the usual place.
    pub fn named(&self) -> &Query {
        self.0.first().expect("a finding has at least one query")
    }
}

/// A text or a number as it is written: vendors write their ids as either. None of anything else.
pub fn as_written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(texts: &[&str]) -> Finding {
        WrittenFinding(texts.iter().map(|text| (*text).to_owned()).collect()).compile().expect("sound")
    }

    #[test]
    fn the_first_query_that_finds_something_counts_and_null_and_blanks_are_nothing() {
        let payload = json!({"a": null, "b": " ", "c": 0, "d": [1, null, 2]});
        let first = |texts: &[&str]| {
            finding(texts).first(&payload).map(|(value, query)| (value.clone(), query.text().to_string()))
        };
        assert_eq!(first(&["$.a", "$.b", "$.c"]), Some((json!(0), "$.c".to_owned())));
        assert_eq!(first(&["$.a", "$.x"]), None);
        assert_eq!(finding(&["$.x[*]", "$.d[*]"]).all(&payload).0, [&json!(1), &json!(2)]);
    }

    #[test]
    fn a_condition_is_a_filter_that_finds_something() {
        let holds = |payload: Value| finding(&["$[?@.canceled == true]"]).holds(&payload);
        assert!(holds(json!({"booking": {"canceled": true}})));
        assert!(!holds(json!({"booking": {"canceled": "true"}})));
        assert!(!holds(json!({"booking": {}})));
    }

    #[test]
    fn what_is_no_path_is_said_with_its_place_each_of_them() {
        let problems = WrittenFinding(vec!["a.b".to_owned(), "$.ok".to_owned(), "$[".to_owned()]).compile();
        let problems = problems.expect_err("unsound");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().all(|problem| problem.starts_with("is no JSONPath (RFC 9535)")), "{problems:?}");
        assert_eq!(WrittenFinding(Vec::new()).compile().err().map(|problems| problems.len()), Some(1));
    }
}
