//! Small objects in the region's store that say what must not be published, or must not be removed: tombstones of wiped
//! tenants and projects, and legal holds.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use serde_json::json;

use crate::{
    error::{ErrorCode, PhotoError, PhotoResult, Stage},
    event::Owner,
    store::remote::RegionStore,
};

/// A mark on a tenant, or on one of its projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Wiped,
    Held,
}

impl Mark {
    fn folder(self) -> &'static str {
        match self {
            Self::Wiped => "_obscura/wiped",
            Self::Held => "_obscura/holds",
        }
    }

    /// Where the mark of a tenant, or of a project, lies.
    #[must_use]
    pub fn key(self, tenant: &str, project: Option<&str>) -> String {
        match project {
            Some(project) => format!("{}/{tenant}/{project}/mark.json", self.folder()),
            None => format!("{}/{tenant}/mark.json", self.folder()),
        }
    }

    /// # Errors
    /// `store_failed`.
    pub async fn set(self, store: &RegionStore, tenant: &str, project: Option<&str>) -> PhotoResult<()> {
        let json = json!({ "kind": "obscura.mark", "schema": 1, "since": chrono::Utc::now().to_rfc3339() });
        store.put(&self.key(tenant, project), Bytes::from(json.to_string())).await
    }

    /// # Errors
    /// `store_failed`.
    pub async fn lift(self, store: &RegionStore, tenant: &str, project: Option<&str>) -> PhotoResult<()> {
        store.delete(&self.key(tenant, project)).await
    }

    /// Whether the project, or its tenant as a whole, is marked.
    ///
    /// # Errors
    /// `store_failed`.
    pub async fn is_on(self, store: &RegionStore, tenant: &str, project: Option<&str>) -> PhotoResult<bool> {
        if store.get_small(&self.key(tenant, None)).await?.is_some() {
            return Ok(true);
        }
        match project {
            Some(project) => Ok(store.get_small(&self.key(tenant, Some(project))).await?.is_some()),
            None => Ok(false),
        }
    }
}

/// Keys of the tombstones that concern a project.
#[must_use]
pub fn tombstone_keys(owner: &Owner) -> [String; 2] {
    [Mark::Wiped.key(&owner.tenant, None), Mark::Wiped.key(&owner.tenant, Some(&owner.project))]
}

/// Key of the legal hold of a project.
#[must_use]
pub fn hold_key(owner: &Owner) -> String {
    Mark::Held.key(&owner.tenant, Some(&owner.project))
}

/// Which projects were wiped, as a worker knows it: no answer is older than `recheck`.
pub struct Tombstones {
    recheck: Duration,
    known: Mutex<HashMap<Owner, (Instant, bool)>>,
}

impl Tombstones {
    #[must_use]
    pub fn new(recheck: Duration) -> Self {
        Self { recheck, known: Mutex::new(HashMap::new()) }
    }

    /// # Errors
    /// `project_wiped`; `store_failed` if it cannot be known, which may pass.
    pub async fn check(&self, store: &RegionStore, owner: &Owner) -> PhotoResult<()> {
        let fresh = |(asked, is_wiped): &(Instant, bool)| (asked.elapsed() < self.recheck).then_some(*is_wiped);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(owner).and_then(fresh);
        let is_wiped = if let Some(is_wiped) = known {
            is_wiped
        } else {
            // As old as the question, not as the answer.
            let asked = Instant::now();
            let is_wiped = Mark::Wiped.is_on(store, &owner.tenant, Some(&owner.project)).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|_, (asked, _)| asked.elapsed() < self.recheck);
            known.insert(owner.clone(), (asked, is_wiped));
            is_wiped
        };
        if !is_wiped {
            return Ok(());
        }
        Err(PhotoError::new(
            Stage::Intake,
            ErrorCode::ProjectWiped,
            "expected a project that exists, found one that was wiped",
        ))
    }
}
