//! From detections to regions: enlarged by policy, rounded outward, never shrunk.

use serde::Serialize;

use super::style::Style;
use crate::{
    detect::{Class, Detection},
    geometry::{Rect, Size},
};

/// How one class is obscured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassPolicy {
    pub style: Style,
    /// Cells on the longer side of a region.
    pub cells: u32,
    /// By how much of its width and height a box grows in total.
    pub enlarge_x: f32,
    pub enlarge_y: f32,
}

/// How every class is obscured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RedactionPolicy {
    pub face: ClassPolicy,
    pub plate: ClassPolicy,
    pub text: ClassPolicy,
}

impl RedactionPolicy {
    #[must_use]
    pub fn of(&self, class: Class) -> &ClassPolicy {
        match class {
            Class::Face => &self.face,
            Class::Plate => &self.plate,
            Class::Text => &self.text,
        }
    }
}

/// A region that will be obscured, in upright pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedRegion {
    pub rect: Rect,
    pub style: Style,
    pub cells: u32,
}

/// The regions in painting order: finer ones first, so that where regions overlap the one that carries less wins.
/// `align` rounds a rectangle outward to what the photo can change.
#[must_use]
pub fn plan_regions(
    detections: &[Detection],
    policy: &RedactionPolicy,
    photo: Size,
    align: impl Fn(Rect) -> Rect,
) -> Vec<PlannedRegion> {
    let mut regions: Vec<PlannedRegion> = detections
        .iter()
        .filter_map(|detection| {
            let class = policy.of(detection.class);
            let rect = detection.area.enlarged(class.enlarge_x, class.enlarge_y).to_rect(photo)?;
            let cells = if class.style == Style::Solid { 1 } else { class.cells };
            Some(PlannedRegion { rect: align(rect), style: class.style, cells })
        })
        .collect();
    regions.sort_by_key(|region| (std::cmp::Reverse(region.cells), region.rect.y, region.rect.x));
    drop_hidden(regions)
}

/// A region that lies wholly under a later one would leave no trace.
fn drop_hidden(regions: Vec<PlannedRegion>) -> Vec<PlannedRegion> {
    let hidden = |index: usize| {
        let region = regions[index];
        regions[index + 1..].iter().any(|later| later.rect.contains(region.rect))
            || regions[..index].iter().any(|earlier| {
                earlier.cells == region.cells && earlier.rect.contains(region.rect) && earlier.rect != region.rect
            })
    };
    (0..regions.len()).filter(|&index| !hidden(index)).map(|index| regions[index]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::BoxF;

    const POLICY: RedactionPolicy = RedactionPolicy {
        face: ClassPolicy { style: Style::Blur, cells: 4, enlarge_x: 0.4, enlarge_y: 0.4 },
        plate: ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.2, enlarge_y: 0.4 },
        text: ClassPolicy { style: Style::Solid, cells: 1, enlarge_x: 0.1, enlarge_y: 0.1 },
    };

    fn detections() -> impl Strategy<Value = Vec<Detection>> {
        let one = (any::<bool>(), -50.0f32..600.0, -50.0f32..600.0, 1.0f32..300.0, 1.0f32..300.0).prop_map(
            |(face, x, y, width, height)| Detection {
                class: if face { Class::Face } else { Class::Plate },
                area: BoxF { x0: x, y0: y, x1: x + width, y1: y + height },
                score: 0.5,
            },
        );
        proptest::collection::vec(one, 0..20)
    }

    proptest! {
        #[test]
        fn every_detection_stays_covered_and_plates_stay_on_top(found in detections()) {
            let photo = Size::new(512, 400);
            let regions = plan_regions(&found, &POLICY, photo, |rect| rect);
            for detection in &found {
                let class = POLICY.of(detection.class);
                let Some(rect) = detection.area.enlarged(class.enlarge_x, class.enlarge_y).to_rect(photo) else { continue };
                prop_assert!(regions.iter().any(|region| region.rect.contains(rect)));
                if detection.class == Class::Plate {
                    // Painted last: nothing finer comes after the region that covers it.
                    let at = regions.iter().position(|region| region.cells == 1 && region.rect.contains(rect)).unwrap();
                    prop_assert!(regions[at..].iter().all(|region| region.cells == 1));
                }
            }
        }
    }
}
