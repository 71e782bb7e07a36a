//! The OpenAPI document: valid, the same at every door, cached by its tag, and true of what the servers answer.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use support::client::send;
use support::contract::{DOCUMENT, check, template_of};
use support::{Answer, Client, System};

#[tokio::test]
async fn both_planes_serve_the_document_to_everybody_with_their_own_base() {
    let system = System::in_process().await;
    for base in [&system.edges[0], &system.edges[1], &system.desk] {
        let stranger = Client::new(base, None);
        let answer = stranger.get("/openapi.json").await.expect(200);
        assert_eq!(answer.header("content-type"), "application/json");
        let mut document = answer.json();
        assert_eq!(document["servers"][0]["url"], base.as_str());
        document["servers"][0]["url"] = DOCUMENT["servers"][0]["url"].clone();
        assert_eq!(&document, &*DOCUMENT);

        let etag = answer.header("etag").to_owned();
        let again = stranger.get_with("/openapi.json", "if-none-match", &etag).await.expect(304);
        assert_eq!((again.body.len(), again.header("etag")), (0, etag.as_str()));
        stranger.get_with("/openapi.json", "if-none-match", "\"another\"").await.expect(200);
        let head = send(stranger.request(Method::HEAD, "/openapi.json")).await.expect(200);
        assert_eq!(head.header("etag"), etag);
        stranger.post("/openapi.json", &Value::Null).await.expect(405);
    }
}

/// The schema of OpenAPI 3.1 documents that the OpenAPI Initiative publishes (2022-10-07, Apache-2.0).
const OPENAPI: &str = include_str!("contract/openapi-3.1.schema.json");

#[test]
fn the_document_is_openapi_3_1_and_its_schemas_are_schemas() {
    let published: Value = serde_json::from_str(OPENAPI).unwrap();
    let validator = jsonschema::draft202012::new(&published).unwrap();
    let faults = |document: &Value| -> Vec<String> {
        validator.iter_errors(document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
    };
    assert_eq!(faults(&DOCUMENT), [""; 0]);
    let mut broken = DOCUMENT.clone();
    broken["paths"]["/healthz"]["get"]["responses"] = Value::from("none");
    assert!(!faults(&broken).is_empty());
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let told = jsonschema::draft202012::meta::validate(schema).err().map(|error| error.to_string());
        assert_eq!(told, None, "{name}");
    }
}

#[test]
fn a_path_leads_to_its_template() {
    let leads = |path: &str, template: Option<&str>| assert_eq!(template_of(path), template, "{path}");
    leads("/v1/downloads/url", Some("/v1/downloads/url"));
    leads("/v1/downloads/d/abc", Some("/v1/downloads/d/{token}"));
    leads(
        "/v1/applications/a/versions/1%2B2/files",
        Some("/v1/applications/{applicationId}/versions/{version}/files"),
    );
    leads("/v1/applications/", None);
    leads("/v1/nothing", None);
}

#[test]
fn what_the_document_does_not_foresee_fails_the_test_that_met_it() {
    let meta = r#""meta":{"requestId":"r","version":"1.0.0"}"#;
    let told = |data: &str| format!(r#"{{"success":true,"data":{data},{meta}}}"#);
    let fits = |status: u16, kind: &str, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        headers.insert("x-request-id", "r".parse().unwrap());
        let answer = Answer { status, headers, body: body.as_bytes().to_vec() };
        let path = "/v1/management/tiers/Basic";
        std::panic::catch_unwind(|| check(&Method::GET, path, &answer)).is_ok()
    };
    let (json, tier) = ("application/json", told(r#"{"name":"Basic","rank":0}"#));
    assert!(fits(200, json, &tier));
    assert!(!fits(201, json, &tier), "a status");
    assert!(!fits(200, "text/html", &tier), "a type");
    assert!(!fits(200, json, &told(r#"{"name":"Basic","rank":0,"secret":1}"#)), "a field");
    assert!(!fits(200, json, &told(r#"{"name":"Basic"}"#)), "a field that is missing");
    assert!(!fits(200, json, &told(r#"{"name":"Basic","rank":"0"}"#)), "a type of a field");
    assert!(!fits(404, json, r#"{"success":false}"#), "a failure");
    assert!(!fits(429, json, &tier), "a header that is missing");
}
