//! How models of each family are fed and read. Each decoder is a pure function from output tensors to boxes in input
//! pixels; it promises an error, never an empty answer, for tensors of another shape.

mod dbnet;
mod retinaface;
mod scrfd;
mod yolov8;
mod yolox;

use serde::{Deserialize, Serialize};

use super::{ModelSpec, centerface, yunet};
use crate::geometry::{BoxF, Size};

/// How a model's output is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    Centerface,
    Yunet,
    Yolov8,
    Yolox,
    Scrfd,
    Retinaface,
    Dbnet,
}

/// One output for one view of the batch.
pub(super) struct OutputTensor<'a> {
    /// With a batch size of 1.
    pub shape: &'a [usize],
    pub data: &'a [f32],
}

/// A box in input pixels, and the number that the model gives to its class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub label: usize,
    pub area: BoxF,
    pub score: f32,
}

impl Family {
    /// The outputs that are asked for, in this order; none: all of them, as the model lists them.
    pub(super) fn output_names(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Centerface => Some(&centerface::OUTPUTS),
            Self::Yunet => Some(&yunet::OUTPUTS),
            Self::Yolov8 | Self::Yolox | Self::Scrfd | Self::Retinaface | Self::Dbnet => None,
        }
    }

    /// Whether the first side of every output is the batch. Where it is not, views go one by one.
    pub(super) fn has_batches(self) -> bool {
        self != Self::Scrfd
    }

    /// Whether a model of this family tells several classes apart.
    #[must_use]
    pub fn has_classes(self) -> bool {
        matches!(self, Self::Yolov8 | Self::Yolox)
    }

    /// # Errors
    /// What about the output was not an answer.
    pub(super) fn decode(
        self,
        outputs: &[OutputTensor<'_>],
        spec: &ModelSpec,
        input: Size,
        min_score: f32,
    ) -> Result<Vec<Found>, String> {
        let classes = spec.labels.len().max(1);
        match self {
            Self::Centerface => centerface::decode(outputs, min_score),
            Self::Yunet => yunet::decode(outputs, input.width, min_score),
            Self::Yolov8 => yolov8::decode(outputs, classes, min_score),
            Self::Yolox => yolox::decode(outputs, classes, input, min_score),
            Self::Scrfd => scrfd::decode(outputs, input, min_score),
            Self::Retinaface => retinaface::decode(outputs, input, min_score),
            Self::Dbnet => dbnet::decode(outputs, input, min_score),
        }
    }
}

/// A box by its centre and size.
fn centred(x: f32, y: f32, width: f32, height: f32) -> BoxF {
    BoxF { x0: x - width / 2.0, y0: y - height / 2.0, x1: x + width / 2.0, y1: y + height / 2.0 }
}

/// Column and row of every cell of a stride, row by row; a part of a cell is one.
fn cells(input: Size, stride: u32) -> impl Iterator<Item = (f32, f32)> {
    let columns = input.width.div_ceil(stride);
    (0..input.height.div_ceil(stride)).flat_map(move |row| (0..columns).map(move |column| (column as f32, row as f32)))
}
