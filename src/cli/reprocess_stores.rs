//! `obscura reprocess` for object stores: finds results of other pipelines and their originals, and asks the workers to
//! redact them again.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    process::ExitCode,
};

use futures::{StreamExt, TryStreamExt, stream};
use obscura::{
    config::{
        Config, StreamConfig,
        stream::{Originals, RouteConfig},
    },
    error::{FatalError, PhotoError},
    event::{Location, OutputName, REPROCESS_TYPE, Revision, structured_content_type},
    kafka::Producer,
    pipeline::Engine,
    redact::sha256_hex,
    store::remote::{RegionStore, StoreLimits, StoreSet, StoredRevision},
    trust::audit::Action,
};
use serde_json::{Value, json};

use super::{
    EXIT_QUARANTINED,
    region::command_log,
    report::{print_problem, say},
};

/// Results whose facts are asked for at the same time.
const CONCURRENT: usize = 16;

/// A result that another pipeline made.
struct Older<'a> {
    route: &'a RouteConfig,
    output: OutputName,
    pipeline: String,
}

/// Where an original lies.
struct Original {
    store: String,
    revision: StoredRevision,
}

/// What a run is asked to do.
pub(super) struct Options {
    /// Only routes of this pipeline; none is all.
    pub pipeline: Option<String>,
    pub topic: Option<String>,
    pub dry_run: bool,
}

pub(super) async fn reprocess(
    config: &Config,
    stream: &StreamConfig,
    options: &Options,
) -> Result<ExitCode, FatalError> {
    let engine = Engine::start(config)?;
    let pipelines: HashMap<&str, String> = stream
        .routes
        .iter()
        .filter(|route| route.region == stream.region)
        .map(|route| (route.name.as_str(), engine.policy(config, route.redaction, route.wanted.clone()).pipeline))
        .collect();
    if let Some(asked) = &options.pipeline
        && !pipelines.values().any(|pipeline| pipeline == asked)
    {
        let known: BTreeSet<_> = pipelines.values().map(|pipeline| format!("`{pipeline}`")).collect();
        return Err(FatalError::new(
            format!(
                "expected the pipeline of a route of this configuration, {}, found `{asked}`",
                known.into_iter().collect::<Vec<_>>().join(" or ")
            ),
            "check models, thresholds and policy against those that the photos should be redacted by",
        ));
    }
    drop(engine);
    let stores = StoreSet::open(&stream.stores, &stream.region, StoreLimits::default()).await?;
    let older = older(stream, &stores, &pipelines, options.pipeline.as_deref()).await.map_err(unusable)?;
    let originals = originals(stream, &stores, &older).await.map_err(unusable)?;
    tell(&older, &originals, config.json);
    let orphans = older.iter().filter(|one| !originals.contains_key(one.output.hash())).count();
    if orphans > 0 {
        print_problem(
            &format!("{orphans} results have no original in the stores of their routes"),
            "originals that were removed, or came by signed URLs, have to be uploaded again",
        );
    }
    if !options.dry_run {
        let topic = options.topic.as_ref().or_else(|| stream.kafka.topics.first()).ok_or_else(|| {
            FatalError::new("expected a topic of uploads, found none", "name one with `--topic` or `kafka.topics`")
        })?;
        let sent = send(stream, topic, &older, &originals).await?;
        if let Some(mut log) = command_log(stream, &stores, "reprocess")? {
            let facts = json!({ "selected": older.len(), "sent": sent, "without_original": orphans });
            log.record(Action::Reprocessed, facts)?;
            log.end().await?;
        }
        if !config.json {
            say(format_args!(
                "{sent} photos put into the topic again; workers of this configuration replace their results"
            ));
        }
    }
    Ok(if orphans == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_QUARANTINED) })
}

/// Results below the prefixes of routes that none of their routes would make now.
async fn older<'a>(
    config: &'a StreamConfig,
    stores: &StoreSet,
    pipelines: &HashMap<&str, String>,
    asked: Option<&str>,
) -> Result<Vec<Older<'a>>, PhotoError> {
    let mut places: BTreeMap<(&str, &str), Vec<&RouteConfig>> = BTreeMap::new();
    for route in config.routes.iter().filter(|route| pipelines.contains_key(route.name.as_str())) {
        places.entry((&route.destination, &route.prefix)).or_default().push(route);
    }
    let mut found = Vec::new();
    for ((store, prefix), routes) in places {
        let store = stores.get(store)?;
        let results = store.list_below(prefix).await?;
        let results = results.iter().filter_map(|key| OutputName::of_key(prefix, key));
        let looking = results.map(|output| async {
            let facts = store.facts(&output.key()).await?;
            Ok::<_, PhotoError>(facts.map(|facts| (output, facts.pipeline)))
        });
        let made: Vec<_> = stream::iter(looking).buffer_unordered(CONCURRENT).try_collect().await?;
        for (output, pipeline) in made.into_iter().flatten() {
            let owner = output.owner();
            let fits = |route: &&RouteConfig| route.may_be_of(&owner.tenant, &owner.project);
            let fitting: Vec<&RouteConfig> = routes.iter().copied().filter(fits).collect();
            let pipeline_of = |route: &RouteConfig| pipelines[route.name.as_str()].as_str();
            if fitting.iter().any(|route| pipeline_of(route) == pipeline) {
                continue;
            }
            let route = fitting.into_iter().find(|route| asked.is_none_or(|asked| pipeline_of(route) == asked));
            found.extend(route.map(|route| Older { route, output, pipeline }));
        }
    }
    found.sort_by_key(|one| one.output.key());
    Ok(found)
}

/// The originals, by the hash in their results' names.
async fn originals(
    config: &StreamConfig,
    stores: &StoreSet,
    older: &[Older<'_>],
) -> Result<HashMap<String, Original>, PhotoError> {
    let mut originals = HashMap::new();
    let vaults: BTreeSet<(&str, &str)> = older
        .iter()
        .filter_map(|one| match &one.route.originals {
            Originals::Move { vault, prefix } => Some((vault.as_str(), prefix.as_str())),
            Originals::Keep | Originals::Delete => None,
        })
        .collect();
    for (vault, prefix) in vaults {
        let kept: HashSet<String> = stores.get(vault)?.list_below(prefix).await?.into_iter().collect();
        for one in older {
            let key = one.output.original_key(prefix);
            let is_its = matches!(&one.route.originals, Originals::Move { vault: own, .. } if own == vault);
            if is_its && kept.contains(&key) {
                let revision = StoredRevision { key, etag: None, version: None };
                originals.insert(one.output.hash().to_owned(), Original { store: vault.to_owned(), revision });
            }
        }
    }
    let wanted: HashMap<&str, &RouteConfig> = older
        .iter()
        .filter(|one| !originals.contains_key(one.output.hash()))
        .map(|one| (one.output.hash(), one.route))
        .collect();
    let is_source = |name: &str| wanted.values().any(|route| route.matches.has_store(name));
    for store in config.stores.iter().filter(|store| store.region == config.region && is_source(&store.name)) {
        let opened: &RegionStore = stores.get(&store.name)?;
        opened
            .each_revision(|revision| {
                let location = Location::in_store(store, revision.key.clone());
                let Some(named) = Revision::of(revision.version.as_deref(), revision.etag.as_deref()) else { return };
                let hash = OutputName::hash_of(&location, &named);
                let its_route = wanted.get(hash.as_str());
                let fits = its_route.is_some_and(|route| route.matches.has_photo(&store.name, &revision.key));
                if fits {
                    originals.insert(hash, Original { store: store.name.clone(), revision });
                }
            })
            .await?;
    }
    Ok(originals)
}

/// Ask for every photo that has an original. Returns how many were asked for.
async fn send(
    config: &StreamConfig,
    topic: &str,
    older: &[Older<'_>],
    originals: &HashMap<String, Original>,
) -> Result<usize, FatalError> {
    let producer = Producer::start(&config.kafka)?;
    producer.check_topic(topic).await?;
    let headers = [structured_content_type()];
    let mut sent = 0;
    for one in older {
        let Some(original) = originals.get(one.output.hash()) else { continue };
        let (key, event) = (one.output.key(), event(&config.region, one, original).to_string());
        let sending = producer.send(topic, Some(key.as_bytes()), &headers, event.as_bytes());
        sending.await.map_err(|error| {
            FatalError::new(
                format!("the broker did not take a message: {}; {sent} were put into the topic", error.detail),
                "check the topic and the rights on it, then run the same again: what is current by then is left out",
            )
        })?;
        sent += 1;
    }
    Ok(sent)
}

fn event(region: &str, older: &Older<'_>, original: &Original) -> Value {
    let (key, owner) = (older.output.key(), older.output.owner());
    let StoredRevision { key: source, etag, version } = &original.revision;
    let mut data = json!({
        "tenant": owner.tenant, "project": owner.project, "route": older.route.name, "output_key": key,
        "store": original.store, "key": source,
    });
    // One of both, so that neither has to agree with what the other is told as.
    match (version, etag) {
        (Some(version), _) => data["version"] = json!(version),
        (None, Some(etag)) => data["etag"] = json!(etag),
        (None, None) => {}
    }
    json!({
        "specversion": "1.0",
        "id": &sha256_hex(format!("{key}\n{}", older.pipeline).as_bytes())[..32],
        "source": format!("/obscura/{region}"),
        "type": REPROCESS_TYPE,
        "datacontenttype": "application/json",
        "data": data,
    })
}

fn tell(older: &[Older<'_>], originals: &HashMap<String, Original>, json: bool) {
    for Older { output, pipeline, route } in older {
        let has_original = originals.contains_key(output.hash());
        if json {
            let (store, path) = (&route.destination, output.key());
            say(json!({"store": store, "path": path, "pipeline": pipeline, "has_original": has_original}));
        } else {
            let note = if has_original { "" } else { ", no original" };
            say(format_args!("{}: pipeline {pipeline}{note}", output.key()));
        }
    }
    if !json {
        say(format_args!("{} results of other pipelines than their routes'", older.len()));
    }
}

fn unusable(error: PhotoError) -> FatalError {
    FatalError::new(
        error.detail,
        if error.hint.is_empty() { "check the store and the rights on it".into() } else { error.hint },
    )
}
