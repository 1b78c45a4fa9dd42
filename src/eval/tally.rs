//! Counting photo by photo; what must be known of all photos at the end, and no pixels.

use std::collections::BTreeMap;

use super::{
    bootstrap,
    crops::{Crop, CropKind, Crops},
    curve::{Curve, ThresholdPoint, matched},
    dataset::Truth,
    evaluator::{CURVE_MIN_SCORE, Looked},
    scene::Scene,
    score::{BandScore, ClassScore, CpuSeconds, Failure, Measured, Score},
};
use crate::{
    detect::{Class, Detection},
    error::PhotoError,
    geometry::{BoxF, covered_share, union_area},
    pipeline::Policy,
};

/// From this share of its area on, a true box counts as covered.
const COVERED: f64 = 0.9;
/// Objects below this size, in pixels, are doubtful: people see little there either.
const SMALLEST_PX: f32 = 8.0;
/// Names, lower and upper ends of the bands of sizes.
const BANDS: [(&str, f32, f32); 6] = [
    ("8-16", 8.0, 16.0),
    ("16-32", 16.0, 32.0),
    ("32-64", 32.0, 64.0),
    ("64+", 64.0, f32::INFINITY),
    ("16+", 16.0, f32::INFINITY),
    ("all", SMALLEST_PX, f32::INFINITY),
];
/// Thresholds that are compared, in steps of 0.05 from [`CURVE_MIN_SCORE`].
const THRESHOLDS: u16 = 17;

/// One photo's counts of one class.
#[derive(Default)]
struct ClassCounts {
    /// Size, whether covered, and whether found at an IoU of .5.
    truths: Vec<(f32, bool, bool)>,
    /// Sizes.
    false_boxes: Vec<f32>,
    scored: Vec<(f32, bool)>,
    /// Covered true boxes and false boxes by threshold.
    by_threshold: Vec<(usize, usize)>,
    redacted_area: f64,
    true_area: f64,
}

struct PhotoCounts {
    area: f64,
    redacted_area: f64,
    /// Of the true boxes enlarged by policy; 0 without boxes.
    true_area: f64,
    cpu_s: BTreeMap<&'static str, f64>,
    views: u32,
    megapixels_viewed: f64,
    classes: Vec<ClassCounts>,
}

/// Everything counted so far.
pub struct Tally {
    classes: Vec<Class>,
    policy: Policy,
    photos: Vec<PhotoCounts>,
    shown: usize,
    failed: Vec<Failure>,
    crops: Crops,
}

/// What decides the band of an object: the height of a face or a line of text, the width of a plate.
fn size_px(class: Class, area: BoxF) -> f32 {
    match class {
        Class::Face | Class::Text => area.height(),
        Class::Plate => area.width(),
    }
}

fn threshold(index: u16) -> f32 {
    CURVE_MIN_SCORE + f32::from(index) * 0.05
}

impl Tally {
    /// `wants_crops` keeps pictures of the worst misses.
    #[must_use]
    pub fn new(classes: &[Class], policy: &Policy, wants_crops: bool) -> Self {
        Self {
            classes: classes.to_vec(),
            policy: policy.clone(),
            photos: Vec::new(),
            shown: 0,
            failed: Vec::new(),
            crops: Crops::new(wants_crops),
        }
    }

    pub fn add_failed(&mut self, name: &str, error: &PhotoError) {
        self.failed.push(Failure { name: name.to_owned(), code: error.code, detail: error.detail.clone() });
    }

    pub fn add(&mut self, scene: &Scene, looked: &Looked) {
        let size = looked.size;
        let whole = BoxF::from(size.rect());
        let redacted: Vec<BoxF> = looked.receipt.redacted.iter().map(|region| region.rect.into()).collect();
        let mut cpu_s: BTreeMap<&'static str, f64> = BTreeMap::new();
        for (stage, spent) in &looked.cpu {
            *cpu_s.entry(stage.as_str()).or_default() += spent.as_secs_f64();
        }
        let truths: Vec<Truth> = scene
            .truths
            .iter()
            .map(|&truth| {
                let is_tiny = size_px(truth.class, truth.area) < SMALLEST_PX;
                Truth { is_doubtful: truth.is_doubtful || is_tiny, ..truth }
            })
            .collect();
        let enlarged: Vec<BoxF> = truths.iter().map(|truth| self.enlarged(truth.class, truth.area)).collect();
        let classes = self.classes.clone();
        let classes = classes.iter().map(|&class| self.count_class(class, scene, looked, &truths, &redacted)).collect();
        self.shown += scene.photos;
        self.photos.push(PhotoCounts {
            area: size.pixels() as f64,
            redacted_area: union_area(&redacted, whole),
            true_area: union_area(&enlarged, whole),
            cpu_s,
            views: looked.receipt.views.count,
            megapixels_viewed: looked.receipt.views.megapixels,
            classes,
        });
    }

    fn enlarged(&self, class: Class, area: BoxF) -> BoxF {
        let margin = self.policy.redaction.of(class);
        area.enlarged(margin.enlarge_x, margin.enlarge_y)
    }

    fn count_class(
        &mut self,
        class: Class,
        scene: &Scene,
        looked: &Looked,
        truths: &[Truth],
        redacted: &[BoxF],
    ) -> ClassCounts {
        let whole = BoxF::from(looked.size.rect());
        let truths: Vec<Truth> = truths.iter().copied().filter(|truth| truth.class == class).collect();
        let detections: Vec<Detection> =
            looked.detections.iter().copied().filter(|found| found.class == class).collect();
        let (found, _) = matched(&detections, &truths);
        let mut counts = ClassCounts::default();
        for (truth, &is_found) in truths.iter().zip(&found).filter(|(truth, _)| !truth.is_doubtful) {
            let share = covered_share(truth.area, redacted);
            counts.truths.push((size_px(class, truth.area), share >= COVERED, is_found));
            if share < COVERED {
                let badness = size_px(class, truth.area) * (1.0 - share) as f32;
                self.crops.offer(scene, CropKind::Miss, class, truth.area, share as f32, badness);
            }
        }
        for wrong in detections.iter().filter(|found| touches_none(found, &truths)) {
            counts.false_boxes.push(size_px(class, wrong.area));
            self.crops.offer(scene, CropKind::False, class, wrong.area, wrong.score, wrong.score);
        }
        let from_lowest = looked.found_from(&self.policy, class, CURVE_MIN_SCORE);
        let (_, right) = matched(&from_lowest, &truths);
        let counted = from_lowest.iter().zip(right).filter_map(|(found, right)| Some((found.score, right?)));
        counts.scored = counted.collect();
        for index in 0..THRESHOLDS {
            let found = looked.found_from(&self.policy, class, threshold(index));
            let covers: Vec<BoxF> = found.iter().map(|found| self.enlarged(class, found.area)).collect();
            let is_covered = |truth: &&Truth| !truth.is_doubtful && covered_share(truth.area, &covers) >= COVERED;
            let wrong = found.iter().filter(|found| touches_none(found, &truths)).count();
            counts.by_threshold.push((truths.iter().filter(is_covered).count(), wrong));
        }
        let regions = looked.regions.iter().filter(|(of, _)| *of == class).flat_map(|(_, rects)| rects);
        let regions: Vec<BoxF> = regions.map(|&rect| rect.into()).collect();
        let enlarged: Vec<BoxF> = truths.iter().map(|truth| self.enlarged(class, truth.area)).collect();
        counts.redacted_area = union_area(&regions, whole);
        counts.true_area = union_area(&enlarged, whole);
        counts
    }

    /// Sum up. The crops are in order, the worst first.
    #[must_use]
    pub fn finish(self) -> (Score, Vec<Crop>) {
        let photos = &self.photos;
        let per_photo = |value: &dyn Fn(&PhotoCounts) -> f64| {
            Measured::of_ratio(&photos.iter().map(|photo| (value(photo), 1.0)).collect::<Vec<_>>())
        };
        let stages: std::collections::BTreeSet<&'static str> =
            photos.iter().flat_map(|photo| photo.cpu_s.keys().copied()).collect();
        let cpu = CpuSeconds {
            by_stage: stages
                .into_iter()
                .filter_map(|stage| {
                    let of_stage = per_photo(&|photo| photo.cpu_s.get(stage).copied().unwrap_or_default())?;
                    Some((stage.to_owned(), of_stage))
                })
                .collect(),
            total: per_photo(&|photo| photo.cpu_s.values().sum()),
        };
        let with_boxes: Vec<(f64, f64)> = photos
            .iter()
            .filter(|photo| photo.true_area > 0.0)
            .map(|photo| (photo.redacted_area, photo.true_area))
            .collect();
        let classes = self
            .classes
            .iter()
            .enumerate()
            .map(|(index, &class)| {
                let counts: Vec<&ClassCounts> = photos.iter().map(|photo| &photo.classes[index]).collect();
                class_score(class, &counts, photos)
            })
            .collect();
        let score = Score {
            scenes: photos.len() + self.failed.len(),
            photos: self.shown,
            failed: self.failed,
            pipeline: self.policy.pipeline,
            classes,
            redacted_share: Measured::of_ratio(
                &photos.iter().map(|photo| (photo.redacted_area, photo.area)).collect::<Vec<_>>(),
            ),
            area_ratio: Measured::of_ratio(&with_boxes),
            views_per_photo: mean(photos.iter().map(|photo| f64::from(photo.views))),
            megapixels_viewed_per_photo: mean(photos.iter().map(|photo| photo.megapixels_viewed)),
            cpu_s_per_photo: cpu,
        };
        (score, self.crops.into_sorted())
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

fn touches_none(found: &Detection, truths: &[Truth]) -> bool {
    !truths.iter().any(|truth| truth.area.intersection_area(found.area) > 0.0)
}

fn class_score(class: Class, counts: &[&ClassCounts], photos: &[PhotoCounts]) -> ClassScore {
    let boxes: usize = counts.iter().map(|counts| counts.truths.len()).sum();
    let bands = BANDS
        .into_iter()
        .map(|(name, low, high)| {
            let is_in = |size: f32| size >= low && size < high;
            let share = |hit: &dyn Fn(&(f32, bool, bool)) -> bool| {
                let by_photo: Vec<(usize, usize)> = counts
                    .iter()
                    .map(|counts| {
                        let in_band: Vec<_> = counts.truths.iter().filter(|truth| is_in(truth.0)).collect();
                        (in_band.iter().filter(|truth| hit(truth)).count(), in_band.len())
                    })
                    .collect();
                Measured::of_share(&by_photo)
            };
            let wrong: Vec<(f64, f64)> = counts
                .iter()
                .map(|counts| (counts.false_boxes.iter().filter(|&&size| is_in(size)).count() as f64, 1.0))
                .collect();
            BandScore {
                band: name,
                boxes: counts.iter().flat_map(|counts| &counts.truths).filter(|truth| is_in(truth.0)).count(),
                coverage: share(&|truth| truth.1),
                recall: share(&|truth| truth.2),
                false_boxes_per_photo: Measured::of_ratio(&wrong),
            }
        })
        .collect();
    let all_false: Vec<(f64, f64)> = counts.iter().map(|counts| (counts.false_boxes.len() as f64, 1.0)).collect();
    let redacted: Vec<(f64, f64)> =
        counts.iter().zip(photos).map(|(counts, photo)| (counts.redacted_area, photo.area)).collect();
    let with_boxes: Vec<(f64, f64)> = counts
        .iter()
        .filter(|counts| counts.true_area > 0.0)
        .map(|counts| (counts.redacted_area, counts.true_area))
        .collect();
    let thresholds = (0..THRESHOLDS)
        .map(|index| {
            let sum = |part: &dyn Fn(&(usize, usize)) -> usize| {
                counts.iter().map(|counts| part(&counts.by_threshold[usize::from(index)])).sum::<usize>() as f64
            };
            ThresholdPoint {
                min_score: threshold(index),
                coverage: sum(&|point| point.0) / (boxes.max(1)) as f64,
                false_boxes_per_photo: sum(&|point| point.1) / (counts.len().max(1)) as f64,
            }
        })
        .collect();
    ClassScore {
        class,
        size: match class {
            Class::Face | Class::Text => "height",
            Class::Plate => "width",
        },
        bands,
        false_boxes_per_photo: Measured::of_ratio(&all_false),
        redacted_share: Measured::of_ratio(&redacted),
        area_ratio: Measured::of_ratio(&with_boxes),
        curve: Curve::of(counts.iter().flat_map(|counts| counts.scored.iter().copied()).collect(), boxes),
        thresholds,
    }
}

impl Measured {
    /// A sum over photos divided by another; none without any weight.
    pub(super) fn of_ratio(photos: &[(f64, f64)]) -> Option<Self> {
        let (value, weight) = photos.iter().fold((0.0, 0.0), |(value, weight), &(v, w)| (value + v, weight + w));
        Some(Self { value: value / weight, interval: bootstrap::of_ratio(photos)? })
    }

    fn of_share(photos: &[(usize, usize)]) -> Option<Self> {
        let (hits, boxes) = photos.iter().fold((0, 0), |(hits, boxes), &(h, b)| (hits + h, boxes + b));
        Some(Self { value: hits as f64 / boxes as f64, interval: bootstrap::of_share(photos)? })
    }
}
