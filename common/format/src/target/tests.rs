//! Descriptions that are sound, and everything that one can lack.

use std::collections::BTreeMap;

use super::*;

const SOUND: &str = r#"
    base = "https://api.example.com"
    settles = "5s"
    [create]
    path = "/entries"
    json = '{"ref": "{booking}", "from": "{start}", "to": "{end}", "room": {address}[[, "title": "{title}"]]}'
    [change]
    path = "/entries/{id}"
    form = { from = "{start}", to = "{end}", who = "[[{name} <{email}>||nobody]]" }
    [cancel]
    path = "/entries/{id}"
    [look]
    path = "/entries/{id}"
    [find]
    path = "/entries?ref={booking}"
    items = "$.entries"
    [entry]
    id = "$.id"
    booking = "$.ref"
    start = "$.from"
    end = "$.to"
"#;

struct Words(BTreeMap<&'static str, &'static str>);

impl Filling for Words {
    fn value(&self, word: &str) -> Option<String> {
        self.0.get(word).map(|value| (*value).to_owned())
    }
}

fn words(more: &[(&'static str, &'static str)]) -> Words {
    let usual = [("booking", "b-1"), ("start", "S"), ("end", "E"), ("address", "7"), ("id", "a/b?c")];
    Words(usual.into_iter().chain(more.iter().copied()).collect())
}

fn faults(text: &str) -> Vec<String> {
    let written = WrittenTarget::read(text).expect("the shape");
    Target::new(&written).err().into_iter().flatten().map(|fault| fault.to_string()).collect()
}

fn sound() -> Target {
    Target::new(&WrittenTarget::read(SOUND).expect("the shape")).expect("sound")
}

#[test]
fn every_target_that_is_shipped_is_sound() {
    for (name, text) in SHIPPED_TARGETS {
        let written = WrittenTarget::read(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let judged = Target::new(&written);
        assert!(judged.is_ok(), "{name}: {judged:?}");
        assert!(shipped_target(name).is_some());
    }
    assert!(shipped_target("fax").is_none());
    assert!(shipped_target("acuity").expect("shipped").needs_account());
    assert!(!shipped_target("zendesk").expect("shipped").needs_account());
}

#[test]
fn a_value_is_written_as_its_place_wants_it_and_can_be_nothing_else() {
    let target = sound();
    let quotes = words(&[("title", "a \"b\" \\ c\n{id}]]"), ("name", "J & K=L"), ("email", "j+k@x.example")]);
    let (path, body) = target.create.fill(&quotes).expect("fit");
    assert_eq!(path, "/entries");
    let (content_type, json) = body.expect("a body");
    assert_eq!(content_type, "application/json");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let title = "a \"b\" \\ c\n{id}]]";
    assert_eq!(json, serde_json::json!({"ref": "b-1", "from": "S", "to": "E", "room": 7, "title": title}));
    let (path, body) = target.change.fill(&quotes).expect("fit");
    assert_eq!(path, "/entries/a%2Fb%3Fc");
    let form = ("application/x-www-form-urlencoded", "from=S&to=E&who=J+%26+K%3DL+%3Cj%2Bk%40x.example%3E".to_owned());
    assert_eq!(body, Some(form));
    assert_eq!(target.cancel.fill(&quotes), Ok(("/entries/a%2Fb%3Fc".to_owned(), None)));
}

#[test]
fn what_is_missing_is_left_out_with_what_belongs_to_it_or_something_stands_there_instead() {
    let target = sound();
    let (_, body) = target.create.fill(&words(&[])).expect("fit");
    assert_eq!(body.expect("a body").1, r#"{"ref": "b-1", "from": "S", "to": "E", "room": 7}"#);
    let (_, body) = target.change.fill(&words(&[("name", "Jane")])).expect("fit");
    assert_eq!(body.expect("a body").1, "from=S&to=E&who=nobody", "one of two is missing");
}

#[test]
fn what_is_no_number_where_one_must_be_or_has_no_value_is_said() {
    let target = sound();
    for wrong in ["anna", "7, \"x\": 1", "07", ""] {
        assert_eq!(target.create.fill(&words(&[("address", wrong)])), Err(Unfit("address")), "{wrong}");
    }
    let mut none = words(&[]);
    none.0.remove("id");
    assert_eq!(target.cancel.fill(&none), Err(Unfit("id")));
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = SOUND.replace("\"$.ref\"", "\"ref\"").replace("/entries?ref={booking}", "/entries");
    let found = faults(&text.replace("[cancel]\n    path = \"/entries/{id}\"", "[cancel]\n    path = \"entries\""));
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].starts_with("cancel.path must begin with a slash"), "{found:?}");
    assert!(found[1].starts_with("entry.booking is no JSONPath"), "{found:?}");
    assert!(found[2].starts_with("find.path has no {booking}"), "{found:?}");
    assert!(found[3].starts_with("cancel.path has no {id}"), "{found:?}");
}

#[test]
fn what_belongs_together_is_there_together() {
    for (from, to, begins) in [
        ("https://api", "http://api", "base is no https:// address"),
        ("\"{booking}\"", "\"x\"", "create has no {booking} anywhere"),
        ("\"{start}\"", "\"{when}\"", "create.json has {when}; use booking, version,"),
        ("\"{start}\"", "{start}\"", "create.json is no JSON with all"),
        ("[[, \"title\": \"{title}\"]]", ", \"title\": \"{title}\"", "create.json has {title}, which may be missing"),
        ("[[, \"title\": \"{title}\"]]", "[[, \"title\": \"{title}\"", "create.json has [[ without ]]"),
        ("[[, \"title\": \"{title}\"]]", "[[, \"a\": 1]]", "create.json has [[ ]] with no word"),
        (
            "[[, \"title\": \"{title}\"]]",
            "[[, \"t\": {title}||, \"t\": \"{name}\"]]",
            "create.json has a word in braces",
        ),
        ("[[, \"title\": \"{title}\"]]", "[[ {title}||, ]]", "create.json is no JSON with all that may be"),
        ("\"ref\": \"{booking}\"", "\"ref\": \"{booking}{id}\"", "create.json has {id}, which is not known there"),
        ("[cancel]\n", "[cancel]\n    json = '{\"t\": \"{start}\"}'\n", "cancel.json has {start}, which is not known"),
        ("form = ", "json = '{}'\n    form = ", "change.json and change.form are both given"),
        ("[change]\n", "[change]\n    method = \"MOVE\"\n", "change.method must be GET, POST"),
        ("[look]\n", "[look]\n    method = \"POST\"\n", "look.method must be GET"),
        ("[cancel]\n", "[cancel]\n    gone = [404]\n    done = [404]\n", "cancel.gone has 404, which cancel.done has"),
        ("[cancel]\n", "[cancel]\n    again = [429]\n", "cancel.again has 429, which cannot mean that"),
        (
            "[create]\n",
            "[create]\n    idempotency = { header = \"I K\", lives = \"2h\" }\n",
            "create.idempotency.header is",
        ),
        (
            "[create]\n",
            "[create]\n    idempotency = { header = \"I\", lives = \"2s\" }\n",
            "create.idempotency.lives must",
        ),
        (
            "[cancel]\n",
            "[cancel]\n    idempotency = { header = \"I\", lives = \"2h\" }\n",
            "cancel.idempotency is for create",
        ),
        ("end = \"$.to\"", "", "entry.end and entry.length and entry.version are all missing"),
        ("end = \"$.to\"", "version = \"$.v\"", "entry.version is read, so create and change must both write"),
        ("settles = \"5s\"", "settles = \"5s\"\n    times = \"%H:%M\"", "times must be rfc3339"),
        ("settles = \"5s\"", "settles = \"5s\"\n    times = \"%Q %z\"", "times must be rfc3339"),
    ] {
        let changed = SOUND.replacen(from, to, 1);
        assert_ne!(changed, SOUND, "{from}");
        let found = faults(&changed);
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert!(found[0].starts_with(begins), "{to}: {found:?}");
    }
}

#[test]
fn a_setting_that_nobody_knows_and_one_that_is_missing_are_refused_when_it_is_read() {
    let error = WrittenTarget::read(&SOUND.replace("items = ", "item = ")).expect_err("an unknown field");
    assert!(error.contains("unknown field `item`"), "{error}");
    let error = WrittenTarget::read(&SOUND.replace("settles = \"5s\"", "")).expect_err("a missing one");
    assert!(error.contains("missing field `settles`"), "{error}");
}
