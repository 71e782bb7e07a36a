//! A customer who comes from BinDist keeps the client: the published crate works against us, unchanged.

use bindist::{
    Channel, Client, Error, FileType, GetDownloadInfoOptions, ListApplicationsOptions, ListVersionsOptions,
};
use serde_json::json;
use support::System;
use support::content::checksum;

#[tokio::test]
async fn the_published_client_lists_and_downloads() {
    let system = System::in_process().await;
    let stock = system.admin(0).stock("moved").await;
    let client = Client::new(&system.edges[0], &stock.key.text).unwrap();

    let page = client.list_applications(&ListApplicationsOptions::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].application_id, "moved");
    assert!(page.items[0].is_active);
    assert_eq!(page.pagination.unwrap().total, 1);
    assert!(page.request_id.is_some());
    let options = ListApplicationsOptions {
        page: Some(1),
        limit: Some(20),
        search: Some("APPLICATION".to_owned()),
        tag: None,
        is_active: Some(true),
    };
    assert_eq!(client.list_applications(&options).await.unwrap().items.len(), 1);
    assert_eq!(client.get_application("moved").await.unwrap().name, "Application moved");

    let versions = client.list_versions("moved", &ListVersionsOptions::default()).await.unwrap();
    assert_eq!(versions.items[0].version, "1.2.0");
    assert!(versions.items[0].is_enabled && versions.items[0].file_size == 200_000);
    let searched = ListVersionsOptions { changelog: Some("of its KIND".to_owned()), channel: None };
    assert_eq!(client.list_versions("moved", &searched).await.unwrap().items.len(), 1);
    let files = client.list_version_files("moved", "1.2.0").await.unwrap();
    assert_eq!((files.len(), &files[0].file_type), (1, &FileType::Main));

    let options = GetDownloadInfoOptions { file_id: Some(files[0].file_id.clone()), channel: None };
    let info = client.get_download_info("moved", "1.2.0", &options).await.unwrap();
    assert_eq!(info.checksum, checksum(&stock.bytes));
    let (info, bytes) = client.download("moved", "1.2.0", &GetDownloadInfoOptions::default()).await.unwrap();
    assert_eq!((info.file_name, info.file_size), (stock.file_name, 200_000));
    assert!(bytes == stock.bytes, "other bytes");
}

#[tokio::test]
async fn the_published_client_sees_a_draft_through_its_channel() {
    let system = System::in_process().await;
    let admin = system.admin(0);
    let stock = admin.stock("drafted").await;
    let fields = [("applicationId", "drafted"), ("version", "9.9.9"), ("isEnabled", "false")];
    admin.upload(&fields, "beta.bin", b"not yet").await.expect(201);
    admin.change_key(&stock.key, json!({ "channels": ["Test"] })).await.expect(200);
    let client = Client::new(&system.edges[0], &stock.key.text).unwrap();

    let plain = client.list_versions("drafted", &ListVersionsOptions::default()).await.unwrap();
    assert_eq!(plain.items.len(), 1);
    let options = ListVersionsOptions { changelog: None, channel: Some(Channel::Test) };
    let drafts = client.list_versions("drafted", &options).await.unwrap();
    assert_eq!((drafts.items[0].version.as_str(), drafts.items[0].is_enabled), ("9.9.9", false));
    let refused = client.get_download_info("drafted", "9.9.9", &GetDownloadInfoOptions::default()).await;
    assert!(
        matches!(refused, Err(Error::Api(told)) if told.http_status == Some(403) && told.code == "FORBIDDEN")
    );
    let options = GetDownloadInfoOptions { file_id: None, channel: Some(Channel::Test) };
    let (_, bytes) = client.download("drafted", "9.9.9", &options).await.unwrap();
    assert_eq!(&bytes[..], b"not yet");
}

#[tokio::test]
async fn the_published_client_understands_a_refusal() {
    let system = System::in_process().await;
    let client = Client::new(&system.edges[0], "no-key-that-anybody-has-made").unwrap();
    let refused = client.list_applications(&ListApplicationsOptions::default()).await;
    assert!(
        matches!(refused, Err(Error::Api(told)) if told.http_status == Some(401) && told.code == "UNAUTHORIZED")
    );
}
