//! `obscura eval`: how much of what must be hidden is hidden.

mod page;
mod table;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;
use obscura::{
    detect::Class,
    error::FatalError,
    eval::{CANVAS, Dataset, Degrade, Evaluator, LabelFormat, LabelOptions, Scenes, Score, Tally},
};
use serde_json::json;

use super::{EXIT_QUARANTINED, Stop, config_args::ConfigArgs, folders::folder_of, report::say, runtime};

const EXAMPLES: &str = "\
Examples:
  obscura eval --dataset faces --html faces.html
  obscura eval --dataset plates --class plate --degrade night --json | jq .classes[0].bands
  obscura eval --dataset plates --canvas 12mp --per-canvas 4
  obscura eval --dataset landscapes --label-format none --class plate --max-false 0.1

Photos go one after the other through the whole path, up to verification; nothing is written but the reports. Boxes and
sizes are in upright pixels. A true box is covered if at least 90 % of its area lies under the redacted area, false is a
detection that touches no true box, the area ratio compares the redacted area with the true boxes enlarged by policy.
Intervals are of 95 %, from drawing the photos anew (bootstrap). CPU seconds are those of all threads.

The HTML report shows what was missed as it is: keep it where the photos themselves may be.

Exit codes: 0 measured, 1 a photo failed or a bound was not met, 2 usage or configuration.";

/// Measure coverage on labelled photos: COCO, WIDER, Pascal VOC or YOLO
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct EvalArgs {
    /// Folder with photos and their labels
    #[arg(long, env = "OBSCURA_DATASET", value_name = "DIR")]
    dataset: PathBuf,

    /// How labels are written
    #[arg(long, env = "OBSCURA_LABEL_FORMAT", value_name = "FORMAT", default_value = "auto")]
    label_format: LabelFormat,

    /// File or folder of the labels, if not at its usual place
    #[arg(long, env = "OBSCURA_LABELS", value_name = "PATH")]
    labels: Option<PathBuf>,

    /// Names of the classes of YOLO labels in the order of their numbers, if no classes.txt tells them
    #[arg(long, env = "OBSCURA_CLASS_NAMES", value_name = "NAMES", value_delimiter = ',')]
    class_names: Vec<String>,

    /// Look for these classes only; otherwise for all, of which those are counted that the labels are of
    #[arg(long = "class", env = "OBSCURA_CLASS", value_name = "CLASS", value_delimiter = ',')]
    classes: Vec<Class>,

    /// Lay the photos at their own size on canvases of 12 megapixels
    #[arg(long, env = "OBSCURA_CANVAS", value_name = "SIZE")]
    canvas: Option<CanvasSize>,

    /// Photos on each canvas, fewer if they find no room
    #[arg(long, env = "OBSCURA_PER_CANVAS", value_name = "N", default_value = "4")]
    per_canvas: usize,

    /// Make the photos worse first, in these ways one after the other
    #[arg(long, env = "OBSCURA_DEGRADE", value_name = "WAY", value_delimiter = ',')]
    degrade: Vec<Degrade>,

    /// Take only so many photos, spread over the set
    #[arg(long, env = "OBSCURA_LIMIT", value_name = "N")]
    limit: Option<usize>,

    /// Write a report with curves and the worst misses as crops
    #[arg(long, env = "OBSCURA_HTML", value_name = "FILE")]
    html: Option<PathBuf>,

    /// Fail below this coverage of any class, of boxes of at least 16 pixels
    #[arg(long, env = "OBSCURA_MIN_COVERAGE", value_name = "SHARE")]
    min_coverage: Option<f64>,

    /// Fail above so many false boxes a photo of any class
    #[arg(long, env = "OBSCURA_MAX_FALSE", value_name = "N")]
    max_false: Option<f64>,

    /// Fail above this ratio of the redacted area to the true boxes enlarged by policy
    #[arg(long, env = "OBSCURA_MAX_AREA", value_name = "RATIO")]
    max_area: Option<f64>,

    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CanvasSize {
    #[value(name = "12mp")]
    TwelveMegapixels,
}

/// What was measured, and on what.
struct Measurement {
    set: String,
    degrade: Vec<Degrade>,
    canvas: bool,
    seconds: f64,
    score: Score,
}

pub fn run(args: EvalArgs) -> Result<ExitCode, Stop> {
    let config = args.config.resolve()?;
    if let Some(html) = &args.html
        && !folder_of(html).is_dir()
    {
        return Err(Stop::Fatal(FatalError::new(
            format!("the folder of the report `{}` is not there", html.display()),
            "create it, or choose another with `--html`",
        )));
    }
    let is_restricted = !args.classes.is_empty();
    let options = LabelOptions {
        format: args.label_format,
        labels: args.labels,
        class_names: args.class_names,
        only: args.classes,
    };
    let mut set = Dataset::load(&args.dataset, &options)?;
    if let Some(limit) = args.limit {
        set.keep(limit);
    }
    let started = Instant::now();
    let looked_for = if is_restricted { set.classes.clone() } else { config.wanted.classes.clone() };
    let evaluator = Evaluator::start(&config, &looked_for)?;
    let mut tally = Tally::new(&set.classes, evaluator.policy(), args.html.is_some());
    let canvas = args.canvas.map(|CanvasSize::TwelveMegapixels| (CANVAS, args.per_canvas));
    runtime()?.block_on(async {
        for (name, scene) in Scenes::new(&set, &args.degrade, canvas) {
            let looked = match &scene {
                Ok(scene) => evaluator.look(scene).await,
                Err(error) => Err(error.clone()),
            };
            match (&scene, &looked) {
                (Ok(scene), Ok(looked)) => tally.add(scene, looked),
                (_, Err(error)) | (Err(error), _) => tally.add_failed(&name, error),
            }
        }
    });
    let (score, crops) = tally.finish();
    let measurement = Measurement {
        set: set.name,
        degrade: args.degrade,
        canvas: canvas.is_some(),
        seconds: started.elapsed().as_secs_f64(),
        score,
    };
    if let Some(path) = &args.html {
        page::save(path, &measurement, &crops).map_err(|error| {
            FatalError::new(
                format!("the report `{}` cannot be written: {error}", path.display()),
                "check the folder and free space",
            )
        })?;
    }
    if config.json {
        say(as_json(&measurement));
    } else {
        table::print(&measurement);
    }
    let bounds = Bounds { min_coverage: args.min_coverage, max_false: args.max_false, max_area: args.max_area };
    let broken = bounds.broken(&measurement.score);
    for problem in &broken {
        eprintln!("bound not met: {problem}");
    }
    let is_good = broken.is_empty() && measurement.score.failed.is_empty();
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(EXIT_QUARANTINED) })
}

fn as_json(measurement: &Measurement) -> serde_json::Value {
    let mut value = json!({
        "set": measurement.set,
        "canvas": measurement.canvas.then_some("12mp"),
        "degrade": measurement.degrade,
        "version": env!("CARGO_PKG_VERSION"),
        "seconds": measurement.seconds,
    });
    let score = serde_json::to_value(&measurement.score).unwrap_or_default();
    if let (Some(value), serde_json::Value::Object(score)) = (value.as_object_mut(), score) {
        value.extend(score);
    }
    value
}

/// What has to be met.
struct Bounds {
    min_coverage: Option<f64>,
    max_false: Option<f64>,
    max_area: Option<f64>,
}

/// The band whose coverage is bounded.
const BOUNDED_BAND: &str = "16+";

impl Bounds {
    fn broken(&self, score: &Score) -> Vec<String> {
        let mut broken = Vec::new();
        for of_class in &score.classes {
            let class = of_class.class;
            let band = of_class.bands.iter().find(|band| band.band == BOUNDED_BAND);
            let coverage = band.and_then(|band| band.coverage).map_or(0.0, |coverage| coverage.value);
            if let Some(bound) = self.min_coverage.filter(|&bound| coverage < bound) {
                broken.push(format!("{class}: expected a coverage of at least {bound}, found {coverage:.3}"));
            }
            let wrong = of_class.false_boxes_per_photo.map_or(f64::INFINITY, |wrong| wrong.value);
            if let Some(bound) = self.max_false.filter(|&bound| wrong > bound) {
                broken.push(format!("{class}: expected at most {bound} false boxes a photo, found {wrong:.2}"));
            }
        }
        let ratio = score.area_ratio.map_or(0.0, |ratio| ratio.value);
        if let Some(bound) = self.max_area.filter(|&bound| ratio > bound) {
            broken.push(format!("expected an area of at most {bound} times the true boxes, found {ratio:.2}"));
        }
        broken
    }
}
