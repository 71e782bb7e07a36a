//! What both planes refuse, in the same words: a caller cannot tell which of them answered.

use serde_json::json;

use super::{Code, Problem};
use crate::credential::Ambiguous;
use crate::fields::FieldFault;
use crate::policy::Denied;
use crate::scope::Scope;

/// No credential came with the request.
#[must_use]
pub fn missing_credential() -> Problem {
    Problem::new(Code::Unauthorized, "missing_credential", "Missing authentication token")
}

/// The route is for edges, and no edge of ours asks.
#[must_use]
pub fn edges_only() -> Problem {
    let says = "This is for edges: they prove themselves with the edge secret of this control plane";
    Problem::new(Code::Unauthorized, "edges_only", says)
}

/// Two credentials came with it.
#[must_use]
pub fn ambiguous_credentials() -> Problem {
    Problem::new(Code::Validation, "ambiguous_credentials", Ambiguous.to_string())
}

/// The credential cannot be a key.
#[must_use]
pub fn malformed_key() -> Problem {
    Problem::new(Code::Unauthorized, "key_malformed", "Invalid API key")
}

/// The credential is a bare secret, in a system of several tenants.
#[must_use]
pub fn tenant_required() -> Problem {
    Problem::new(Code::Unauthorized, "tenant_required", "Invalid API key")
}

/// The key may not be used.
#[must_use]
pub fn denied(denied: Denied) -> Problem {
    let code = if denied.is_unauthenticated() { Code::Unauthorized } else { Code::Forbidden };
    let message = match denied {
        Denied::TenantInactive | Denied::CustomerInactive => "Account is inactive",
        Denied::AddressNotAllowed => "This key may not be used from this address",
        _ => "Invalid API key",
    };
    Problem::new(code, denied.reason(), message)
}

/// The route is for admins' keys.
#[must_use]
pub fn admin_key_required() -> Problem {
    Problem::new(Code::Forbidden, "admin_key_required", "An admin API key is required")
}

/// The key lacks the scope that the route takes.
#[must_use]
pub fn scope_missing(scope: Scope) -> Problem {
    Problem::new(Code::Forbidden, "scope_missing", format!("This key lacks the scope {scope}"))
}

/// Nothing is at this path.
#[must_use]
pub fn route_not_found() -> Problem {
    Problem::new(Code::NotFound, "route_not_found", "There is nothing at this path")
}

/// The path answers other methods, which `Allow` must name (RFC 9110 section 15.5.6).
#[must_use]
pub fn method_not_allowed(methods: &[&str]) -> Problem {
    let says = format!("This path answers {}", methods.join(", "));
    Problem::new(Code::MethodNotAllowed, "method_not_allowed", says)
}

/// The cursor is not one of ours, or of another list, tenant, filter or order.
#[must_use]
pub fn invalid_cursor() -> Problem {
    let says = "This cursor was not given out by this list for this query: begin without a cursor";
    Problem::new(Code::Validation, "invalid_cursor", says)
}

/// The application is not there, or not for this key to know of.
#[must_use]
pub fn application_not_found() -> Problem {
    Problem::new(Code::NotFound, "application_not_found", "Application not found")
}

/// The version is not there, or yanked.
#[must_use]
pub fn version_not_found() -> Problem {
    Problem::new(Code::NotFound, "version_not_found", "Version not found")
}

/// Fields of the request do not have their forms: all of them, for people in the message and for machines in `details`.
#[must_use]
pub fn invalid_fields(faults: &[FieldFault]) -> Problem {
    let sentences: Vec<String> = faults.iter().map(FieldFault::to_string).collect();
    let told = |fault: &FieldFault| json!({ "field": fault.field, "message": fault.says });
    let details = json!({ "fields": faults.iter().map(told).collect::<Vec<_>>() });
    Problem::new(Code::Validation, "invalid_fields", sentences.join("; ")).with_details(details)
}

/// The body is of a type that the route does not read.
#[must_use]
pub fn unsupported_media_type(message: &str) -> Problem {
    Problem::new(Code::UnsupportedMediaType, "unsupported_media_type", message)
}

/// The body was not sent to its end.
#[must_use]
pub fn body_incomplete() -> Problem {
    Problem::new(Code::Validation, "body_incomplete", "The body broke off before its end")
}
