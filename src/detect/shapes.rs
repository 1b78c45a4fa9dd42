//! The shapes of input tensors. The cores take any size at once, and padding costs them time; an accelerator prepares for
//! each shape that it meets, so it gets few of them, all of which can be met before the first photo.

use super::ModelSpec;
use crate::geometry::Size;

/// Sides of an accelerator's tensors, as shares of the largest view.
const SIDE_STEPS: u32 = 4;

/// From views and batches to tensors.
#[derive(Clone, Debug)]
pub(super) struct Shapes {
    pad_multiple: u32,
    max_batch: usize,
    /// Ascending sides for an accelerator; none on the cores.
    sides: Vec<u32>,
    /// The only size that the model takes, if there is one.
    fixed: Option<Size>,
}

impl Shapes {
    pub(super) fn new(spec: &ModelSpec, max_batch: usize, on_cores: bool, fixed: Option<Size>) -> Self {
        let pad_multiple = spec.input.pad_multiple;
        let side = |step: u32| (spec.tile_px * step).div_ceil(SIDE_STEPS).next_multiple_of(pad_multiple);
        let sides = if on_cores { Vec::new() } else { (1..=SIDE_STEPS).map(side).collect() };
        Self { pad_multiple, max_batch, sides, fixed }
    }

    /// The size of the tensor for a view.
    pub(super) fn view(&self, size: Size) -> Size {
        if let Some(fixed) = self.fixed {
            return fixed;
        }
        let side = |length: u32| {
            let larger = self.sides.iter().copied().find(|&side| side >= length);
            larger.unwrap_or_else(|| length.next_multiple_of(self.pad_multiple))
        };
        Size::new(side(size.width), side(size.height))
    }

    /// The number of places in the tensor for a batch.
    pub(super) fn batch(&self, views: usize) -> usize {
        if self.sides.is_empty() { views } else { views.next_power_of_two() }
    }

    /// Every shape that can come, where they are few.
    pub(super) fn all(&self) -> Vec<(usize, Size)> {
        let counts: Vec<usize> = std::iter::successors(Some(1), |count| Some(count * 2))
            .take_while(|&count| count < 2 * self.max_batch)
            .collect();
        if let Some(fixed) = self.fixed {
            let counts = if self.sides.is_empty() { Vec::new() } else { counts };
            return counts.into_iter().map(|count| (count, fixed)).collect();
        }
        let sizes = self.sides.iter().flat_map(|&width| self.sides.iter().map(move |&height| Size::new(width, height)));
        sizes.flat_map(|size| counts.iter().map(move |&count| (count, size))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Class, fake_spec},
        *,
    };

    #[test]
    fn an_accelerator_meets_only_shapes_that_it_was_warmed_up_with() {
        let shapes = Shapes::new(&fake_spec(Class::Face), 12, false, None);
        let all = shapes.all();
        assert_eq!(all.len(), 16 * 5);
        for views in 1..=12 {
            for side in (1..=640).step_by(7) {
                let size = shapes.view(Size::new(side, 641 - side));
                assert!(size.width >= side && size.height >= 641 - side);
                assert!(shapes.batch(views) >= views && all.contains(&(shapes.batch(views), size)), "{size:?}");
            }
        }
    }

    #[test]
    fn the_cores_are_spared_needless_padding() {
        let shapes = Shapes::new(&fake_spec(Class::Face), 1, true, None);
        assert_eq!(shapes.view(Size::new(100, 640)), Size::new(128, 640));
        assert_eq!(shapes.batch(3), 3);
        assert!(shapes.all().is_empty());
        let fixed = Shapes::new(&fake_spec(Class::Face), 1, true, Some(Size::new(640, 480)));
        assert_eq!(fixed.view(Size::new(100, 64)), Size::new(640, 480));
    }
}
