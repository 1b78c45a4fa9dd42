//! Keys of a KMS that the store itself encrypts with: asked for, and believed only when the store tells so.

use obscura::{
    config::stream::{Credentials, Encryption, Secret, StoreConfig, StoreUrl},
    error::FatalError,
    store::{StoreLimits, StoreSet},
};

use crate::support::servers::{moto::Moto, wait};

fn check(moto: &Moto, bucket: &str, encryption: Encryption) -> Result<(), FatalError> {
    let config = StoreConfig {
        name: "photos".into(),
        url: StoreUrl::S3 { bucket: bucket.into() },
        region: "eu".into(),
        cloud_region: None,
        endpoint: Some(moto.endpoint()),
        credentials: Credentials::Keys {
            access_key_id: Secret::Value("any".into()),
            secret_access_key: Secret::Value("any".into()),
            session_token: None,
        },
        ca_file: None,
        allow_insecure: false,
        virtual_hosted: false,
        encryption,
    };
    wait(async {
        let set = StoreSet::open(&[config], "eu", StoreLimits::default()).await?;
        set.get("photos").unwrap().check_destination().await
    })
}

#[test]
fn a_store_that_does_not_encrypt_with_the_customers_key_is_refused() {
    let moto = Moto::start();
    moto.create_bucket("photos", "eu-central-1");
    let key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab".to_owned();
    check(&moto, "photos", Encryption::SseKms { key: key.clone() }).unwrap();
    let unset = check(&moto, "photos", Encryption::DefaultKey { key: key.clone() }).unwrap_err();
    assert!(unset.message.contains("tells of no key") && !unset.hint.is_empty(), "{unset:?}");
    let body = format!(
        r#"<ServerSideEncryptionConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>{key}</KMSMasterKeyID></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"#
    );
    let (status, text) = moto.request("PUT", "/photos?encryption", &body);
    assert_eq!(status, 200, "{text}");
    check(&moto, "photos", Encryption::DefaultKey { key: key.clone() }).unwrap();
    let another = key.replace("1234abcd", "5678abcd");
    let other = check(&moto, "photos", Encryption::DefaultKey { key: another }).unwrap_err();
    assert!(other.message.contains("another key") && !other.message.contains("arn:"), "{other:?}");
}
