//! Models of the user's own, and where in a photo something counts.

use std::path::PathBuf;

use super::{
    Field,
    check::Checker,
    raw::{RawConfig, RawUserModel},
    stream::TableReader,
};
use crate::detect::{Areas, ChannelOrder, Class, Family, InputSpec, ModelSpec, Polygon};

/// A model that the config names, beside those that are shipped.
#[derive(Clone, Debug, PartialEq)]
pub struct UserModel {
    /// Its `file` is relative to the working folder.
    pub spec: ModelSpec,
    /// Whether the shipped models of its classes are left out.
    pub replaces: bool,
}

/// Stands for a class of the model that is not looked for.
const NOT_LOOKED_FOR: &str = "-";

pub(super) fn resolve_user_models(tables: &[toml::Table], check: &mut Checker) -> Vec<UserModel> {
    let mut models: Vec<UserModel> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let (raw, mut reader) = TableReader::open::<RawUserModel>("user_models", index, table, check);
        let model = resolve_user_model(&raw, &mut reader);
        if models.iter().any(|other| other.spec.name == model.spec.name) {
            reader.problem("name", &format!("found `{}` twice", model.spec.name), "every model has a name of its own");
        }
        models.push(model);
    }
    models
}

fn resolve_user_model(raw: &RawUserModel, reader: &mut TableReader) -> UserModel {
    let name = reader.required("name", &raw.name, "name it for metrics and receipts");
    let file = reader.optional("file", &raw.file).unwrap_or_default();
    if file == PathBuf::new() && !matches!(raw.file, Field::Wrong { .. }) {
        reader.problem("file", "expected a value, found none", "name the ONNX file");
    }
    let sha256 = reader.value("sha256", &raw.sha256).to_lowercase();
    if sha256.len() != 64 || !sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("expected 64 hexadecimal digits, found `{sha256}`");
        reader.problem("sha256", &message, "`sha256sum FILE` prints them: no other file will be loaded");
    }
    let family = reader.optional("family", &raw.family);
    if family.is_none() && matches!(raw.family, Field::Missing) {
        let hint = "one of yolov8, yolox, scrfd, yunet, centerface, retinaface, dbnet";
        reader.problem("family", "expected a value, found none", hint);
    }
    let family = family.unwrap_or(Family::Yolov8);
    let labels = labels(raw, family, reader);
    let class = labels.iter().copied().flatten().next().unwrap_or(Class::Face);
    let usual = Usual::of(family);
    let tile_px = reader.ranged("tile_px", &raw.tile_px, 640, 64, 4096);
    let overlap_px = reader.ranged("overlap_px", &raw.overlap_px, tile_px / 8, 0, tile_px / 2);
    let min_object_px = reader.ranged("min_object_px", &raw.min_object_px, usual.min_object_px, 4.0, 1000.0);
    let input = InputSpec {
        channels: reader.optional("channels", &raw.channels).unwrap_or(usual.input.channels),
        pad_multiple: reader.ranged("pad_multiple", &raw.pad_multiple, usual.input.pad_multiple, 1, 256),
        pad_value: reader.optional("pad_value", &raw.pad_value).unwrap_or(usual.input.pad_value),
        mean: reader.optional("mean", &raw.mean).unwrap_or(usual.input.mean),
        scale: reader.optional("scale", &raw.scale).unwrap_or(usual.input.scale),
        name: String::new(),
    };
    let spec = ModelSpec {
        name,
        class,
        labels,
        optional: false,
        known_object: reader.optional("known_object", &raw.known_object).unwrap_or(true),
        family,
        file,
        sha256,
        licence: String::new(),
        source: String::new(),
        training_data: String::new(),
        min_score: reader.optional_score("min_score", &raw.min_score).unwrap_or(usual.min_score),
        min_object_px,
        tile_px,
        overlap_px,
        focus: None,
        input,
        measured: String::new(),
    };
    UserModel { spec, replaces: reader.value("replaces", &raw.replaces) }
}

/// What the model's class numbers stand for.
fn labels(raw: &RawUserModel, family: Family, reader: &mut TableReader) -> Vec<Option<Class>> {
    const HINT: &str = "one of face, plate, text for each class of the model in order, `-` for one not to look for";
    let names = reader.value("classes", &raw.classes);
    let mut labels = Vec::new();
    for name in &names {
        let class = Class::ALL.into_iter().find(|class| class.to_string() == *name);
        if class.is_none() && name != NOT_LOOKED_FOR {
            reader.problem("classes", &format!("expected classes, found `{name}`"), HINT);
        }
        labels.push(class);
    }
    if labels.iter().all(Option::is_none) && !matches!(raw.classes, Field::Wrong { .. }) {
        reader.problem("classes", "expected at least one to look for, found none", HINT);
    }
    if !family.has_classes() && labels.len() > 1 {
        let message = format!("expected one, found {}: this family knows no more", labels.len());
        reader.problem("classes", &message, "name the one that it finds");
    }
    labels
}

/// What models of a family are usually fed with, and from which score their answers count.
struct Usual {
    input: InputSpec,
    min_score: f32,
    min_object_px: f32,
}

impl Usual {
    fn of(family: Family) -> Self {
        let bytes = |channels, pad_value| InputSpec::bytes(channels, 32, pad_value);
        let (input, min_score, min_object_px) = match family {
            Family::Yolov8 => (InputSpec { scale: [1.0 / 255.0; 3], ..bytes(ChannelOrder::Rgb, 114) }, 0.25, 16.0),
            Family::Yolox => (bytes(ChannelOrder::Bgr, 114), 0.3, 16.0),
            Family::Scrfd => {
                let input = InputSpec { mean: [127.5; 3], scale: [1.0 / 128.0; 3], ..bytes(ChannelOrder::Rgb, 0) };
                (input, 0.4, 16.0)
            }
            Family::Yunet => (bytes(ChannelOrder::Bgr, 0), 0.5, 16.0),
            Family::Centerface => (bytes(ChannelOrder::Rgb, 0), 0.3, 20.0),
            Family::Retinaface => (InputSpec { mean: [104.0, 117.0, 123.0], ..bytes(ChannelOrder::Bgr, 0) }, 0.5, 16.0),
            Family::Dbnet => {
                // Means and deviations of ImageNet, in this order for blue, green and red: so PaddleOCR trains.
                let scale = [0.229, 0.224, 0.225].map(|deviation: f32| 1.0 / (255.0 * deviation));
                let mean = [0.485, 0.456, 0.406].map(|mean: f32| 255.0 * mean);
                (InputSpec { mean, scale, ..bytes(ChannelOrder::Bgr, 0) }, 0.5, 10.0)
            }
        };
        Self { input, min_score, min_object_px }
    }
}

/// The second look at a sample of the photos.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadowConfig {
    /// Share of the photos, more than 0.
    pub sample: f64,
    /// Name in the manifest or in `user_models`.
    pub model: String,
    /// Whether what was missed is obscured too.
    pub redact_again: bool,
}

impl ShadowConfig {
    /// None if no photo is looked at twice.
    pub(super) fn resolve(raw: &RawConfig, defaults: &RawConfig, check: &mut Checker) -> Option<Self> {
        let (raw, defaults) = (raw.shadow.clone(), defaults.shadow.clone());
        let sample = check.ranged("shadow.sample", raw.sample, defaults.sample, 0.0, 1.0);
        let model = check.optional("shadow.model", raw.model);
        let redact_again = check.value("shadow.redact_again", raw.redact_again, defaults.redact_again);
        if sample == 0.0 {
            return None;
        }
        if model.is_none() {
            let hint = "name one of the manifest or of `user_models` with `shadow.model`";
            check.problem("`shadow.sample`: found a sample, but no model for the second look", hint);
        }
        Some(Self { sample, model: model.unwrap_or_default(), redact_again })
    }
}

/// What is looked for, unless a route says otherwise.
pub(super) fn looked_for(models: &[UserModel], shadow: Option<&ShadowConfig>) -> Vec<Class> {
    let is_first = |model: &&UserModel| shadow.is_none_or(|shadow| shadow.model != model.spec.name);
    let by_user = |class: &Class| models.iter().filter(is_first).any(|model| model.spec.classes().contains(class));
    Class::ALL.into_iter().filter(|class| Class::REQUIRED.contains(class) || by_user(class)).collect()
}

/// The polygons of one key.
pub(super) fn polygons(key: &str, field: Field<Vec<Polygon>>, check: &mut Checker) -> Vec<Polygon> {
    let polygons = check.optional(key, field).unwrap_or_default();
    if let Err(why) = Areas::check(&polygons) {
        let hint = "a list of polygons, each a list of corners `[x, y]` as shares of the photo's width and height";
        check.problem(format!("`{key}`: {why}"), hint);
    }
    polygons
}

pub(super) fn areas(raw: &RawConfig, check: &mut Checker) -> Areas {
    Areas {
        ignore: polygons("detect.ignore_areas", raw.detect.ignore_areas.clone(), check),
        allow: polygons("detect.allow_areas", raw.detect.allow_areas.clone(), check),
    }
}

/// Polygons as they are written in a config file.
pub(super) fn polygons_as_toml(polygons: &[Polygon]) -> String {
    let corner = |[x, y]: &[f32; 2]| format!("[{x}, {y}]");
    let polygon = |polygon: &Polygon| format!("[{}]", polygon.iter().map(corner).collect::<Vec<_>>().join(", "));
    format!("[{}]", polygons.iter().map(polygon).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, parse};
    use super::*;

    const MODEL: &str = "[[user_models]]\nname = \"mine\"\nfile = \"m.onnx\"\nfamily = \"yolov8\"\n\
                         classes = [\"-\", \"plate\", \"text\"]\nsha256 = \
                         \"0000000000000000000000000000000000000000000000000000000000000000\"\n";

    fn problems(text: &str) -> Vec<String> {
        let problems = Config::resolve(parse(text).unwrap()).unwrap_err();
        problems.into_iter().map(|problem| problem.message).collect()
    }

    #[test]
    fn a_model_gets_what_is_usual_for_its_family_and_its_classes_are_looked_for() {
        let config = Config::resolve(parse(MODEL).unwrap()).unwrap();
        let spec = &config.user_models[0].spec;
        assert_eq!(spec.labels, [None, Some(Class::Plate), Some(Class::Text)]);
        assert_eq!((spec.tile_px, spec.overlap_px, spec.known_object), (640, 80, true));
        assert!((spec.input.scale[0] * 255.0 - 1.0).abs() < 1e-6);
        assert_eq!(config.wanted.classes, Class::ALL);
        let again = Config::resolve(parse(&config.to_toml()).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn a_model_of_the_second_look_is_not_one_of_the_first() {
        let shadow = "[shadow]\nsample = 0.01\nmodel = \"mine\"\n";
        let config = Config::resolve(parse(&(MODEL.to_owned() + shadow)).unwrap()).unwrap();
        assert_eq!(config.shadow.as_ref().map(|shadow| shadow.model.as_str()), Some("mine"));
        assert_eq!(config.wanted.classes, Class::REQUIRED);
        assert_eq!(Config::resolve(parse(&config.to_toml()).unwrap()).unwrap(), config);
        assert!(problems("[shadow]\nsample = 0.5\n")[0].contains("no model"));
        assert!(problems("[shadow]\nsample = 1.5\nmodel = \"x\"\n")[0].contains("expected 0 to 1"));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(problems("[[user_models]]\n").len(), 5);
        let twice = MODEL.replace("\"plate\"", "\"cars\"") + MODEL;
        let found = problems(&twice);
        assert!(found[0].contains("`user_models[0].classes`") && found[0].contains("cars"), "{found:?}");
        assert!(found[1].contains("`user_models[1].name`: found `mine` twice"), "{found:?}");
        let one_class = MODEL.replace("yolov8", "yunet");
        assert!(problems(&one_class)[0].contains("expected one, found 3"));
    }

    #[test]
    fn areas_are_read_and_checked() {
        let text = "[detect]\nignore_areas = [[[0, 0], [1, 0], [1, 0.25]]]\nallow_areas = []\n";
        let config = Config::resolve(parse(text).unwrap()).unwrap();
        assert_eq!(config.wanted.areas.ignore, [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.25]]]);
        assert_eq!(Config::resolve(parse(&config.to_toml()).unwrap()).unwrap(), config);
        let found = problems("[detect]\nallow_areas = [[[0, 0], [2, 0], [1, 0.25]]]\n");
        assert!(found[0].contains("`detect.allow_areas`: expected shares"), "{found:?}");
    }
}
