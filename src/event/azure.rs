//! Azure Event Grid's events of storage accounts, in its own schema and in CloudEvents.

use super::{
    Ignored, Location, Notice, Service, UnknownEvent, UploadEvent,
    json::{self, Fields, missing, object, required, text},
    key::percent_decoded,
    limits::{MAX_KEY_BYTES, MAX_NAME_BYTES, MAX_TEXT_BYTES, MAX_URL_BYTES},
};

/// Event Grid schema.
pub(super) fn event_grid(fields: &Fields) -> Result<Notice, UnknownEvent> {
    match required(fields, "eventType", MAX_NAME_BYTES)? {
        "Microsoft.EventGrid.SubscriptionValidationEvent" => Ok(Notice::Ignored(Ignored::TestEvent)),
        "Microsoft.EventGrid.SubscriptionDeletedEvent" => Ok(Notice::Ignored(Ignored::OtherKind)),
        kind if kind.starts_with("Microsoft.Storage.") => {
            let topic = text(fields, "topic", MAX_TEXT_BYTES)?;
            let subject = required(fields, "subject", MAX_TEXT_BYTES)?;
            storage(kind, topic, subject, || object(fields, "data").cloned())
        }
        _ => Err(UnknownEvent::new("an `eventType` that is not known")),
    }
}

/// An event of a storage account; `resource` is the account's path, and the subject tells container and blob.
pub(super) fn storage(
    kind: &str,
    resource: Option<&str>,
    subject: &str,
    data: impl FnOnce() -> Result<Fields, UnknownEvent>,
) -> Result<Notice, UnknownEvent> {
    match kind {
        "Microsoft.Storage.BlobCreated" => created(resource, subject, &data()?),
        "Microsoft.Storage.BlobDeleted" | "Microsoft.Storage.DirectoryDeleted" => {
            Ok(Notice::Ignored(Ignored::Deletion))
        }
        _ => Ok(Notice::Ignored(Ignored::OtherKind)),
    }
}

fn created(resource: Option<&str>, subject: &str, data: &Fields) -> Result<Notice, UnknownEvent> {
    // Of a file that is only begun; another event follows once it is complete.
    if matches!(text(data, "api", MAX_NAME_BYTES)?, Some("CreateFile" | "SftpCreate")) {
        return Ok(Notice::Ignored(Ignored::OtherKind));
    }
    let url = BlobUrl::read(required(data, "url", MAX_URL_BYTES)?)
        .ok_or_else(|| UnknownEvent::new("a `url` that is no blob's"))?;
    let (container, key) = subject
        .strip_prefix("/blobServices/default/containers/")
        .and_then(|rest| rest.split_once("/blobs/"))
        .ok_or_else(|| UnknownEvent::new("a `subject` that is no blob's"))?;
    // URL and subject have to name the same blob; which of them is encoded has not always been the same.
    if container != url.container || (key != url.path && Some(key) != percent_decoded(url.path).as_deref()) {
        return Err(UnknownEvent::new("a `url` and a `subject` of two blobs"));
    }
    let account = account_of(resource, url.host)?;
    let key = json::bounded(key, "key", MAX_KEY_BYTES)?.ok_or_else(|| missing("key"))?.to_owned();
    Ok(Notice::Upload(UploadEvent {
        etag: json::etag(data, "eTag")?,
        size_bytes: json::number(data, "contentLength")?,
        ..UploadEvent::at(Location::Object { service: Service::Azure { account }, bucket: container.to_owned(), key })
    }))
}

/// By hand, since a URL library would resolve `..` and encode anew; nothing is ever fetched from it.
struct BlobUrl<'a> {
    host: &'a str,
    container: &'a str,
    /// Maybe encoded.
    path: &'a str,
}

impl<'a> BlobUrl<'a> {
    fn read(url: &'a str) -> Option<Self> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        if rest.contains(['?', '#', '\\']) {
            return None;
        }
        let (host, path) = rest.split_once('/')?;
        let (container, path) = path.split_once('/')?;
        let filled = !host.is_empty() && !host.contains('@') && !container.is_empty() && !path.is_empty();
        filled.then_some(Self { host, container, path })
    }

    /// `account.blob.core.windows.net`, `.dfs.`, and other clouds; `account.z01.blob.storage.azure.net`.
    fn account(host: &str) -> Option<&str> {
        let (account, rest) = host.split_once('.')?;
        let mut labels = rest.split('.');
        let first = labels.next()?;
        let service = if first.starts_with('z') { labels.next()? } else { first };
        matches!(service, "blob" | "dfs").then_some(account)
    }
}

/// From the account's path, the host, or both if they agree.
fn account_of(resource: Option<&str>, host: &str) -> Result<String, UnknownEvent> {
    let mut parts =
        resource.unwrap_or_default().split('/').skip_while(|part| !part.eq_ignore_ascii_case("storageAccounts"));
    let account = match (parts.nth(1), BlobUrl::account(host)) {
        (Some(named), Some(account)) if !named.eq_ignore_ascii_case(account) => {
            return Err(UnknownEvent::new("a `url` of another storage account than the event's"));
        }
        (Some(account), _) | (None, Some(account)) => account.to_ascii_lowercase(),
        (None, None) => return Err(UnknownEvent::new("no storage account")),
    };
    let plain = account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if !plain || !(3..=24).contains(&account.len()) {
        return Err(UnknownEvent::new("a storage account with an impossible name"));
    }
    Ok(account)
}
