//! Parts of the photo in which nothing is to be obscured, or outside of which nothing is: for cameras that do not move.
//!
//! In doubt something is obscured: it is left alone only if its whole box lies within one ignored area, or if its box
//! touches none of the allowed ones.

use crate::geometry::{BoxF, Size};

/// Corners in order, as shares of the photo's width and height, 0 to 1.
pub type Polygon = Vec<[f32; 2]>;

/// Share of a box that may lie on an edge, for the sake of rounding.
const EDGE: f32 = 1e-3;

/// Where something found counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Areas {
    /// What lies wholly within one of these is left alone.
    pub ignore: Vec<Polygon>,
    /// Unless empty: what touches none of these is left alone.
    pub allow: Vec<Polygon>,
}

impl Areas {
    /// Whether something at `area`, in pixels of a photo of this size, is to be obscured.
    #[must_use]
    pub fn count(&self, area: BoxF, photo: Size) -> bool {
        let (width, height) = (photo.width as f32, photo.height as f32);
        let area = BoxF { x0: area.x0 / width, y0: area.y0 / height, x1: area.x1 / width, y1: area.y1 / height };
        // What lies exactly on an edge, as at the photo's own, lies within.
        let area = area.enlarged(-EDGE, -EDGE);
        let is_ignored = self.ignore.iter().any(|polygon| holds(polygon, area));
        !is_ignored && (self.allow.is_empty() || self.allow.iter().any(|polygon| touches(polygon, area)))
    }

    /// What is wrong with a list of polygons.
    ///
    /// # Errors
    /// Such as a corner outside of the photo.
    pub fn check(polygons: &[Polygon]) -> Result<(), String> {
        for polygon in polygons {
            if polygon.len() < 3 {
                return Err(format!("expected at least 3 corners, found {}", polygon.len()));
            }
            // Written so that NaN is outside too.
            if let Some([x, y]) = polygon.iter().find(|corner| !corner.iter().all(|side| (0.0..=1.0).contains(side))) {
                return Err(format!("expected shares of the photo from 0 to 1, found [{x}, {y}]"));
            }
        }
        Ok(())
    }
}

fn corners(area: BoxF) -> [[f32; 2]; 4] {
    [[area.x0, area.y0], [area.x1, area.y0], [area.x1, area.y1], [area.x0, area.y1]]
}

fn edges(polygon: &[[f32; 2]]) -> impl Iterator<Item = ([f32; 2], [f32; 2])> {
    polygon.iter().zip(polygon.iter().cycle().skip(1)).map(|(&from, &to)| (from, to))
}

/// Whether a point lies inside, by the number of edges to its right (even-odd rule).
fn is_inside(polygon: &[[f32; 2]], [x, y]: [f32; 2]) -> bool {
    let crossed = edges(polygon)
        .filter(|([x0, y0], [x1, y1])| (*y0 > y) != (*y1 > y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0);
    crossed.count() % 2 == 1
}

/// Whether the whole box lies inside: its corners do, and no edge runs through it.
fn holds(polygon: &[[f32; 2]], area: BoxF) -> bool {
    let runs_through = edges(polygon).any(|(from, to)| clipped(from, to, area).is_some());
    !runs_through && corners(area).iter().all(|&corner| is_inside(polygon, corner))
}

/// Whether box and polygon share anything.
fn touches(polygon: &[[f32; 2]], area: BoxF) -> bool {
    edges(polygon).any(|(from, to)| clipped(from, to, area).is_some()) || is_inside(polygon, [area.x0, area.y0])
}

/// The part of an edge that lies strictly inside the box, as shares of its length (Liang and Barsky, 1984).
fn clipped([x0, y0]: [f32; 2], [x1, y1]: [f32; 2], area: BoxF) -> Option<(f32, f32)> {
    let (mut start, mut end) = (0.0f32, 1.0f32);
    for (delta, low, high) in [(x1 - x0, area.x0 - x0, area.x1 - x0), (y1 - y0, area.y0 - y0, area.y1 - y0)] {
        if delta == 0.0 {
            if low >= 0.0 || high <= 0.0 {
                return None;
            }
            continue;
        }
        let (enter, leave) = if delta > 0.0 { (low / delta, high / delta) } else { (high / delta, low / delta) };
        start = start.max(enter);
        end = end.min(leave);
    }
    (start < end).then_some((start, end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHOTO: Size = Size { width: 200, height: 100 };

    fn at(x0: f32, y0: f32, x1: f32, y1: f32) -> BoxF {
        BoxF { x0, y0, x1, y1 }
    }

    fn left_half() -> Vec<Polygon> {
        vec![vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]
    }

    #[test]
    fn only_what_lies_wholly_within_is_ignored() {
        let areas = Areas { ignore: left_half(), ..Areas::default() };
        assert!(!areas.count(at(10.0, 10.0, 90.0, 90.0), PHOTO));
        assert!(areas.count(at(90.0, 10.0, 110.0, 90.0), PHOTO), "half of it is outside");
        assert!(areas.count(at(150.0, 10.0, 160.0, 20.0), PHOTO));
        // A notch that reaches into the box from below, between its corners.
        let notched = vec![vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.55, 1.0], [0.5, 0.5], [0.45, 1.0], [0.0, 1.0]]];
        let areas = Areas { ignore: notched, ..Areas::default() };
        assert!(areas.count(at(40.0, 20.0, 160.0, 80.0), PHOTO));
        assert!(!areas.count(at(40.0, 20.0, 160.0, 40.0), PHOTO));
    }

    #[test]
    fn what_touches_an_allowed_area_counts() {
        let areas = Areas { allow: left_half(), ..Areas::default() };
        assert!(areas.count(at(90.0, 10.0, 110.0, 20.0), PHOTO));
        assert!(areas.count(at(-10.0, -10.0, 210.0, 110.0), PHOTO), "the area lies within the box");
        assert!(areas.count(at(10.0, 10.0, 20.0, 20.0), PHOTO), "the box lies within the area");
        assert!(!areas.count(at(110.0, 10.0, 120.0, 20.0), PHOTO));
        let both = Areas { ignore: left_half(), allow: left_half() };
        assert!(!both.count(at(10.0, 10.0, 20.0, 20.0), PHOTO));
        assert!(Areas::default().count(at(0.0, 0.0, 1.0, 1.0), PHOTO));
    }

    #[test]
    fn corners_lie_in_the_photo() {
        assert!(Areas::check(&left_half()).is_ok());
        for wrong in [vec![[0.0, 0.0], [1.0, 1.0]], vec![[0.0, 0.0], [1.0, 1.1], [0.0, 1.0]], vec![[f32::NAN; 2]; 3]] {
            assert!(Areas::check(&[wrong]).is_err());
        }
    }

    proptest! {
        #[test]
        fn what_is_ignored_has_no_pixel_outside_and_what_is_not_allowed_none_inside(
            corners in proptest::collection::vec([0.0f32..1.0, 0.0f32..1.0], 3..7),
            x in 0.0f32..150.0, y in 0.0f32..75.0, width in 4.0f32..50.0, height in 4.0f32..25.0,
        ) {
            let area = at(x, y, x + width, y + height);
            let points = (1..8).flat_map(|i| (1..8).map(move |j| (i, j))).map(|(i, j)| {
                [(x + width * i as f32 / 8.0) / 200.0, (y + height * j as f32 / 8.0) / 100.0]
            });
            let inside = points.filter(|&point| is_inside(&corners, point)).count();
            let ignoring = Areas { ignore: vec![corners.clone()], ..Areas::default() };
            prop_assert!(ignoring.count(area, PHOTO) || inside == 49);
            let allowing = Areas { allow: vec![corners], ..Areas::default() };
            prop_assert!(allowing.count(area, PHOTO) || inside == 0);
        }
    }
}
