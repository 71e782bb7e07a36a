//! The vendor: what one does before anybody can download.

use std::ops::Deref;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::client::{Answer, Client, try_send};
use crate::content;

/// A client with an admin's key, and the management routes by name. Everything else a [`Client`] does too.
#[derive(Clone)]
pub struct Admin(pub Client);

impl Deref for Admin {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// A key as it was told when it was made.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    /// `{tenantId}.{secret}`.
    pub text: String,
    /// The bare secret.
    pub secret: String,
}

impl Key {
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        Self { id: answer.text("/keyId"), text: answer.text("/apiKey"), secret: answer.text("/apiSecret") }
    }
}

/// An application with one version and one file, assigned to one customer who has one key.
#[derive(Clone, Debug)]
pub struct Stock {
    pub application: String,
    pub version: String,
    pub file_name: String,
    pub file_id: String,
    pub bytes: Vec<u8>,
    pub customer: String,
    pub key: Key,
}

impl Stock {
    /// The path of the bytes, for who has the key.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/download/{}/{}/{}", self.application, self.version, self.file_name)
    }
}

impl Admin {
    pub async fn create_application(&self, id: &str, customers: &[&str]) -> Answer {
        let body =
            json!({ "applicationId": id, "name": format!("Application {id}"), "customerIds": customers });
        self.post("/v1/management/applications", &body).await
    }

    pub async fn create_customer(&self, id: &str, tier: &str) -> Answer {
        let body = json!({ "customerId": id, "name": format!("Customer {id}"), "tier": tier });
        self.post("/v1/management/customers", &body).await
    }

    pub async fn change_customer(&self, id: &str, change: Value) -> Answer {
        self.patch(&format!("/v1/management/customers/{id}"), &change).await
    }

    pub async fn assign(&self, application: &str, customers: &[&str]) -> Answer {
        let path = format!("/v1/management/applications/{application}/customers");
        self.put(&path, &json!({ "addCustomerIds": customers })).await
    }

    /// A customer's key with the options of the body.
    pub async fn create_key(&self, customer: &str, options: Value) -> Key {
        let path = format!("/v1/management/customers/{customer}/apikeys");
        Key::of(&self.post(&path, &options).await.expect(201))
    }

    /// An admin's key with the options of the body.
    pub async fn create_admin_key(&self, mut options: Value) -> Key {
        options["kind"] = json!("admin");
        Key::of(&self.post("/v1/management/apikeys", &options).await.expect(201))
    }

    pub async fn change_key(&self, key: &Key, change: Value) -> Answer {
        self.patch(&format!("/v1/management/apikeys/{}", key.id), &change).await
    }

    pub async fn delete_key(&self, key: &Key) -> Answer {
        self.delete(&format!("/v1/management/apikeys/{}", key.id)).await
    }

    pub async fn change_version(&self, application: &str, version: &str, change: Value) -> Answer {
        self.patch(&format!("/v1/applications/{application}/versions/{version}"), &change).await
    }

    /// A direct upload as a form; `fields` are its texts.
    pub async fn upload(&self, fields: &[(&str, &str)], file_name: &str, bytes: &[u8]) -> Answer {
        self.try_upload(fields, file_name, bytes).await.expect("no answer")
    }

    /// The same where the connection may break before the answer comes.
    pub async fn try_upload(
        &self,
        fields: &[(&str, &str)],
        file_name: &str,
        bytes: &[u8],
    ) -> Result<Answer, String> {
        let file = Part::bytes(bytes.to_vec()).file_name(file_name.to_owned());
        let mut form = Form::new();
        for (name, text) in fields {
            form = form.text((*name).to_owned(), (*text).to_owned());
        }
        let request = self.request(Method::POST, "/v1/management/upload");
        try_send(request.multipart(form.part("file", file))).await
    }

    /// Announces a large upload; `about` is the rest of the body.
    pub async fn begin_upload(&self, application: &str, version: &str, about: Value) -> Answer {
        let mut body = about;
        body["applicationId"] = json!(application);
        body["version"] = json!(version);
        self.post("/v1/management/upload/large-url", &body).await
    }

    pub async fn complete_upload(&self, body: Value) -> Answer {
        self.post("/v1/management/upload/large-complete", &body).await
    }

    /// Everything that one download needs, named after `name`.
    pub async fn stock(&self, name: &str) -> Stock {
        let customer = format!("cust-{name}");
        let bytes = content::bytes(name.len() as u64, 200_000);
        let (version, file_name) = ("1.2.0", "setup.bin");
        self.create_customer(&customer, "Basic").await.expect(201);
        self.create_application(name, &[&customer]).await.expect(201);
        let fields = [("applicationId", name), ("version", version), ("releaseNotes", "First of its kind")];
        let uploaded = self.upload(&fields, file_name, &bytes).await.expect(201);
        let key = self.create_key(&customer, json!({ "rateLimitRpm": 100_000 })).await;
        Stock {
            application: name.to_owned(),
            version: version.to_owned(),
            file_name: file_name.to_owned(),
            file_id: uploaded.text("/fileId"),
            bytes,
            customer,
            key,
        }
    }
}
