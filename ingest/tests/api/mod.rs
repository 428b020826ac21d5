//! The API, in process, without a store: what it answers to anybody, and that webhooks do not notice.

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::support::{Door, generic};

async fn ask(door: &Door, method: Method, path: &str) -> Response {
    door.http.request(method, format!("http://{}{path}", door.address)).send().await.expect("an answer")
}

async fn problem(response: Response) -> (StatusCode, String) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status();
    let body: Value = response.json().await.expect("JSON");
    assert_eq!(body["status"], status.as_u16());
    (status, body["type"].as_str().expect("a type").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_store_the_api_says_so_and_webhooks_come_in() {
    let door = Door::open().await;
    let response = door.http.get(format!("http://{}/v1/key", door.address)).bearer_auth("dbk_1_2").send().await;
    let response = response.expect("an answer");
    assert_eq!(response.headers()["retry-after"], "5");
    assert_eq!(problem(response).await, (StatusCode::SERVICE_UNAVAILABLE, "/v1/problems/unavailable".to_owned()));
    let webhook = generic(&door, "msg_1", b"{}").send().await.expect("an answer");
    assert_eq!(webhook.status(), StatusCode::OK);
    assert!(door.service.health.readiness().0, "webhooks need no store");
    let outcome = [("key", "none"), ("route", "GET /v1/key"), ("outcome", "unavailable")];
    assert!((door.metric("daybook_api_requests_total", &outcome) - 1.0).abs() < f64::EPSILON);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_not_there_is_told_as_a_problem() {
    let door = Door::open().await;
    let nothing = ask(&door, Method::GET, "/v1/nothing/here").await;
    assert_eq!(problem(nothing).await, (StatusCode::NOT_FOUND, "/v1/problems/not-found".to_owned()));
    let method = ask(&door, Method::DELETE, "/v1/openapi.json").await;
    assert_eq!(method.headers()["allow"], "GET,HEAD");
    assert_eq!(problem(method).await, (StatusCode::METHOD_NOT_ALLOWED, "/v1/problems/method-not-allowed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_meaning_of_every_problem_can_be_read_without_a_key() {
    let door = Door::open().await;
    let document = ask(&door, Method::GET, "/v1/openapi.json").await;
    assert_eq!(document.headers()["content-type"], "application/json");
    assert_eq!(document.text().await.expect("text"), daybook_ingest::api::openapi_text());
    for kind in daybook_ingest::api::ProblemKind::ALL {
        let page = ask(&door, Method::GET, &kind.uri()).await;
        assert_eq!(page.status(), StatusCode::OK);
        let text = page.text().await.expect("text");
        assert!(text.starts_with(&format!("{} {}\n\n", kind.status().as_u16(), kind.title())), "{text}");
    }
}
