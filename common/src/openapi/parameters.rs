//! The parameters of paths, and the headers of answers, each described once.

use serde_json::{Value, json};

use super::schema::{form, line, reference, whole};

/// The parameters of a path template, in its order.
pub(super) fn of_path(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let (schema, description) = schema_of(name);
        json!({ "in": "path", "name": name, "required": true, "schema": schema, "description": description })
    };
    names.map(parameter).collect()
}

fn schema_of(name: &str) -> (Value, &'static str) {
    match name {
        "applicationId" => (reference("ApplicationId"), "An application."),
        "version" => (reference("VersionWanted"), "A version, or `latest` where it is read."),
        "fileId" => (reference("FileId"), "A file of the version."),
        "fileName" => (reference("FileName"), "The name of a file of the version."),
        "customerId" => (reference("CustomerId"), "A customer."),
        "keyId" => (reference("KeyId"), "A key."),
        "sessionId" => (reference("SessionId"), "A session."),
        "tenantId" => (reference("TenantId"), "The tenant of the key."),
        "edgeId" => (reference("EdgeId"), "An edge."),
        "backupId" => (reference("BackupId"), "A backup."),
        "name" => (reference("TierName"), "A tier."),
        "link" | "token" | "ticket" => (form("^[A-Za-z0-9._~-]{1,1024}$"), "What we signed, to the letter."),
        _ => (line(4_096), ""),
    }
}

/// `components.headers`.
pub(super) fn headers() -> Value {
    let header = |schema: Value, description: &str| json!({ "schema": schema, "description": description });
    let always = |schema: Value, description: &str| json!({ "schema": schema, "description": description, "required": true });
    let any = || json!({ "type": "string" });
    json!({
        "X-Request-Id": always(form("^[A-Za-z0-9._:-]{1,128}$"), "The caller's when it is sane, else ours."),
        "X-RateLimit-Limit": header(whole(1), "Requests a minute; absent when unlimited."),
        "X-RateLimit-Remaining": header(whole(0), "What is left of them."),
        "X-RateLimit-Reset": header(whole(0), "Unix seconds: when all are back if nothing more is sent."),
        "RateLimit": header(any(), "The same as the IETF writes it."),
        "RateLimit-Policy": header(any(), "The limit as the IETF writes it."),
        "Retry-After": always(whole(1), "Seconds to wait."),
        "WWW-Authenticate": always(any(), "Bearer, and Basic with the key as password."),
        "Idempotency-Replayed": header(any(), "`true` when this is the answer to an earlier request."),
        "ETag": always(any(), "Names these very bytes; a weak one, what is said."),
        "Last-Modified": header(any(), "When they were uploaded."),
        "Accept-Ranges": always(json!({ "const": "bytes" }), "Ranges are answered."),
        "Content-Range": header(any(), "Which part it is; of several, each part says so itself."),
        "Content-Disposition": always(any(), "The file's name (RFC 6266)."),
        "Repr-Digest": always(any(), "The SHA-256 of the whole file (RFC 9530)."),
        "X-Checksum-Sha256": always(form("^[0-9a-f]{64}$"), "The same in hexadecimal."),
        "Location": always(any(), "Where to go on."),
        "Link": header(any(), "`rel=\"next\"` while there is more (RFC 8288)."),
        "Upload-Offset": always(whole(0), "Bytes that are kept."),
        "Upload-Length": always(whole(0), "Bytes that were announced."),
        "Tus-Resumable": always(any(), "1.0.0"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::ROUTES;

    #[test]
    fn every_parameter_of_a_path_is_described() {
        for parameter in ROUTES.iter().flat_map(|route| of_path(route.path)) {
            assert_ne!(parameter["description"], "", "{parameter}");
        }
    }
}
