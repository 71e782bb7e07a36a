//! Which of the edge's services a route is. Exhaustive on purpose: a new route does not build until it has one.

use common::routes::RouteId;

/// What the edge does for a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Service {
    /// It says that it lives.
    Health,
    /// The description of the API.
    Description,
    /// A key is got by what comes with the request, which the control plane judges.
    Login,
    /// The bytes of a signed URL.
    Link,
    /// The bytes of a share link.
    Share,
    /// The bytes of a large upload, passed on.
    Upload,
    /// What another signed URL of the control plane's leads to.
    Ticket,
    /// Something for a key that was admitted.
    Keyed(Keyed),
}

/// What the edge does for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keyed {
    /// Passes the request on to the control plane.
    Forward,
    /// Lists applications; an admin's listing names customers, and is passed on.
    ListApplications,
    /// One application; an admin's is passed on as well.
    ReadApplication,
    /// Lists versions.
    ListVersions,
    /// Lists files.
    ListFiles,
    /// The bytes.
    Download,
    /// Lends a signed URL.
    IssueLink,
    /// Lends a share link.
    ShareFile,
    /// Is there something newer?
    CheckUpdate,
}

impl Service {
    /// The service of a route.
    pub(super) fn of(route: RouteId) -> Self {
        use RouteId as R;
        match route {
            R::Health => Self::Health,
            R::OpenApi => Self::Description,
            R::Login | R::LoginV1 => Self::Login,
            R::DownloadSigned => Self::Link,
            R::DownloadShared | R::DownloadSharedLong => Self::Share,
            R::ReceiveUpload | R::ReadUploadOffset | R::ResumeUpload | R::AbandonUpload => Self::Upload,
            R::DownloadBackup => Self::Ticket,
            R::ListApplications => Self::Keyed(Keyed::ListApplications),
            R::ReadApplication => Self::Keyed(Keyed::ReadApplication),
            R::ListVersions => Self::Keyed(Keyed::ListVersions),
            R::ListFiles => Self::Keyed(Keyed::ListFiles),
            R::DownloadFile | R::DownloadNamed => Self::Keyed(Keyed::Download),
            R::IssueLink => Self::Keyed(Keyed::IssueLink),
            R::ShareFile => Self::Keyed(Keyed::ShareFile),
            R::CheckUpdate => Self::Keyed(Keyed::CheckUpdate),
            R::ChangeVersion | R::YankVersion | R::ReadStats => Self::Keyed(Keyed::Forward),
            R::CreateApplication
            | R::ChangeApplication
            | R::DeleteApplication
            | R::RestoreApplication
            | R::AssignCustomers => Self::Keyed(Keyed::Forward),
            R::UploadFile | R::BeginUpload | R::CompleteUpload => Self::Keyed(Keyed::Forward),
            R::ListCustomers | R::CreateCustomer | R::ReadCustomer | R::ChangeCustomer => {
                Self::Keyed(Keyed::Forward)
            }
            R::ListCustomerKeys
            | R::CreateCustomerKey
            | R::RegenerateCustomerKey
            | R::RegenerateOwnKey
            | R::ListKeys
            | R::CreateKey
            | R::ReadKey
            | R::ChangeKey
            | R::DeleteKey
            | R::RotateKey
            | R::ReadKeyUsage => Self::Keyed(Keyed::Forward),
            R::ListTiers | R::ReadTier | R::PutTier => Self::Keyed(Keyed::Forward),
            R::ListEdges | R::RemoveEdge => Self::Keyed(Keyed::Forward),
            R::ListActivity | R::ListAudit => Self::Keyed(Keyed::Forward),
            R::Logout | R::LogoutV1 | R::ListSessions | R::RevokeSession => Self::Keyed(Keyed::Forward),
            R::ListBackups | R::CreateBackup | R::ReadBackup | R::RestoreBackup => {
                Self::Keyed(Keyed::Forward)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use common::routes::{Credential, Plane, ROUTES};

    use super::*;

    /// The table is what both planes and the documentation are made from: this match must not say anything else.
    #[test]
    fn every_route_is_served_as_the_table_says() {
        for route in ROUTES {
            let service = Service::of(route.id);
            let keyed = matches!(service, Service::Keyed(_));
            assert_eq!(
                keyed,
                matches!(route.credential, Credential::Any | Credential::Admin),
                "{route:?}: {service:?}"
            );
            let passed_on = matches!(
                service,
                Service::Keyed(Keyed::Forward) | Service::Login | Service::Upload | Service::Ticket
            );
            assert_eq!(passed_on, route.plane == Plane::Desk, "{route:?}: {service:?}");
            let for_customers =
                matches!(service, Service::Keyed(Keyed::ListApplications | Keyed::ReadApplication));
            assert_eq!(for_customers, route.plane == Plane::EdgeOrDesk, "{route:?}: {service:?}");
        }
    }
}
