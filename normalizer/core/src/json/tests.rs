//! The strict reader: what it refuses, and that it says where and why without the value.

use super::*;

fn refusal(bytes: &[u8]) -> (RejectReason, String) {
    let fault = read(bytes).expect_err("refused");
    assert_eq!(fault.field, "(body)");
    (fault.reason, fault.problem)
}

#[test]
fn bytes_that_are_not_utf_8_or_not_json_are_refused_by_position() {
    assert_eq!(
        refusal(b"{\"a\":\"\xff\"}"),
        (RejectReason::InvalidUtf8, "is not UTF-8 at byte 6; send UTF-8".to_owned())
    );
    for (text, problem) in [
        ("", "ends too early, at line 1, column 0"),
        ("{\"a\":", "ends too early, at line 1, column 5"),
        ("{\"a\":1}x", "is not JSON, or is nested more than 127 deep, at line 1, column 8"),
        ("{\"a\":NaN}", "is not JSON, or is nested more than 127 deep, at line 1, column 6"),
        ("\"\\ud800\"", "is not JSON, or is nested more than 127 deep, at line 1, column 8"),
        ("1e999", "is not JSON, or is nested more than 127 deep, at line 1, column 5"),
        ("\u{feff}{}", "is not JSON, or is nested more than 127 deep, at line 1, column 1"),
    ] {
        assert_eq!(refusal(text.as_bytes()), (RejectReason::InvalidJson, problem.to_owned()), "{text}");
    }
}

#[test]
fn a_field_that_is_named_twice_is_refused_at_any_depth_and_the_text_does_not_repeat_it() {
    for text in [r#"{"jane":1,"jane":2}"#, r#"{"a":[{"jane":1,"\u006aane":2}]}"#] {
        let (reason, problem) = refusal(text.as_bytes());
        assert_eq!(reason, RejectReason::InvalidJson);
        assert!(problem.starts_with("names a field twice in one object") && !problem.contains("jane"), "{problem}");
    }
}

#[test]
fn a_payload_of_any_depth_is_refused_and_not_a_crash() {
    assert!(read(format!("{}{}", "[".repeat(127), "]".repeat(127)).as_bytes()).is_ok());
    assert_eq!(refusal("[".repeat(1_000_000).as_bytes()).0, RejectReason::InvalidJson);
    assert_eq!(refusal("{\"a\":".repeat(200_000).as_bytes()).0, RejectReason::InvalidJson);
}

#[test]
fn a_whole_number_is_not_a_text_a_fraction_or_negative() {
    let count = |text: &str| Node::root(&read(text.as_bytes()).expect("JSON")).count().map_err(|fault| fault.reason);
    assert_eq!(count("7").ok(), Some(7));
    assert_eq!(count("9223372036854775807").ok(), Some(i64::MAX));
    for (text, reason) in [
        ("-1", RejectReason::InvalidValue),
        ("1.5", RejectReason::InvalidValue),
        ("9223372036854775808", RejectReason::InvalidValue),
        ("\"7\"", RejectReason::WrongType),
        ("null", RejectReason::WrongType),
    ] {
        assert_eq!(count(text).expect_err("refused"), reason, "{text}");
    }
}

#[test]
fn an_id_is_bounded_and_a_label_is_cleaned() {
    let node = |text: &str| Value::String(text.to_owned());
    for text in ["", "  ", "a\u{0}b", "a\nb", &"x".repeat(513)] {
        assert!(Node::root(&node(text)).id().is_err());
    }
    assert!(Node::root(&node(&"ä".repeat(512))).id().is_ok());
    assert_eq!(Node::root(&node(" a\u{0}b\n")).label().ok(), Some(Some("a b".to_owned())));
    assert_eq!(Node::root(&node(" \t")).label().ok(), Some(None));
    assert!(Node::root(&node(&"x".repeat(1_001))).label().is_err());
}
