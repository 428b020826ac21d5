//! The OpenAPI document: what the handlers say of themselves, and what is true of all of them.

use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::problem::{PROBLEM_JSON, ProblemDocument, ProblemKind};

/// The name of the one security scheme.
const SCHEME: &str = "key";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Daybook",
        description = "Ask for a resource's time, look where it is free, read its bookings, and administer resources. \
            Every request passes the same gate as a webhook: it is written to Kafka, and the arbiter decides.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "This installation")),
    components(schemas(ProblemDocument)),
)]
struct Base;

/// The document before any route.
pub fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

/// Adds what is true of every operation behind the gate: the key, and the answers that the gate gives.
pub fn finish(document: &mut utoipa::openapi::OpenApi, public: &utoipa::openapi::OpenApi) {
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("dbk_<id>_<secret>")
        .description(Some("A key, as `daybook keys create` has shown it."))
        .build();
    let components = document.components.get_or_insert_default();
    components.security_schemes.insert(SCHEME.to_owned(), SecurityScheme::Http(scheme));
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
        for operation in operations.into_iter().filter_map(Option::as_mut) {
            behind_the_gate(operation);
        }
    }
    document.merge(public.clone());
}

/// What the gate answers, and why.
const GATE: [(ProblemKind, &str); 4] = [
    (ProblemKind::Unauthorized, "No key, or none that counts."),
    (ProblemKind::TooManyRequests, "The key's rate is used up; `Retry-After` says when the next request is taken."),
    (ProblemKind::Internal, "A fault of ours."),
    (ProblemKind::Unavailable, "Too much at once, or something needed is away; `Retry-After` says when to come again."),
];

/// What is answered to a body that is not read at all.
const BODY: [(ProblemKind, &str); 3] = [
    (ProblemKind::SlowBody, "The body did not arrive in time."),
    (ProblemKind::TooLarge, "The body is too large."),
    (ProblemKind::UnsupportedMediaType, "The body is not application/json in UTF-8, or is compressed."),
];

fn behind_the_gate(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    let body = BODY.into_iter().filter(|_| operation.request_body.is_some());
    for (kind, description) in GATE.into_iter().chain(body) {
        let status = kind.status().as_str().to_owned();
        operation.responses.responses.entry(status).or_insert_with(|| RefOr::T(problem(description)));
    }
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}
