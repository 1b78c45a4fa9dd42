//! Which photo goes where. Without a matching route nothing is processed.

use super::{StoreConfig, table::TableReader};
use crate::{
    config::{Field, check::Checker, raw::RawRoute},
    detect::{Areas, Wanted},
    event::is_safe_name,
    redact::{ClassPolicy, RedactionPolicy},
};

#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// For messages about the configuration.
    pub name: String,
    pub matches: RouteMatch,
    /// The region that the photos belong to.
    pub region: String,
    /// Whose photos they are, where the event does not say; an event that matches and says otherwise goes to no route.
    pub tenant: Option<String>,
    pub project: Option<String>,
    /// Name of the store that they are published in.
    pub destination: String,
    /// Put before the output's name, without slashes at its ends; may be empty.
    pub prefix: String,
    pub originals: Originals,
    pub retention: Retention,
    pub redaction: RedactionPolicy,
    pub wanted: Wanted,
}

/// What a route asks of an event: all that is set has to agree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// Name of the source store; none is any configured one, and signed URLs.
    pub store: Option<String>,
    /// Start of the key.
    pub prefix: Option<String>,
    pub tenant: Option<String>,
    pub project: Option<String>,
}

impl RouteMatch {
    /// Whether photos of this store may be for the route.
    #[must_use]
    pub fn has_store(&self, name: &str) -> bool {
        agrees(self.store.as_ref(), name)
    }

    /// Whether a photo of this store and key may be for the route.
    #[must_use]
    pub fn has_photo(&self, store: &str, key: &str) -> bool {
        self.has_store(store) && self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
    }
}

impl RouteConfig {
    /// Whether a result of the route may be of this tenant and project.
    #[must_use]
    pub fn may_be_of(&self, tenant: &str, project: &str) -> bool {
        agrees(self.tenant.as_ref(), tenant)
            && agrees(self.matches.tenant.as_ref(), tenant)
            && agrees(self.project.as_ref(), project)
            && agrees(self.matches.project.as_ref(), project)
    }
}

fn agrees(asked: Option<&String>, found: &str) -> bool {
    asked.is_none_or(|asked| asked == found)
}

/// For how many days what belongs to a route is kept; none is for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    pub outputs_d: Option<u32>,
    /// In the vault.
    pub originals_d: Option<u32>,
    pub dead_letters_d: Option<u32>,
}

/// What happens to the original once its redacted photo is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originals {
    Keep,
    Delete,
    /// Into a store of the same region, then deleted.
    Move {
        vault: String,
        prefix: String,
    },
}

/// What happens to originals, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginalsKind {
    #[default]
    Keep,
    Delete,
    Move,
}

pub(super) fn resolve_routes(
    tables: &[toml::Table],
    stores: &[StoreConfig],
    base: &RedactionPolicy,
    base_wanted: &Wanted,
    check: &mut Checker,
) -> Vec<RouteConfig> {
    let mut routes: Vec<RouteConfig> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let (raw, mut reader) = TableReader::open::<RawRoute>("routes", index, table, check);
        let route = resolve_route(index, &raw, stores, (base, base_wanted), &mut reader);
        if routes.iter().any(|other| other.name == route.name) {
            reader.problem("name", &format!("found `{}` twice", route.name), "every route has a name of its own");
        }
        routes.push(route);
    }
    routes
}

fn resolve_route(
    index: usize,
    raw: &RawRoute,
    stores: &[StoreConfig],
    (base, base_wanted): (&RedactionPolicy, &Wanted),
    reader: &mut TableReader,
) -> RouteConfig {
    let known = |name: &str| stores.iter().find(|store| store.name == name);
    let name = reader.optional("name", &raw.name).unwrap_or_else(|| format!("routes[{index}]"));
    let store = reader.optional("store", &raw.store);
    if let Some(store) = store.as_deref().filter(|&store| known(store).is_none()) {
        reader.problem("store", &format!("expected the name of a store, found `{store}`"), "add it to `stores`");
    }
    let source = store.as_deref().and_then(known);
    let destination = reader.required("destination", &raw.destination, "the name of the store to publish in");
    let target = known(&destination);
    if target.is_none() && !destination.is_empty() {
        let message = format!("expected the name of a store, found `{destination}`");
        reader.problem("destination", &message, "add it to `stores`");
    }
    let region = reader.optional("region", &raw.region);
    let region = region.or_else(|| source.or(target).map(|store| store.region.clone())).unwrap_or_default();
    for (key, store) in [("store", source), ("destination", target)] {
        if let Some(store) = store.filter(|store| store.region != region) {
            let message = format!("expected a store of the region `{region}`, found one of `{}`", store.region);
            reader.problem(key, &message, "photos never leave their region");
        }
    }
    let prefix = reader.value("prefix", &raw.prefix).trim_matches('/').to_owned();
    let vault = reader.optional("vault", &raw.vault);
    let vault_prefix = reader.value("vault_prefix", &raw.vault_prefix).trim_matches('/').to_owned();
    for (key, prefix) in [("prefix", &prefix), ("vault_prefix", &vault_prefix)] {
        if prefix.split('/').any(|part| part == "." || part == "..") || prefix.contains('\\') {
            reader.problem(key, "expected plain names between slashes", "leave out `.`, `..` and backslashes");
        }
    }
    let originals = match reader.value("originals", &raw.originals) {
        OriginalsKind::Keep => Originals::Keep,
        OriginalsKind::Delete => Originals::Delete,
        OriginalsKind::Move => {
            let vault = vault.clone().unwrap_or_default();
            if known(&vault).is_none_or(|store| store.region != region) {
                let message = format!("expected the name of a store of the region `{region}`, found `{vault}`");
                reader.problem("vault", &message, "originals are moved there");
            }
            Originals::Move { vault, prefix: vault_prefix }
        }
    };
    if vault.is_some() && !matches!(originals, Originals::Move { .. }) {
        reader.problem("vault", "found one, but originals are not moved", "set `originals = \"move\"`");
    }
    let retention = Retention {
        outputs_d: days(reader, "keep_outputs_d", &raw.keep_outputs_d),
        originals_d: days(reader, "keep_originals_d", &raw.keep_originals_d),
        dead_letters_d: days(reader, "keep_dead_letters_d", &raw.keep_dead_letters_d),
    };
    let tenant = owner_name(reader, "tenant", raw.tenant.clone());
    let project = owner_name(reader, "project", raw.project.clone());
    RouteConfig {
        name,
        matches: RouteMatch {
            store,
            prefix: reader.optional("match_prefix", &raw.match_prefix),
            tenant: reader.optional("match_tenant", &raw.match_tenant),
            project: reader.optional("match_project", &raw.match_project),
        },
        region,
        tenant,
        project,
        destination,
        prefix,
        originals,
        retention,
        redaction: redaction(raw, base, reader),
        wanted: wanted(raw, base_wanted, reader),
    }
}

fn days(reader: &mut TableReader, key: &str, field: &Field<u32>) -> Option<u32> {
    let days = reader.optional(key, field)?;
    if days == 0 {
        reader.problem(key, "expected at least one day, found 0", "leave the key out to keep for ever");
    }
    Some(days)
}

/// Names that become parts of keys.
fn owner_name(reader: &mut TableReader, key: &str, field: crate::config::Field<String>) -> Option<String> {
    let name = reader.optional(key, &field)?;
    if !is_safe_name(&name) {
        let hint =
            "use at most 64 letters, digits, `.`, `_` and `-`, not beginning with `.`, and none of Obscura's own";
        reader.problem(key, "expected a name that may be part of a key", hint);
    }
    Some(name)
}

fn redaction(raw: &RawRoute, base: &RedactionPolicy, reader: &mut TableReader) -> RedactionPolicy {
    let face_enlarge = reader.ranged("face_enlarge", &raw.face_enlarge, base.face.enlarge_x, 0.0, 4.0);
    RedactionPolicy {
        face: ClassPolicy {
            style: reader.optional("face_style", &raw.face_style).unwrap_or(base.face.style),
            cells: reader.ranged("face_cells", &raw.face_cells, base.face.cells, 1, 8),
            enlarge_x: face_enlarge,
            enlarge_y: reader.optional("face_enlarge", &raw.face_enlarge).unwrap_or(base.face.enlarge_y),
        },
        plate: ClassPolicy {
            style: reader.optional("plate_style", &raw.plate_style).unwrap_or(base.plate.style),
            cells: reader.ranged("plate_cells", &raw.plate_cells, base.plate.cells, 1, 8),
            enlarge_x: reader.ranged("plate_enlarge_x", &raw.plate_enlarge_x, base.plate.enlarge_x, 0.0, 4.0),
            enlarge_y: reader.ranged("plate_enlarge_y", &raw.plate_enlarge_y, base.plate.enlarge_y, 0.0, 4.0),
        },
        text: base.text,
    }
}

fn wanted(raw: &RawRoute, base: &Wanted, reader: &mut TableReader) -> Wanted {
    let classes = reader.optional("classes", &raw.classes).unwrap_or_else(|| base.classes.clone());
    if let Some(class) = classes.iter().find(|class| !base.classes.contains(class)) {
        let hint = "name a model that finds it in `user_models`";
        reader.problem("classes", &format!("no model finds the class `{class}`"), hint);
    }
    if classes.is_empty() {
        reader.problem("classes", "expected at least one, found none", "use [\"face\", \"plate\"]");
    }
    Wanted {
        classes,
        face_min_score: reader.optional_score("face_min_score", &raw.face_min_score),
        plate_min_score: reader.optional_score("plate_min_score", &raw.plate_min_score),
        text_min_score: reader.optional_score("text_min_score", &raw.text_min_score),
        areas: Areas {
            ignore: reader.polygons("ignore_areas", &raw.ignore_areas).unwrap_or_else(|| base.areas.ignore.clone()),
            allow: reader.polygons("allow_areas", &raw.allow_areas).unwrap_or_else(|| base.areas.allow.clone()),
        },
    }
}
