//! `GET /v1/docs`: the OpenAPI document as a page, for people.
//!
//! Made from the document itself and whole in itself: no script, nothing from elsewhere, so it can be read where no browser
//! may go out, and what it says is what is served. Absent on purpose: a form to try things with; `curl` is beside each.

mod html;
mod schema;

use std::sync::{Arc, LazyLock};

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::html::{Html, prose};
use super::Api;

const STYLE: &str = include_str!("docs/style.css");
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];

/// The route.
pub fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(docs))
}

/// This API, as a page.
#[utoipa::path(get, path = "/v1/docs", operation_id = "show_docs", tag = "about", security(()), responses(
    (status = 200, description = "The page.", body = String, content_type = "text/html"),
))]
async fn docs() -> Response {
    static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
        let document = serde_json::from_str(super::openapi_text()).unwrap_or_default();
        let hash = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
        (
            page(&document),
            format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'"),
        )
    });
    let (page, policy) = &*PAGE;
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, policy.as_str())];
    (headers, page.as_str()).into_response()
}

/// The page of a document.
fn page(document: &Value) -> String {
    let mut html = Html::default();
    html.raw("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.raw("<meta name=\"viewport\" content=\"width=device-width\">");
    let title = text(&document["info"]["title"]);
    html.element("title", title);
    html.raw("<style>").raw(STYLE).raw("</style></head><body>");
    let operations = operations(document);
    html.raw("<nav>");
    for (tag, operations) in &operations {
        html.element("strong", tag).raw("<ul>");
        for operation in operations {
            html.raw("<li>").link(&operation.anchor(), |html| {
                html.element("b", &operation.method.to_uppercase()).text(" ").text(operation.path);
            });
            html.raw("</li>");
        }
        html.raw("</ul>");
    }
    html.element("strong", "schemas").raw("<ul>");
    let schemas = document["components"]["schemas"].as_object();
    for name in schemas.into_iter().flat_map(serde_json::Map::keys) {
        html.raw("<li>").link(&schema::anchor(name), |html| {
            html.text(name);
        });
        html.raw("</li>");
    }
    html.raw("</ul></nav><main>");
    html.element("h1", title);
    prose(&mut html, text(&document["info"]["description"]));
    html.raw("<p>The same for programs: <a href=\"openapi.json\">openapi.json</a>, OpenAPI 3.1.</p>");
    for (tag, operations) in &operations {
        html.element("h2", tag);
        operations.iter().for_each(|operation| operation.show(&mut html));
    }
    html.element("h2", "Schemas");
    for (name, of) in schemas.into_iter().flatten() {
        schema::show(&mut html, name, of);
    }
    html.raw("</main></body></html>\n");
    html.finish()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// One method of one path.
struct Operation<'a> {
    method: &'a str,
    path: &'a str,
    of: &'a Value,
}

/// All of them, by tag, each tag where it comes first.
fn operations(document: &Value) -> Vec<(&str, Vec<Operation<'_>>)> {
    let mut all: Vec<(&str, Vec<Operation<'_>>)> = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(of) = item.get(method) else { continue };
            let tag = of["tags"][0].as_str().unwrap_or("other");
            let operation = Operation { method, path, of };
            match all.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, operations)) => operations.push(operation),
                None => all.push((tag, vec![operation])),
            }
        }
    }
    all
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        let word = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!("{}{}", self.method, self.path).chars().map(word).collect()
    }

    fn show(&self, html: &mut Html) {
        html.raw("<section").attribute("id", &self.anchor()).raw("><h3><code>");
        html.element("b", &self.method.to_uppercase()).text(" ").text(self.path).raw("</code></h3>");
        html.element("p", text(&self.of["summary"]));
        prose(html, text(&self.of["description"]));
        self.parameters(html);
        let body = &self.of["requestBody"]["content"];
        for (media, content) in body.as_object().into_iter().flatten() {
            html.raw("<p>Body, ").element("code", media).raw(": ");
            schema::name(html, &content["schema"]);
            html.raw("</p>");
        }
        html.raw("<table><tr><th>Answer</th><th>Meaning</th><th>Body</th></tr>");
        for (status, response) in self.of["responses"].as_object().into_iter().flatten() {
            html.raw("<tr><td>").element("code", status).raw("</td><td>");
            html.inline(text(&response["description"]));
            for (name, header) in response["headers"].as_object().into_iter().flatten() {
                html.raw("<br>").element("code", name).raw(": ").inline(text(&header["description"]));
            }
            html.raw("</td><td>");
            for content in response["content"].as_object().into_iter().flat_map(serde_json::Map::values) {
                schema::name(html, &content["schema"]);
            }
            html.raw("</td></tr>");
        }
        html.raw("</table>").raw("<pre>").text(&self.curl()).raw("</pre></section>");
    }

    fn parameters(&self, html: &mut Html) {
        let parameters = self.of["parameters"].as_array();
        if parameters.is_none_or(Vec::is_empty) {
            return;
        }
        html.raw("<table><tr><th>Parameter</th><th>In</th><th>Type</th><th></th></tr>");
        for parameter in parameters.into_iter().flatten() {
            html.raw("<tr><td>").element("code", text(&parameter["name"]));
            if parameter["required"] == true {
                html.raw(" <em>required</em>");
            }
            html.raw("</td><td>").text(text(&parameter["in"])).raw("</td><td>");
            schema::name(html, &parameter["schema"]);
            html.raw("</td><td>").inline(text(&parameter["description"])).raw("</td></tr>");
        }
        html.raw("</table>");
    }

    /// How a shell would ask, with the examples of the document.
    fn curl(&self) -> String {
        let mut call = "curl -sS".to_owned();
        if self.method != "get" {
            call.push_str(&format!(" -X {}", self.method.to_uppercase()));
        }
        let mut query = Vec::new();
        for parameter in self.of["parameters"].as_array().into_iter().flatten() {
            let (name, example) = (text(&parameter["name"]), parameter["example"].as_str());
            match (text(&parameter["in"]), parameter["required"] == true, example) {
                ("query", true, Some(example)) => query.push(format!("{name}={example}")),
                ("query", true, None) => query.push(format!("{name}=…")),
                ("header", true, _) => call.push_str(&format!(" -H '{name}: {}'", example.unwrap_or("…"))),
                _ => {}
            }
        }
        if self.of["security"][0].get("key").is_some() {
            call.push_str(" -H \"authorization: Bearer $DAYBOOK_API_KEY\"");
        }
        if self.of.get("requestBody").is_some() {
            call.push_str(" -H 'content-type: application/json' --data-binary @body.json");
        }
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        format!("{call} \"$DAYBOOK_INGEST_URL{}{query}\"", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_and_every_schema_and_asks_nobody_for_anything() {
        let document: Value = serde_json::from_str(crate::api::openapi_text()).expect("JSON");
        let page = page(&document);
        for (path, item) in document["paths"].as_object().expect("paths") {
            let methods = item.as_object().expect("an item").keys().filter(|key| METHODS.contains(&key.as_str()));
            for method in methods {
                let head = format!("<code><b>{}</b> {}</code>", method.to_uppercase(), html::escaped(path));
                assert!(page.contains(&head), "{method} {path}");
            }
        }
        for name in document["components"]["schemas"].as_object().expect("schemas").keys() {
            assert!(page.contains(&format!("id=\"{}\"", schema::anchor(name))), "{name}");
        }
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(page.contains(&format!("id=\"{link}\"")), "nothing is called {link}");
        }
        for foreign in ["<script", "src=", "href=\"http", "@import", "url("] {
            assert!(!page.contains(foreign), "the page holds {foreign}");
        }
    }

    #[test]
    fn what_a_document_says_cannot_become_part_of_the_page() {
        let document = serde_json::json!({"info": {"title": "<b>&", "description": "a `<i>` \"b\"\n\nc"}, "paths": {}});
        let page = page(&document);
        assert!(page.contains("<h1>&lt;b&gt;&amp;</h1>"), "{page}");
        assert!(page.contains("<p>a <code>&lt;i&gt;</code> &quot;b&quot;</p><p>c</p>"), "{page}");
    }
}
