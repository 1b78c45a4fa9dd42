//! Coarse to fine: where to look at full resolution, after a cheap look at the whole photo.
//!
//! A detector that is shown a photo too small to find the smallest objects still stirs where they are: its scores there
//! are low, but higher than elsewhere (the idea of FocusPixels: Najibi, Singh, Davis, "AutoFocus: Efficient Multi-Scale
//! Inference", arXiv 1812.01600; here without a network of its own). What scores at least [`Focus::min_score`] is a sign,
//! and the photo is looked at in full around every sign.
//!
//! Pure functions of the photo's size, what must be found, and the signs. They promise:
//!
//! * what is too large to be cut by the views around its sign is seen large enough in a coarser view;
//! * around every sign, as much as half an overlap of tiles lies in one view at the required scale;
//! * never more is looked at than looking everywhere would take.

use super::views::{View, ViewNeeds, overview_scale, scaled_side, scales_between, tiles};
use crate::geometry::{BoxF, Size};

/// How a model is used to find out where to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Focus {
    /// How large the smallest object appears in the coarse views, in view pixels.
    pub object_px: f32,
    /// The lowest score of a sign.
    pub min_score: f32,
}

/// A place in the photo, in upright photo pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sign {
    pub x: f32,
    pub y: f32,
}

/// Coarse views of the whole photo, those from which signs are read last.
#[derive(Clone, Debug, PartialEq)]
pub struct CoarseViews {
    pub views: Vec<View>,
    /// Index of the first view that is searched for signs.
    pub signs_from: usize,
}

/// Signs are gathered into cells of so many view pixels: no view is smaller, and sides are whole multiples.
const CELL_PX: u32 = 32;
/// Largest side of a view around signs, in view pixels: a session never gives back the memory of its largest view.
const MAX_SIDE_PX: u32 = 640;
/// What starting with another view costs, in view pixels.
const VIEW_COST_PX: u64 = 8192;
/// Coarse views that take more than this share of looking everywhere are not worth it.
const MAX_COARSE_SHARE: f64 = 0.5;

/// The views to begin with, or none where it is better to look everywhere at once.
#[must_use]
pub fn coarse_views(photo: Size, needs: &ViewNeeds, focus: Focus) -> Option<CoarseViews> {
    let long_side = photo.long_side() as f32;
    let focus_scale = focus_scale(needs, focus);
    // A photo that fits one view is seen enlarged, which no look at a smaller picture replaces.
    if overview_scale(photo, needs) >= needs.required_scale() {
        return None;
    }
    let low = (focus_scale / needs.step_limit()).min(needs.tile_px as f32 / long_side);
    let scales = scales_between(low, focus_scale, long_side, needs);
    let (&last, coarser) = scales.split_last()?;
    let mut views: Vec<View> = coarser.iter().flat_map(|&scale| tiles(photo, scale, needs)).collect();
    let signs_from = views.len();
    views.extend(tiles(photo, last, needs));
    let is_worth_it = pixels(&views) as f64 <= MAX_COARSE_SHARE * pixels(&everywhere(photo, needs)) as f64;
    is_worth_it.then_some(CoarseViews { views, signs_from })
}

/// The scale of the finest views that show the whole photo before any part of it is asked for: what a photo that can be
/// opened at several scales should be opened at.
#[must_use]
pub fn opening_scale(photo: Size, needs: &ViewNeeds, focus: Option<Focus>) -> f32 {
    let is_coarse_first = focus.filter(|&focus| coarse_views(photo, needs, focus).is_some());
    is_coarse_first.map_or_else(|| overview_scale(photo, needs).min(1.0), |focus| focus_scale(needs, focus))
}

fn focus_scale(needs: &ViewNeeds, focus: Focus) -> f32 {
    needs.required_scale() * (focus.object_px / needs.model_object_px).min(1.0)
}

/// The views at the required scale around all signs.
#[must_use]
pub fn fine_views(photo: Size, needs: &ViewNeeds, signs: &[Sign]) -> Vec<View> {
    let grid = Grid::new(photo, needs);
    let views = grid.views(grid.cells(signs));
    let everywhere = everywhere(photo, needs);
    if pixels(&views) < pixels(&everywhere) { views } else { everywhere }
}

/// The share of the photo's area that these views show.
#[must_use]
pub fn shown_share(photo: Size, views: &[View]) -> f64 {
    let sorted = |edge: fn(&BoxF) -> [f32; 2]| {
        let mut edges: Vec<f32> = views.iter().flat_map(|view| edge(&view.crop)).collect();
        edges.sort_by(f32::total_cmp);
        edges.dedup();
        edges
    };
    let (xs, ys) = (sorted(|crop| [crop.x0, crop.x1]), sorted(|crop| [crop.y0, crop.y1]));
    let mut shown = 0.0;
    for column in xs.windows(2) {
        let inside: Vec<&View> =
            views.iter().filter(|view| view.crop.x0 <= column[0] && view.crop.x1 >= column[1]).collect();
        for row in ys.windows(2) {
            if inside.iter().any(|view| view.crop.y0 <= row[0] && view.crop.y1 >= row[1]) {
                shown += f64::from(column[1] - column[0]) * f64::from(row[1] - row[0]);
            }
        }
    }
    (shown / photo.pixels().max(1) as f64).min(1.0)
}

fn everywhere(photo: Size, needs: &ViewNeeds) -> Vec<View> {
    tiles(photo, needs.required_scale(), needs)
}

fn pixels(views: &[View]) -> u64 {
    views.iter().map(|view| view.out.pixels() + VIEW_COST_PX).sum()
}

/// Column and row of a cell.
type Cell = [u32; 2];

/// The photo at the required scale, in cells.
struct Grid<'a> {
    photo: Size,
    scaled: Size,
    needs: &'a ViewNeeds,
    /// What has to be seen around a cell, in view pixels.
    margin: u32,
}

/// A cell range: the first of both axes, and those behind the last.
#[derive(Clone, Copy)]
struct Bounds {
    first: Cell,
    end: Cell,
}

impl Bounds {
    fn of(cells: &[Cell]) -> Self {
        let mut bounds = Self { first: [u32::MAX; 2], end: [0; 2] };
        for cell in cells {
            for (axis, &place) in cell.iter().enumerate() {
                bounds.first[axis] = bounds.first[axis].min(place);
                bounds.end[axis] = bounds.end[axis].max(place + 1);
            }
        }
        bounds
    }

    fn joined(self, other: Self) -> Self {
        let first = std::array::from_fn(|axis| self.first[axis].min(other.first[axis]));
        let end = std::array::from_fn(|axis| self.end[axis].max(other.end[axis]));
        Self { first, end }
    }
}

impl<'a> Grid<'a> {
    fn new(photo: Size, needs: &'a ViewNeeds) -> Self {
        let scale = needs.required_scale();
        let scaled = Size::new(scaled_side(photo.width, scale), scaled_side(photo.height, scale));
        Self { photo, scaled, needs, margin: needs.overlap_px / 2 }
    }

    /// The cells with a sign, each once.
    fn cells(&self, signs: &[Sign]) -> Vec<Cell> {
        let cell = |place: f32, photo: u32, scaled: u32| {
            let at = (place / photo as f32 * scaled as f32).clamp(0.0, (scaled - 1) as f32);
            at as u32 / CELL_PX
        };
        let mut cells: Vec<Cell> = signs
            .iter()
            .map(|sign| {
                [cell(sign.x, self.photo.width, self.scaled.width), cell(sign.y, self.photo.height, self.scaled.height)]
            })
            .collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }

    /// Views that show every cell and the margin around it, found by cutting what lies together in two as long as that
    /// saves pixels.
    fn views(&self, cells: Vec<Cell>) -> Vec<View> {
        let mut views = Vec::new();
        let mut waiting = vec![cells];
        while let Some(cells) = waiting.pop() {
            if cells.is_empty() {
                continue;
            }
            let bounds = Bounds::of(&cells);
            let sides: [(u32, u32); 2] = std::array::from_fn(|axis| self.side(bounds, axis));
            let is_too_large = sides.iter().any(|(start, end)| end - start > self.needs.tile_px.min(MAX_SIDE_PX));
            let best = (0..2).filter_map(|axis| self.best_cut(&cells, bounds, axis, is_too_large)).min();
            match best {
                Some((cost, axis, at)) if is_too_large || cost < self.cost(bounds) => {
                    let (low, high) = cells.into_iter().partition(|cell| cell[axis] < at);
                    waiting.extend([low, high]);
                }
                _ => views.push(self.view(sides)),
            }
        }
        views
    }

    /// What has to be seen of a range along one axis, in view pixels.
    fn side(&self, bounds: Bounds, axis: usize) -> (u32, u32) {
        let length = [self.scaled.width, self.scaled.height][axis];
        let start = (bounds.first[axis] * CELL_PX).saturating_sub(self.margin);
        let end = (bounds.end[axis] * CELL_PX + self.margin).min(length);
        (start, end)
    }

    fn cost(&self, bounds: Bounds) -> u64 {
        let [width, height] = [0, 1].map(|axis| {
            let (start, end) = self.side(bounds, axis);
            u64::from(end - start)
        });
        width * height + VIEW_COST_PX
    }

    /// The cheapest cut across one axis: its cost, the axis, and the first column or row behind it. What must be cut is
    /// cut near its middle, so that no order of cells makes this slow.
    fn best_cut(&self, cells: &[Cell], bounds: Bounds, axis: usize, must_cut: bool) -> Option<(u64, usize, u32)> {
        let (first, end) = (bounds.first[axis], bounds.end[axis]);
        let count = (end - first) as usize;
        let mut lanes: Vec<Option<Bounds>> = vec![None; count];
        for &cell in cells {
            let lane = &mut lanes[(cell[axis] - first) as usize];
            let own = Bounds { first: cell, end: cell.map(|place| place + 1) };
            *lane = Some(lane.map_or(own, |lane| lane.joined(own)));
        }
        let join = |sum: &mut Option<Bounds>, lane: &Option<Bounds>| {
            *sum = match (*sum, *lane) {
                (Some(sum), Some(lane)) => Some(sum.joined(lane)),
                (sum, lane) => sum.or(lane),
            };
            Some(*sum)
        };
        let before: Vec<Option<Bounds>> = lanes.iter().scan(None, join).collect();
        let mut behind: Vec<Option<Bounds>> = lanes.iter().rev().scan(None, join).collect();
        behind.reverse();
        let places = if must_cut { count.div_ceil(4)..=count * 3 / 4 } else { 1..=count.saturating_sub(1) };
        let cuts = places.filter(|&at| at > 0 && at < count).filter_map(|at| {
            let cost = self.cost(before[at - 1]?) + self.cost(behind[at]?);
            Some((cost, axis, first + at as u32))
        });
        cuts.min()
    }

    fn view(&self, sides: [(u32, u32); 2]) -> View {
        let [(left, right), (top, bottom)] = sides;
        let to_photo = |at: u32, photo: u32, scaled: u32| {
            // The last edge is the photo's own, whatever rounding makes of it.
            if at == scaled { photo as f32 } else { (f64::from(at) * f64::from(photo) / f64::from(scaled)) as f32 }
        };
        let crop = BoxF {
            x0: to_photo(left, self.photo.width, self.scaled.width),
            y0: to_photo(top, self.photo.height, self.scaled.height),
            x1: to_photo(right, self.photo.width, self.scaled.width),
            y1: to_photo(bottom, self.photo.height, self.scaled.height),
        };
        View { crop, out: Size::new(right - left, bottom - top) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FACE: ViewNeeds = ViewNeeds { min_object_px: 20.0, model_object_px: 20.0, tile_px: 896, overlap_px: 96 };
    const PLATE: ViewNeeds = ViewNeeds { min_object_px: 40.0, model_object_px: 32.0, tile_px: 896, overlap_px: 128 };

    fn focus(needs: &ViewNeeds) -> Focus {
        Focus { object_px: needs.model_object_px * 0.35, min_score: 0.03 }
    }

    fn needs() -> impl Strategy<Value = ViewNeeds> {
        (prop_oneof![Just(FACE), Just(PLATE)], 8.0f32..120.0)
            .prop_map(|(needs, min_object_px)| ViewNeeds { min_object_px, ..needs })
    }

    fn scale_of(view: &View) -> f32 {
        view.out.width as f32 / view.crop.width()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn every_object_with_a_sign_in_it_is_seen_whole_and_large_enough(
            width in 200u32..12_000, height in 200u32..12_000, needs in needs(),
            (fx, fy, fs) in (0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0),
            others in proptest::collection::vec((0.0f32..1.0, 0.0f32..1.0), 0..60),
        ) {
            let photo = Size::new(width, height);
            let Some(coarse) = coarse_views(photo, &needs, focus(&needs)) else { return Ok(()) };
            // Any object of any size, log-uniform from the smallest to the whole photo, seen by a sign in its middle.
            let largest = width.min(height) as f32;
            let smallest = needs.min_object_px.min(largest);
            let side = (smallest * (largest / smallest).powf(fs)).min(largest);
            let (x0, y0) = (fx * (width as f32 - side), fy * (height as f32 - side));
            let object = BoxF { x0, y0, x1: x0 + side, y1: y0 + side };
            let mut signs = vec![Sign { x: x0 + side / 2.0, y: y0 + side / 2.0 }];
            signs.extend(others.iter().map(|(x, y)| Sign { x: x * width as f32, y: y * height as f32 }));
            let mut views = coarse.views;
            views.extend(fine_views(photo, &needs, &signs));
            let required = needs.model_object_px.min(side * needs.required_scale());
            let tolerance = 0.05 + side * 1e-3;
            let seen = views.iter().any(|view| {
                let crop = view.crop;
                let crop = crop.enlarged(tolerance / crop.width() * 2.0, tolerance / crop.height() * 2.0);
                crop.contains(object) && scale_of(view) * side >= required * 0.98
            });
            prop_assert!(seen, "{object:?} of {photo:?} with {needs:?}");
        }

        #[test]
        fn fine_views_hold_the_surroundings_of_every_sign_and_cost_no_more_than_everything(
            width in 900u32..6_000, height in 900u32..6_000, needs in needs(),
            signs in proptest::collection::vec((0.0f32..1.0, 0.0f32..1.0), 0..200),
        ) {
            let photo = Size::new(width, height);
            let signs: Vec<Sign> =
                signs.iter().map(|(x, y)| Sign { x: x * width as f32, y: y * height as f32 }).collect();
            let views = fine_views(photo, &needs, &signs);
            let whole = BoxF::from(photo.rect());
            for view in &views {
                prop_assert!(whole.contains(view.crop) && view.crop.area() > 0.0);
                prop_assert!(view.out.long_side() <= needs.tile_px);
            }
            prop_assert!(pixels(&views) <= pixels(&everywhere(photo, &needs)));
            let reach = (needs.overlap_px / 2) as f32 / needs.required_scale() * 0.99 - 1.0;
            for sign in &signs {
                let around = BoxF {
                    x0: (sign.x - reach).max(0.0), y0: (sign.y - reach).max(0.0),
                    x1: (sign.x + reach).min(width as f32), y1: (sign.y + reach).min(height as f32),
                };
                prop_assert!(views.iter().any(|view| view.crop.contains(around)), "{sign:?} in {photo:?}: {views:?}");
            }
            prop_assert!(shown_share(photo, &views) <= 1.0);
            prop_assert_eq!(signs.is_empty(), views.is_empty());
        }
    }

    #[test]
    fn a_quiet_photo_of_twelve_megapixels_costs_a_tenth() {
        let photo = Size::new(4032, 3024);
        let coarse = coarse_views(photo, &FACE, focus(&FACE)).unwrap();
        let all = pixels(&crate::detect::plan_views(photo, &FACE));
        assert!(pixels(&coarse.views) * 7 < all, "{} of {all}", pixels(&coarse.views));
        assert!(fine_views(photo, &FACE, &[]).is_empty());
        let one = fine_views(photo, &FACE, &[Sign { x: 1000.0, y: 1000.0 }]);
        assert_eq!(one.iter().map(|view| view.out).collect::<Vec<_>>(), [Size::new(128, 128)]);
    }

    #[test]
    fn a_crowd_everywhere_is_looked_at_everywhere() {
        let photo = Size::new(4032, 3024);
        let signs: Vec<Sign> = (0..126 * 94)
            .map(|at| Sign { x: (at % 126) as f32 * 32.0 + 16.0, y: (at / 126) as f32 * 32.0 + 16.0 })
            .collect();
        let views = fine_views(photo, &FACE, &signs);
        assert_eq!(views, everywhere(photo, &FACE));
        assert!((shown_share(photo, &views) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn small_photos_are_seen_whole_and_enlarged_instead() {
        for size in [Size::new(400, 280), Size::new(896, 600), Size::new(5, 800)] {
            assert_eq!(coarse_views(size, &FACE, focus(&FACE)), None, "{size:?}");
        }
    }

    #[test]
    fn the_share_counts_what_overlaps_once() {
        let view = |x0, x1| View { crop: BoxF { x0, y0: 0.0, x1, y1: 5.0 }, out: Size::new(1, 1) };
        let share = shown_share(Size::new(10, 10), &[view(0.0, 6.0), view(4.0, 8.0)]);
        assert!((share - 0.4).abs() < 1e-9, "{share}");
    }
}
