//! Which photo goes where. What no route is for is not processed.
//!
//! The router decides before a byte is fetched, on the event and the configuration alone: whether the key is safe, which
//! configured store it lies in, whose it is, and whether it belongs to this worker's region.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Ignored, Location, OutputName, Owner, PhotoRequest, Replaces, Routed, Service, SourcePhoto, UploadEvent, key,
    key::is_safe_name,
    own::{OwnOutputs, same_place},
    url_policy::UrlPolicy,
};
use crate::{
    config::stream::{Originals, RouteConfig, StoreConfig, StoreUrl, StreamConfig},
    error::{ErrorCode, PhotoError, Stage},
};

/// The routes of one worker.
#[derive(Debug)]
pub struct Router {
    region: String,
    forward_topics: BTreeMap<String, String>,
    stores: Vec<StoreConfig>,
    routes: Vec<Arc<RouteConfig>>,
    urls: UrlPolicy,
    own: OwnOutputs,
}

/// A refusal: code and what was found. Names of the configuration may be told, nothing of the event.
type Refusal = (ErrorCode, String);

/// A route, and the source store that it is for; none for a signed URL.
type Match<'a> = (&'a Arc<RouteConfig>, Option<&'a StoreConfig>);

impl Router {
    #[must_use]
    pub fn new(config: &StreamConfig) -> Self {
        Self {
            region: config.region.clone(),
            forward_topics: config.forward_topics.clone(),
            stores: config.stores.clone(),
            routes: config.routes.iter().cloned().map(Arc::new).collect(),
            urls: UrlPolicy::new(&config.url_hosts),
            own: OwnOutputs::new(config),
        }
    }

    /// What to do with an upload.
    #[must_use]
    pub fn route(&self, mut event: UploadEvent) -> Routed {
        if let Some(replaces) = event.replaces.take() {
            let owner = owner_of(event.tenant.as_deref(), event.project.as_deref());
            return self.decide_replacement(event, &replaces).unwrap_or_else(|(code, detail)| Routed::Refuse {
                error: PhotoError::new(Stage::Intake, code, detail),
                owner,
            });
        }
        let sources = match &event.location {
            Location::Object { key, .. } => {
                if key.ends_with('/') && event.size_bytes == Some(0) {
                    return Routed::Ignore(Ignored::FolderMarker);
                }
                let sources = self.sources(&event.location);
                if sources.iter().any(|store| self.own.contain(store, key)) {
                    return Routed::Ignore(Ignored::OwnOutput);
                }
                sources
            }
            Location::Url(_) => Vec::new(),
        };
        let mut owner = None;
        match self.decide(event, &sources, &mut owner) {
            Ok(routed) => routed,
            Err((code, detail)) => Routed::Refuse { error: PhotoError::new(Stage::Intake, code, detail), owner },
        }
    }

    /// `owner` is filled as soon as it is known.
    fn decide(
        &self,
        event: UploadEvent,
        sources: &[&StoreConfig],
        owner: &mut Option<Owner>,
    ) -> Result<Routed, Refusal> {
        check_names(&event)?;
        *owner = owner_of(event.tenant.as_deref(), event.project.as_deref());
        if let Location::Object { key, .. } = &event.location
            && let Some(danger) = key::danger(key)
        {
            return Err(refused(format!("expected a plain key, found {danger}")));
        }
        if let [first, rest @ ..] = sources
            && rest.iter().any(|other| !same_place(first, other))
        {
            return Err(refused("the event's bucket is configured at several places; it has to name the store"));
        }
        let found = self.matching_route(&event, sources)?;
        let route_regions = found.iter().flat_map(|(route, store)| {
            std::iter::once(route.region.as_str()).chain(store.iter().map(|store| store.region.as_str()))
        });
        // Without a route, what the bucket's own region is still tells whether the event can be right.
        let store_region = sources.first().map(|store| store.region.as_str());
        let said: Vec<&str> = event
            .region
            .as_deref()
            .into_iter()
            .chain(route_regions)
            .chain(store_region.filter(|_| event.region.is_some()))
            .collect();
        if let Some(elsewhere) = self.elsewhere(&said)? {
            return self.forward(elsewhere, event.forwarded);
        }
        for store in sources {
            if let (Some(expected), Some(named)) = (&store.cloud_region, &event.cloud_region)
                && expected != named
            {
                let detail = format!("store `{}` is configured in another region than the event's", store.name);
                return Err((ErrorCode::RegionMismatch, detail));
            }
        }
        let Some((route, store)) = found else {
            return Err(match &event.location {
                Location::Object { .. } if sources.is_empty() => refused("the event's bucket is no configured store"),
                _ => (ErrorCode::NoRoute, "no route is for this store, key, tenant and project".to_owned()),
            });
        };
        let named = |event: &Option<String>, route: &Option<String>| event.clone().or_else(|| route.clone());
        let (tenant, project) = (named(&event.tenant, &route.tenant), named(&event.project, &route.project));
        *owner = owner_of(tenant.as_deref(), project.as_deref());
        let Some(owner) = owner.clone() else {
            let detail = format!("route `{}` and the event name no tenant and project together", route.name);
            return Err((ErrorCode::NoRoute, detail));
        };
        let location = match event.location {
            Location::Url(url) => {
                let url = self.urls.check(&url).map_err(|error| refused(error.to_string()))?;
                Location::Url(url.into())
            }
            Location::Object { service, bucket, key } => store
                .map_or(Location::Object { service, bucket, key: key.clone() }, |store| Location::in_store(store, key)),
        };
        let source = SourcePhoto {
            store: store.map(|store| store.name.clone()),
            location,
            version: event.version,
            etag: event.etag,
            size_bytes: event.size_bytes,
        };
        Ok(Routed::Redact(PhotoRequest {
            route: Arc::clone(route),
            owner,
            uploader: event.uploader,
            device: event.device,
            source,
            replaces: None,
        }))
    }

    /// A photo whose result is to be replaced. `obscura reprocess` asks for it, and so may everybody who can write to the
    /// topic: its result must be one of the route that it names, and its original must lie where that route has originals.
    fn decide_replacement(&self, event: UploadEvent, replaces: &Replaces) -> Result<Routed, Refusal> {
        check_names(&event)?;
        let route = self.routes.iter().find(|route| route.name == replaces.route && route.region == self.region);
        let route = route.ok_or((ErrorCode::NoRoute, "expected a route of this region, found another".to_owned()))?;
        let output = OutputName::of_key(&route.prefix, &replaces.output_key);
        let is_of = |output: &OutputName| {
            let Owner { tenant, project } = output.owner();
            route.may_be_of(tenant, project)
                && event.tenant.as_ref() == Some(tenant)
                && event.project.as_ref() == Some(project)
        };
        let output = output.filter(is_of).ok_or_else(|| {
            refused(format!("expected the name of a result of route `{}` and of this owner, found another", route.name))
        })?;
        let Location::Object { bucket: name, key, .. } = event.location else {
            return Err(refused("expected an original in a store, found a URL"));
        };
        if let Some(danger) = key::danger(&key) {
            return Err(refused(format!("expected a plain key, found {danger}")));
        }
        let store = self.stores.iter().find(|store| store.name == name && store.region == self.region);
        let store = store.ok_or_else(|| refused("the original's store is no configured one of this region"))?;
        let is_source = route.matches.has_photo(&name, &key) && !self.own.contain(store, &key);
        let is_kept = matches!(&route.originals, Originals::Move { vault, prefix }
            if *vault == name && output.original_key(prefix) == key);
        if !is_source && !is_kept {
            return Err(refused(format!("the original lies where route `{}` has none", route.name)));
        }
        let source = SourcePhoto {
            store: Some(name),
            location: Location::in_store(store, key),
            version: event.version,
            etag: event.etag,
            size_bytes: event.size_bytes,
        };
        let (route, owner) = (Arc::clone(route), output.owner().clone());
        Ok(Routed::Redact(PhotoRequest { route, owner, uploader: None, device: None, source, replaces: Some(output) }))
    }

    /// The configured stores that the event can mean.
    fn sources(&self, location: &Location) -> Vec<&StoreConfig> {
        let Location::Object { service, bucket, .. } = location else { return Vec::new() };
        let means = |store: &&StoreConfig| match (service, &store.url) {
            (Service::S3, StoreUrl::S3 { bucket: own }) | (Service::Gcs, StoreUrl::Gcs { bucket: own }) => {
                own == bucket
            }
            (Service::Azure { account }, StoreUrl::Azure { account: own, container }) => {
                own == account && container == bucket
            }
            (Service::Any, url) => store.name == *bucket || bucket_of(url) == Some(bucket),
            _ => false,
        };
        self.stores.iter().filter(means).collect()
    }

    /// The first route that asks for nothing that the event is not. If that one says whose photos they are, and the
    /// event says otherwise, then no route is for it: a later one would publish it as somebody else's.
    fn matching_route<'a>(
        &'a self,
        event: &UploadEvent,
        sources: &[&'a StoreConfig],
    ) -> Result<Option<Match<'a>>, Refusal> {
        if matches!(event.location, Location::Object { .. }) && sources.is_empty() {
            return Ok(None);
        }
        for route in &self.routes {
            let asked = &route.matches;
            let store = match &asked.store {
                None => sources.first().copied(),
                Some(name) => match sources.iter().find(|store| store.name == *name) {
                    Some(store) => Some(*store),
                    None => continue,
                },
            };
            let prefix_fits = asked.prefix.as_ref().is_none_or(|prefix| match &event.location {
                Location::Object { key, .. } => key.starts_with(prefix.as_str()),
                // A URL's path is no key.
                Location::Url(_) => false,
            });
            let is = |asked: &Option<String>, said: &Option<String>| asked.is_none() || asked == said;
            if !prefix_fits || !is(&asked.tenant, &event.tenant) || !is(&asked.project, &event.project) {
                continue;
            }
            let contradicts =
                |own: &Option<String>, said: &Option<String>| own.is_some() && said.is_some() && own != said;
            if contradicts(&route.tenant, &event.tenant) || contradicts(&route.project, &event.project) {
                let detail = format!("the event names another tenant or project than route `{}`", route.name);
                return Err((ErrorCode::NoRoute, detail));
            }
            return Ok(Some((route, store)));
        }
        Ok(None)
    }

    /// The other region that everything that was `said` agrees on; none if that is this one. Where two are named nobody
    /// may have it, and sending it on could go round in a circle.
    fn elsewhere<'a>(&self, said: &[&'a str]) -> Result<Option<&'a str>, Refusal> {
        let Some((first, rest)) = said.split_first() else { return Ok(None) };
        if rest.iter().any(|other| other != first) {
            let detail = "event, route and store name different regions".to_owned();
            return Err((ErrorCode::RegionMismatch, detail));
        }
        Ok((*first != self.region).then_some(*first))
    }

    fn forward(&self, region: &str, forwarded: bool) -> Result<Routed, Refusal> {
        let topic = self.forward_topics.get(region);
        match topic {
            Some(topic) if !forwarded => Ok(Routed::Forward { region: region.to_owned(), topic: topic.clone() }),
            Some(_) => {
                Err((ErrorCode::RegionMismatch, "another region's worker sent here what belongs elsewhere".to_owned()))
            }
            None => Err((
                ErrorCode::RegionMismatch,
                format!("expected a photo of region `{}`, found another region's", self.region),
            )),
        }
    }
}

fn refused(detail: impl Into<String>) -> Refusal {
    (ErrorCode::SourceRefused, detail.into())
}

fn check_names(event: &UploadEvent) -> Result<(), Refusal> {
    let names = [("tenant", &event.tenant), ("project", &event.project)];
    for (what, name) in names {
        if name.as_ref().is_some_and(|name| !is_safe_name(name)) {
            let detail = format!(
                "expected a {what} of at most 64 letters, digits, `.`, `_` and `-`, not starting with `.`, found another"
            );
            return Err(refused(detail));
        }
    }
    Ok(())
}

fn owner_of(tenant: Option<&str>, project: Option<&str>) -> Option<Owner> {
    let safe = |name: &&str| is_safe_name(name);
    let (tenant, project) = (tenant.filter(safe)?, project.filter(safe)?);
    Some(Owner { tenant: tenant.to_owned(), project: project.to_owned() })
}

fn bucket_of(url: &StoreUrl) -> Option<&String> {
    match url {
        StoreUrl::S3 { bucket } | StoreUrl::Gcs { bucket } => Some(bucket),
        StoreUrl::Azure { container, .. } => Some(container),
        StoreUrl::File { .. } => None,
    }
}

impl Location {
    /// The same place always in the same words, whichever kind of event named it.
    #[must_use]
    pub fn in_store(store: &StoreConfig, key: String) -> Self {
        let (service, bucket) = match &store.url {
            StoreUrl::S3 { bucket } => (Service::S3, bucket),
            StoreUrl::Gcs { bucket } => (Service::Gcs, bucket),
            StoreUrl::Azure { account, container } => (Service::Azure { account: account.clone() }, container),
            StoreUrl::File { .. } => (Service::Any, &store.name),
        };
        Self::Object { service, bucket: bucket.clone(), key }
    }
}
