//! The config file as it is written: every key optional, nothing checked but its type.
//!
//! A mistake in one key must not hide the next, so each value is read on its own ([`Field`]) and unknown keys are
//! collected instead of refused.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{
    Delivery,
    stream::{Assignment, CredentialsKind, EncryptionKind, Mechanism, OriginalsKind, Security},
};
use crate::{
    confine::Confine,
    detect::{ChannelOrder, Class, ExecutionProvider, Family, Polygon},
    redact::Style,
    telemetry::{LogFormat, LogLevel},
};

/// A key's value, or why it cannot be one.
#[derive(Clone, Debug, Default)]
pub enum Field<T> {
    #[default]
    Missing,
    Value(T),
    Wrong {
        found: String,
        why: String,
    },
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let found = value.to_string();
        Ok(match T::deserialize(value) {
            Ok(value) => Self::Value(value),
            Err(error) => Self::Wrong { found, why: error.to_string().trim().to_owned() },
        })
    }
}

impl<T> Field<T> {
    /// A later source's value goes before this one.
    pub fn set(&mut self, value: Option<T>) {
        if let Some(value) = value {
            *self = Self::Value(value);
        }
    }
}

/// A table of the file.
pub(super) trait Table: DeserializeOwned + Default {
    /// Keys that are not known here, and those that would be.
    fn unknown_keys(&self) -> (Vec<String>, &'static [&'static str]);
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $help:literal])* $key:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(pub $key: Field<$kind>,)*
            #[serde(flatten)]
            pub unknown: BTreeMap<String, toml::Value>,
        }

        impl Table for $name {
            fn unknown_keys(&self) -> (Vec<String>, &'static [&'static str]) {
                (self.unknown.keys().cloned().collect(), Self::KEYS)
            }
        }

        impl $name {
            pub const KEYS: &'static [&'static str] = &[$(stringify!($key)),*];
            /// Key, type and what it means, where that is told here.
            pub const HELP: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($key), stringify!($kind), concat!("", $($help),*))),*];
        }
    };
}

section!(RawOutput { dir: PathBuf, receipts: bool, json: bool });
section!(RawReceipts { deliver: Delivery, key_file: PathBuf });
section!(RawLimits { max_encoded_mib: u64, max_megapixels: u64, max_side_px: u32 });
section!(RawBudget { decoded_mib: u64, encoded_mib: u64, threads: usize });
section!(RawModels { dir: PathBuf, onnxruntime_library: PathBuf, face: String, plate: String });
section!(RawDetect {
    min_face_px: f32,
    min_plate_px: f32,
    face_min_score: f32,
    plate_min_score: f32,
    exhaustive: bool,
    max_view_megapixels: u64,
    min_text_px: f32,
    text_min_score: f32,
    ignore_areas: Vec<Polygon>,
    allow_areas: Vec<Polygon>,
    execution_providers: Vec<ExecutionProvider>,
    max_batch: usize,
    max_queue_delay_ms: u64,
    health_check_s: u64,
});
section!(RawRedact {
    face_style: Style,
    face_cells: u32,
    face_enlarge: f32,
    plate_style: Style,
    plate_cells: u32,
    plate_enlarge_x: f32,
    plate_enlarge_y: f32,
    text_style: Style,
    text_cells: u32,
    text_enlarge: f32,
});
section!(RawShadow { sample: f64, model: String, redact_again: bool });
section!(RawQuarantine { dir: PathBuf, keep_original: bool });
section!(RawSource { dir: PathBuf, stable_ms: u64, rescan_s: u64, window: usize });
section!(RawState { dir: PathBuf });
section!(RawTimeouts {
    fetch_s: u64,
    open_s: u64,
    detect_s: u64,
    redact_s: u64,
    publish_s: u64,
    drain_s: u64,
    stall_s: u64,
});
section!(RawRetry { attempts: usize, first_pause_ms: u64, longest_pause_ms: u64, patience_s: u64 });
section!(RawRegion { name: String, store: String, forward: BTreeMap<String, String> });
section!(RawKafka {
    brokers: String,
    topics: Vec<String>,
    group: String,
    assignment: Assignment,
    instance_id: String,
    outcome_topic: String,
    dead_letter_topic: String,
    session_timeout_s: u64,
    max_poll_interval_s: u64,
    fetch_mib: u64,
    max_message_kib: u64,
    security: Security,
    ca_file: PathBuf,
    cert_file: PathBuf,
    key_file: PathBuf,
    key_password_file: PathBuf,
    sasl_mechanism: Mechanism,
    username: String,
    password_file: PathBuf,
    token_file: PathBuf,
});
section!(RawWipe { recheck_s: u64 });
section!(RawEncryption { key_dir: PathBuf });
section!(RawPseudonyms { key_dir: PathBuf });
section!(RawAudit { key_file: PathBuf, store: String, topic: String, interval_s: u64 });
section!(RawUrlSources { hosts: Vec<String> });
section!(
    /// One of `stores`.
    RawStore {
        /// by which routes name it; required
        name: String,
        /// `s3://bucket`, `az://account/container`, `gs://bucket` or `file:///folder`; required
        url: String,
        /// the region that its photos belong to, in your words; required
        region: String,
        /// what the store itself calls its region, such as `eu-central-1`; checked at the start where the store can tell
        cloud_region: String,
        /// base URL of an S3-compatible store, an emulator or a private endpoint; the cloud's own if not set
        endpoint: String,
        /// certificate authority of the endpoint, PEM
        ca_file: PathBuf,
        /// plain HTTP to other than loopback
        allow_insecure: bool,
        /// `store` (as the store likes, the default), `envelope` (by Obscura), `sse_kms` (S3, with `kms_key`), `default_key` (the bucket's or container's own, which must be `kms_key`)
        encryption: EncryptionKind,
        /// S3 and GCS: the key of the KMS; Azure: the encryption scope
        kms_key: String,
        /// bucket in the host name instead of in the path of the endpoint
        virtual_hosted: bool,
        /// `environment` (the default), `keys`, `web_identity`, `assume_role`; Azure: `account_key`, `sas`, `azure_federated`, `bearer`; GCS: `service_account`, `bearer`; folders: `none`
        credentials: CredentialsKind,
        /// for `assume_role`: who asks for the role: `environment`, `keys` or `web_identity`
        base_credentials: CredentialsKind,
        /// for `keys`: the variable that holds it
        access_key_id_env: String,
        /// or the file; files are read again when they change
        access_key_id_file: PathBuf,
        /// for `keys`
        secret_access_key_env: String,
        /// for `keys`
        secret_access_key_file: PathBuf,
        /// for `keys`, if there is one
        session_token_env: String,
        /// for `keys`, if there is one
        session_token_file: PathBuf,
        /// for `web_identity` and `assume_role`
        role_arn: String,
        /// for `assume_role`: what the role's owner chose
        external_id_env: String,
        /// for `assume_role`: what the role's owner chose
        external_id_file: PathBuf,
        /// token service; that of the cloud region if not set
        sts_endpoint: String,
        /// for `account_key`
        account_key_env: String,
        /// for `account_key`
        account_key_file: PathBuf,
        /// for `sas`
        sas_token_env: String,
        /// for `sas`
        sas_token_file: PathBuf,
        /// for `bearer`
        bearer_token_env: String,
        /// for `bearer`
        bearer_token_file: PathBuf,
        /// for `web_identity` and `azure_federated`: the token that the platform keeps fresh
        token_file: PathBuf,
        /// for `azure_federated`
        tenant_id: String,
        /// for `azure_federated`
        client_id: String,
        /// for `azure_federated`: the login host
        authority: String,
        /// for `service_account`: its JSON
        service_account_file: PathBuf,
    }
);
section!(
    /// One of `routes`.
    RawRoute {
        /// for messages and metrics about it; `routes[n]` if not set
        name: String,
        /// name of the source store; any, and signed URLs, if not set
        store: String,
        /// start of the key
        match_prefix: String,
        /// tenant that the event names
        match_tenant: String,
        /// project that the event names
        match_project: String,
        /// the region of its photos; that of its stores if not set
        region: String,
        /// whose photos they are, where the event does not say
        tenant: String,
        /// the same for the project
        project: String,
        /// name of the store to publish in; required
        destination: String,
        /// put before the output's name
        prefix: String,
        /// after publishing: `keep` (the default), `delete`, `move`
        originals: OriginalsKind,
        /// for `move`: name of a store of the same region
        vault: String,
        /// put before the original's name there
        vault_prefix: String,
        /// days for which redacted photos and their receipts are kept, by `obscura retain`; for ever if not set
        keep_outputs_d: u32,
        /// the same for originals in the vault
        keep_originals_d: u32,
        /// the same for dead letters
        keep_dead_letters_d: u32,
        /// what is obscured: `["face", "plate"]` if not set
        classes: Vec<Class>,
        /// as `redact.face_style`, which is the default; so with the others
        face_style: Style,
        face_cells: u32,
        face_enlarge: f32,
        /// lowest score that counts, as `detect.face_min_score`
        face_min_score: f32,
        plate_style: Style,
        plate_cells: u32,
        plate_enlarge_x: f32,
        plate_enlarge_y: f32,
        plate_min_score: f32,
        text_min_score: f32,
        /// what lies wholly within one of these polygons is left alone: lists of corners `[x, y]`, as shares of the photo
        ignore_areas: Vec<Polygon>,
        /// what touches none of these is left alone
        allow_areas: Vec<Polygon>,
    }
);
section!(
    /// One of `user_models`.
    RawUserModel {
        /// for metrics and receipts; required
        name: String,
        /// the ONNX file; required
        file: PathBuf,
        /// its hash; required
        sha256: String,
        /// how its output is read: `yolov8`, `yolox`, `scrfd`, `yunet`, `centerface`, `retinaface`, `dbnet`; required
        family: Family,
        /// what its classes stand for, in order: `face`, `plate`, `text`, or `-` for one not to look for; required
        classes: Vec<String>,
        /// leave out the shipped models of these classes; otherwise both look, and what either finds is obscured
        replaces: bool,
        /// lowest score that counts; by family if not set
        min_score: f32,
        /// the smallest object that it finds, in pixels of its input
        min_object_px: f32,
        /// longest side of its input in pixels; 640 if not set
        tile_px: u32,
        /// overlap of neighbouring tiles; an eighth of `tile_px` if not set
        overlap_px: u32,
        /// whether it has to find a drawn face or plate before it is trusted; true if not set
        known_object: bool,
        /// `rgb` or `bgr`; by family, like all that follow
        channels: ChannelOrder,
        /// subtracted from each channel, of 0 to 255
        mean: [f32; 3],
        /// each channel is multiplied by this then
        scale: [f32; 3],
        /// what fills the input, 0 to 255
        pad_value: u8,
        /// sides of the input are multiples of this
        pad_multiple: u32,
    }
);
section!(RawAdmin {
    listen: String,
    probe_listen: String,
    certificate_file: PathBuf,
    key_file: PathBuf,
    client_ca_file: PathBuf,
});
section!(RawProcess { confine: Confine });
section!(RawLog { level: LogLevel, format: LogFormat });

macro_rules! sections {
    ($($name:ident: $kind:ident),* $(,)?) => {
        /// The whole file.
        #[derive(Clone, Debug, Default, Deserialize)]
        #[serde(default)]
        pub struct RawConfig {
            $(pub $name: $kind,)*
            /// Tables of stores and routes, each read on its own.
            pub stores: Field<Vec<toml::Table>>,
            pub routes: Field<Vec<toml::Table>>,
            /// Tables of the user's own models.
            pub user_models: Field<Vec<toml::Table>>,
            #[serde(flatten)]
            pub unknown: BTreeMap<String, toml::Value>,
        }

        impl RawConfig {
            pub const SECTIONS: &'static [&'static str] = &[$(stringify!($name),)* "stores", "routes", "user_models"];

            /// Section and type of every key.
            pub(super) fn types() -> Vec<(&'static str, &'static [(&'static str, &'static str, &'static str)])> {
                vec![$((stringify!($name), $kind::HELP)),*]
            }

            /// Unknown keys as (full name, names that would be known there).
            #[must_use]
            pub fn unknown_keys(&self) -> Vec<(String, &'static [&'static str])> {
                let mut found: Vec<_> = self.unknown.keys().map(|key| (key.clone(), Self::SECTIONS)).collect();
                $(
                    let (keys, known) = self.$name.unknown_keys();
                    found.extend(keys.into_iter().map(|key| (format!("{}.{key}", stringify!($name)), known)));
                )*
                found
            }
        }
    };
}

sections! {
    output: RawOutput,
    receipts: RawReceipts,
    limits: RawLimits,
    budget: RawBudget,
    models: RawModels,
    detect: RawDetect,
    redact: RawRedact,
    shadow: RawShadow,
    quarantine: RawQuarantine,
    source: RawSource,
    state: RawState,
    timeouts: RawTimeouts,
    retry: RawRetry,
    region: RawRegion,
    kafka: RawKafka,
    url_sources: RawUrlSources,
    wipe: RawWipe,
    encryption: RawEncryption,
    pseudonyms: RawPseudonyms,
    audit: RawAudit,
    admin: RawAdmin,
    log: RawLog,
    process: RawProcess,
}
