//! Areas of unions of boxes.

use super::BoxF;

/// Area of the union of `boxes` inside `within`: the plane is cut at every vertical side, and each strip is swept.
#[must_use]
pub fn union_area(boxes: &[BoxF], within: BoxF) -> f64 {
    let clipped: Vec<BoxF> = boxes
        .iter()
        .map(|b| BoxF {
            x0: b.x0.max(within.x0),
            y0: b.y0.max(within.y0),
            x1: b.x1.min(within.x1),
            y1: b.y1.min(within.y1),
        })
        .filter(|b| b.x1 > b.x0 && b.y1 > b.y0)
        .collect();
    let mut sides: Vec<f32> = clipped.iter().flat_map(|b| [b.x0, b.x1]).collect();
    sides.sort_by(f32::total_cmp);
    sides.dedup();
    let mut area = 0.0;
    for strip in sides.windows(2) {
        let mut spans: Vec<(f32, f32)> =
            clipped.iter().filter(|b| b.x0 <= strip[0] && b.x1 >= strip[1]).map(|b| (b.y0, b.y1)).collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut bottom = f32::NEG_INFINITY;
        for (y0, y1) in spans {
            area += f64::from(strip[1] - strip[0]) * f64::from((y1 - y0.max(bottom)).max(0.0));
            bottom = bottom.max(y1);
        }
    }
    area
}

/// Share of `target` that lies under the union of `cover`, 0 to 1.
#[must_use]
pub fn covered_share(target: BoxF, cover: &[BoxF]) -> f64 {
    let touching: Vec<BoxF> = cover.iter().copied().filter(|b| b.intersection_area(target) > 0.0).collect();
    union_area(&touching, target) / f64::from(target.area()).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes() -> impl Strategy<Value = Vec<BoxF>> {
        let one = (0u8..30, 0u8..30, 1u8..12, 1u8..12).prop_map(|(x, y, width, height)| BoxF {
            x0: x.into(),
            y0: y.into(),
            x1: (x + width).into(),
            y1: (y + height).into(),
        });
        proptest::collection::vec(one, 0..8)
    }

    proptest! {
        #[test]
        fn equals_the_count_of_covered_cells(boxes in boxes(), within in boxes()) {
            let whole = BoxF { x0: 0.0, y0: 0.0, x1: 45.0, y1: 45.0 };
            let within = within.first().copied().unwrap_or(whole);
            let inside = |x: i16, y: i16| {
                let cell = BoxF { x0: x.into(), y0: y.into(), x1: (x + 1).into(), y1: (y + 1).into() };
                within.contains(cell) && boxes.iter().any(|b| b.contains(cell))
            };
            let cells = (0..45).flat_map(|y| (0..45).map(move |x| (x, y))).filter(|&(x, y)| inside(x, y)).count();
            prop_assert!((union_area(&boxes, within) - cells as f64).abs() < 1e-6);
        }
    }

    #[test]
    fn a_box_is_covered_by_its_halves() {
        let target = BoxF { x0: 0.0, y0: 0.0, x1: 10.0, y1: 10.0 };
        let (left, right) = (BoxF { x1: 5.0, ..target }, BoxF { x0: 5.0, ..target });
        assert!((covered_share(target, &[left]) - 0.5).abs() < 1e-9);
        assert!((covered_share(target, &[left, right, left]) - 1.0).abs() < 1e-9);
        assert!(covered_share(target, &[]).abs() < 1e-9);
    }
}
