//! How much of what must be hidden is hidden: the whole path of a photo, compared with labels made by people.
//!
//! Promises: photos run one after the other through the same code as in production, so that CPU time belongs to the
//! stage that spent it; a photo that fails counts as failed, never as empty; every share comes with an interval.

mod bootstrap;
mod canvas;
mod crops;
mod curve;
mod dataset;
mod degrade;
mod evaluator;
mod picture;
mod scene;
mod score;
mod tally;

pub use self::{
    bootstrap::Interval,
    canvas::CANVAS,
    crops::{Crop, CropKind},
    curve::{Curve, CurvePoint, ThresholdPoint},
    dataset::{Dataset, LabelFormat, LabelOptions, LabelledPhoto, Truth},
    degrade::Degrade,
    evaluator::{Evaluator, Looked},
    scene::{Scene, Scenes},
    score::{BandScore, ClassScore, CpuSeconds, Failure, Measured, Score},
    tally::Tally,
};
