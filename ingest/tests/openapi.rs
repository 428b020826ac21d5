//! The OpenAPI document that is checked in is the one that is served.

use expect_test::expect_file;

#[test]
fn the_document_beside_the_code_is_what_the_handlers_say() {
    // UPDATE_EXPECT=1 writes it anew.
    expect_file!["../openapi.json"].assert_eq(daybook_ingest::api::openapi_text());
}

#[test]
fn every_operation_behind_the_gate_asks_for_a_key_and_can_be_told_that_it_is_not_good() {
    let document = serde_json::to_value(daybook_ingest::api::openapi()).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let operations = document["paths"].as_object().expect("paths").iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an item").iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    });
    let mut gated = 0;
    for (name, operation) in operations {
        assert!(operation["summary"].is_string(), "{name} says nothing of itself");
        if operation["security"] == serde_json::json!([{}]) {
            continue;
        }
        gated += 1;
        assert_eq!(operation["security"], serde_json::json!([{"key": []}]), "{name}");
        for status in ["401", "429", "500", "503"] {
            assert!(operation["responses"][status].is_object(), "{name} has no {status}");
        }
    }
    assert!(gated > 0);
}
