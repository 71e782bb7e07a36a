//! The one route table: who answers which method and path, and what it takes to ask.
//!
//! Both routers, the forwarding of the edge and the documentation are made from it, so that they cannot differ.

use http::Method;

use crate::scope::Scope;

/// Which plane answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plane {
    /// The edge, from its own memory.
    Edge,
    /// The control plane; the edge forwards.
    Desk,
    /// The edge for customers' keys, the control plane for admins' (answers that name customers).
    EdgeOrDesk,
}

/// What a request must bring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Credential {
    /// Nothing.
    Public,
    /// Nothing but the signed text in its path.
    Signed,
    /// Any key.
    Any,
    /// An admin's key.
    Admin,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its name in code.
    pub id: RouteId,
    /// The method; GET routes also answer HEAD.
    pub method: &'static Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Whether the path names an application; then that is its first parameter.
    pub names_application: bool,
    /// Who answers.
    pub plane: Plane,
    /// What it takes.
    pub credential: Credential,
    /// The scope the key needs.
    pub scope: Option<Scope>,
}

impl Route {
    /// Whether an `Idempotency-Key` is obeyed: management by POST or PATCH, where a key says whose request it was. What is
    /// sent by PUT or DELETE can be sent again as it is.
    #[must_use]
    pub fn takes_idempotency_key(&self) -> bool {
        let keyed = matches!(self.credential, Credential::Any | Credential::Admin);
        keyed && self.plane == Plane::Desk && matches!(*self.method, Method::POST | Method::PATCH)
    }

    /// Whether `?wait=edges` is obeyed: management that writes, where a key says who asks.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        let keyed = matches!(self.credential, Credential::Any | Credential::Admin);
        keyed && self.plane == Plane::Desk && !matches!(*self.method, Method::GET | Method::HEAD)
    }
}

/// Whether `part` stands in `text`; for tables that are made when the program is.
const fn has(text: &[u8], part: &[u8]) -> bool {
    let mut from = 0;
    while from + part.len() <= text.len() {
        let mut same = 0;
        while same < part.len() && text[from + same] == part[same] {
            same += 1;
        }
        if same == part.len() {
            return true;
        }
        from += 1;
    }
    false
}

macro_rules! routes {
    ($($name:ident $method:ident $path:literal $plane:ident $credential:ident $($scope:ident)?;)*) => {
        /// The routes by name. Each router has one exhaustive match over it.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum RouteId { $(
            #[doc = concat!("`", stringify!($method), " ", $path, "`")]
            $name,
        )* }

        /// Every route.
        pub static ROUTES: &[Route] = &[$(Route {
            id: RouteId::$name,
            method: &Method::$method,
            path: $path,
            names_application: has($path.as_bytes(), b"{applicationId}"),
            plane: Plane::$plane,
            credential: Credential::$credential,
            scope: routes!(@scope $($scope)?),
        },)*];
    };
    (@scope) => { None };
    (@scope $scope:ident) => { Some(Scope::$scope) };
}

routes! {
    ListApplications GET "/v1/applications" EdgeOrDesk Any AppsRead;
    ReadApplication GET "/v1/applications/{applicationId}" EdgeOrDesk Any AppsRead;
    ListVersions GET "/v1/applications/{applicationId}/versions" Edge Any AppsRead;
    ChangeVersion PATCH "/v1/applications/{applicationId}/versions/{version}" Desk Admin AppsWrite;
    YankVersion DELETE "/v1/applications/{applicationId}/versions/{version}" Desk Admin AppsWrite;
    ListFiles GET "/v1/applications/{applicationId}/versions/{version}/files" Edge Any AppsRead;
    DownloadFile GET "/v1/applications/{applicationId}/versions/{version}/files/{fileId}/download" Edge Any DownloadsRead;
    DownloadNamed GET "/v1/download/{applicationId}/{version}/{fileName}" Edge Any DownloadsRead;
    IssueLink GET "/v1/downloads/url" Edge Any DownloadsRead;
    DownloadSigned GET "/v1/d/{link}/{fileName}" Edge Signed;
    ShareFile POST "/v1/downloads/share" Edge Any DownloadsRead;
    DownloadShared GET "/v1/downloads/d/{token}" Edge Signed;
    DownloadSharedLong GET "/v1/downloads/share/{token}" Edge Signed;
    CheckUpdate GET "/v1/updates/{applicationId}" Edge Any DownloadsRead;
    ReadStats GET "/v1/applications/{applicationId}/stats" Desk Any AppsRead;

    CreateApplication POST "/v1/management/applications" Desk Admin AppsWrite;
    ChangeApplication PATCH "/v1/management/applications/{applicationId}" Desk Admin AppsWrite;
    DeleteApplication DELETE "/v1/management/applications/{applicationId}" Desk Admin AppsWrite;
    RestoreApplication POST "/v1/management/applications/{applicationId}/restore" Desk Admin AppsWrite;
    AssignCustomers PUT "/v1/management/applications/{applicationId}/customers" Desk Admin AppsWrite;

    UploadFile POST "/v1/management/upload" Desk Admin UploadsWrite;
    BeginUpload POST "/v1/management/upload/large-url" Desk Admin UploadsWrite;
    CompleteUpload POST "/v1/management/upload/large-complete" Desk Admin UploadsWrite;
    ReceiveUpload PUT "/v1/uploads/{ticket}" Desk Signed;
    ReadUploadOffset HEAD "/v1/uploads/{ticket}" Desk Signed;
    ResumeUpload PATCH "/v1/uploads/{ticket}" Desk Signed;
    AbandonUpload DELETE "/v1/uploads/{ticket}" Desk Signed;

    ListCustomers GET "/v1/management/customers" Desk Admin CustomersRead;
    CreateCustomer POST "/v1/management/customers" Desk Admin CustomersWrite;
    ReadCustomer GET "/v1/management/customers/{customerId}" Desk Admin CustomersRead;
    ChangeCustomer PATCH "/v1/management/customers/{customerId}" Desk Admin CustomersWrite;

    ListCustomerKeys GET "/v1/management/customers/{customerId}/apikeys" Desk Admin KeysRead;
    CreateCustomerKey POST "/v1/management/customers/{customerId}/apikeys" Desk Admin KeysWrite;
    RegenerateCustomerKey POST "/v1/management/customers/{customerId}/regenerate-key" Desk Admin KeysWrite;
    RegenerateOwnKey POST "/v1/management/admin/regenerate-key" Desk Admin KeysWrite;
    ListKeys GET "/v1/management/apikeys" Desk Admin KeysRead;
    CreateKey POST "/v1/management/apikeys" Desk Admin KeysWrite;
    ReadKey GET "/v1/management/apikeys/{keyId}" Desk Admin KeysRead;
    ChangeKey PATCH "/v1/management/apikeys/{keyId}" Desk Admin KeysWrite;
    DeleteKey DELETE "/v1/management/apikeys/{keyId}" Desk Admin KeysWrite;
    RotateKey POST "/v1/management/apikeys/{keyId}/rotate" Desk Admin KeysWrite;
    ReadKeyUsage GET "/v1/management/apikeys/{keyId}/usage" Desk Admin KeysRead;

    ListTiers GET "/v1/management/tiers" Desk Admin CustomersRead;
    ReadTier GET "/v1/management/tiers/{name}" Desk Admin CustomersRead;
    PutTier PUT "/v1/management/tiers/{name}" Desk Admin CustomersWrite;

    ListActivity GET "/v1/activity" Desk Admin ActivityRead;
    ListAudit GET "/v1/audit" Desk Admin AuditRead;

    Login POST "/auth/login" Desk Public;
    LoginV1 POST "/v1/auth/login" Desk Public;
    Logout POST "/auth/logout" Desk Any;
    LogoutV1 POST "/v1/auth/logout" Desk Any;
    ListSessions GET "/v1/auth/sessions" Desk Any;
    RevokeSession DELETE "/v1/auth/sessions/{sessionId}" Desk Any;

    ListBackups GET "/v1/control/tenants/{tenantId}/backups" Desk Admin BackupsWrite;
    CreateBackup POST "/v1/control/tenants/{tenantId}/backups" Desk Admin BackupsWrite;
    ReadBackup GET "/v1/control/tenants/{tenantId}/backups/{backupId}" Desk Admin BackupsWrite;
    RestoreBackup POST "/v1/control/tenants/{tenantId}/backups/{backupId}/restore" Desk Admin BackupsWrite;
    DownloadBackup GET "/v1/backups/{ticket}" Desk Signed;

    ListEdges GET "/v1/control/edges" Desk Admin KeysRead;
    RemoveEdge DELETE "/v1/control/edges/{edgeId}" Desk Admin KeysWrite;

    OpenApi GET "/openapi.json" Edge Public;
    Health GET "/healthz" Edge Public;
}

/// The methods that a path answers, for `Allow` (RFC 9110 section 10.2.1); HEAD wherever GET is, OPTIONS everywhere.
#[must_use]
pub fn allowed_methods(path: &str) -> Vec<&'static str> {
    let mut methods: Vec<&'static str> = Vec::new();
    for route in ROUTES.iter().filter(|route| route.path == path) {
        methods.push(route.method.as_str());
        if *route.method == Method::GET && !methods.contains(&"HEAD") {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_routes_share_method_and_path() {
        for (i, a) in ROUTES.iter().enumerate() {
            for b in &ROUTES[i + 1..] {
                assert!((a.method, a.path) != (b.method, b.path), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn every_route_that_takes_a_key_names_a_scope_but_those_about_the_key_itself() {
        for route in ROUTES {
            let keyed = matches!(route.credential, Credential::Any | Credential::Admin);
            let own = route.path.contains("/auth/");
            assert_eq!(route.scope.is_some(), keyed && !own, "{route:?}");
        }
    }
}
