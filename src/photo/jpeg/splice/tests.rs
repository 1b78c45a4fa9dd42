//! What a splice promises, on random pictures, samplings, restart intervals and plans.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::*;
use crate::photo::jpeg::walk::decode;

/// What the encoder interleaves; `tests/` has more from other encoders.
const FACTORS: [SamplingFactor; 4] =
    [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2];

/// How a random picture is coded.
#[derive(Clone, Debug)]
struct Coded {
    size: Size,
    grey: bool,
    factor: usize,
    quality: u8,
    restart: u16,
    optimised: bool,
    /// Share of pixels that are noise: detail that takes many symbols.
    noise: u64,
}

fn coded() -> impl Strategy<Value = Coded> {
    (1u32..150, 1u32..150, any::<bool>(), 0..FACTORS.len(), 1u8..=100, 0u16..9, any::<bool>(), 0u64..4).prop_map(
        |(width, height, grey, factor, quality, restart, optimised, noise)| Coded {
            size: Size::new(width, height),
            grey,
            factor,
            quality,
            restart,
            optimised,
            noise,
        },
    )
}

impl Coded {
    fn encoded(&self) -> Vec<u8> {
        let channels = if self.grey { 1 } else { 3 };
        let pixels: Vec<u8> = (0..self.size.pixels() * channels)
            .map(|at| {
                let (x, y) = (at / channels % u64::from(self.size.width), at / channels / u64::from(self.size.width));
                let wave = 128.0 + 100.0 * (x as f64 / 9.0).sin() * (y as f64 / 7.0 + at as f64 % 3.0).cos();
                let hash = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                if hash % 8 < self.noise { hash as u8 } else { wave as u8 }
            })
            .collect();
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, self.quality);
        encoder.set_sampling_factor(FACTORS[self.factor]);
        if self.restart > 0 {
            encoder.set_restart_interval(self.restart);
        }
        let kind = if self.grey { ColorType::Luma } else { ColorType::Rgb };
        encoder.encode(&pixels, self.size.width as u16, self.size.height as u16, kind).unwrap();
        if self.optimised { optimised(&bytes) } else { bytes }
    }
}

/// The same coefficients with tables that have codes for the symbols in it, and no others.
fn optimised(bytes: &[u8]) -> Vec<u8> {
    let photo = spliceable(bytes);
    let (scan, index, tables) = recode::optimised(&photo.scan, &photo.index, &photo.frame, &photo.tables).unwrap();
    SplicePhoto { tables, scan: Arc::new(scan), index: Arc::new(index), ..photo }.encode().unwrap()
}

/// Rectangles in shares of the picture, to be rounded to what can be changed; and styles.
fn plan() -> impl Strategy<Value = Vec<([f32; 4], Style)>> {
    let share = || prop_oneof![4 => 0.0f32..1.0, 1 => Just(0.0f32), 1 => Just(1.0f32)];
    let style = prop_oneof![Just(Style::Blur), Just(Style::Mosaic), Just(Style::Solid)];
    proptest::collection::vec(([share(), share(), share(), share()], style), 0..5)
}

fn spliceable(bytes: &[u8]) -> SplicePhoto {
    let segments = walk_segments(bytes).unwrap();
    let frame = Frame::to_splice(&segments).unwrap().expect("what the encoder writes can be spliced");
    SplicePhoto::open(bytes, &segments, frame, 0.25).unwrap()
}

fn regions(photo: &SplicePhoto, plan: &[([f32; 4], Style)]) -> Vec<Obscured> {
    let size = photo.upright_size();
    let region = |(shares, style): &([f32; 4], Style)| {
        let side = |a: f32, b: f32, length: u32| {
            let (low, high) = (a.min(b) * length as f32, a.max(b) * length as f32);
            ((low as u32).min(length - 1), (high.ceil() as u32).min(length))
        };
        let ((x, right), (y, bottom)) =
            (side(shares[0], shares[2], size.width), side(shares[1], shares[3], size.height));
        let rect = photo.align(Rect { x, y, width: right.max(x + 1) - x, height: bottom.max(y + 1) - y });
        let original = photo.view(rect.into(), rect.size(), 0).unwrap();
        Obscured::in_steps(rect, *style, 4, photo.cell_step(), &original)
    };
    plan.iter().map(region).collect()
}

/// All coefficients of an MCU, in zigzag order, block by block.
fn coefficients(photo: &SplicePhoto, mcu: usize) -> Vec<[i16; 64]> {
    hidden::read(&photo.scan, &photo.index, &photo.frame, &photo.tables, mcu).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_changes_outside_and_the_cells_stand_inside(coded in coded(), plan in plan()) {
        let original = coded.encoded();
        let before = spliceable(&original);
        let mut photo = spliceable(&original);
        let regions = regions(&photo, &plan);
        photo.obscure(&regions).unwrap();
        let encoded = photo.encode().unwrap();
        // Opened anew, by a whole walk: nothing that the splice believes is taken over.
        let after = spliceable(&encoded);
        prop_assert_eq!(&after.index.starts, &photo.index.starts);
        prop_assert_eq!(&after.index.predictors, &photo.index.predictors);
        prop_assert_eq!(&after.index.ends, &photo.index.ends);
        let painter = Painter::new(&photo.frame, before.keepsakes.orientation, &regions);
        let touched = painter.touched();
        for mcu in 0..photo.frame.mcus() {
            let expected = if touched.contains(&mcu) { painter.blocks(mcu) } else { coefficients(&before, mcu) };
            prop_assert_eq!(coefficients(&after, mcu), expected, "MCU {}", mcu);
        }
        // And what verification sees.
        let reopened = photo.reopen(&encoded).unwrap().unwrap();
        for region in &regions {
            let shown = reopened.view(region.rect.into(), region.rect.size(), 0).unwrap();
            prop_assert_eq!(&shown.rgb, &photo.intended(region.rect, &regions).unwrap().rgb);
        }
    }

    #[test]
    fn an_empty_plan_leaves_every_bit(coded in coded()) {
        let original = coded.encoded();
        let mut photo = spliceable(&original);
        photo.obscure(&[]).unwrap();
        let encoded = photo.encode().unwrap();
        let data = |bytes: &[u8]| bytes[walk_segments(bytes).unwrap().first_scan.unwrap().data].to_vec();
        prop_assert_eq!(data(&encoded), data(&original));
    }

    #[test]
    fn another_decoder_sees_the_same_outside_but_for_a_ring_of_one_pixel(coded in coded(), plan in plan()) {
        // The decoder mixes up restart intervals of narrow pictures; `tests/behaviour/splice.rs` asks libjpeg.
        let coded = Coded { restart: 0, ..coded };
        let original = coded.encoded();
        let mut photo = spliceable(&original);
        let regions = regions(&photo, &plan);
        photo.obscure(&regions).unwrap();
        let picture = |bytes: &[u8]| {
            let mut decoder = zune_jpeg::JpegDecoder::new(zune_core::bytestream::ZCursor::new(bytes));
            decoder.decode().unwrap()
        };
        let (before, after) = (picture(&original), picture(&photo.encode().unwrap()));
        prop_assert_eq!(before.len(), after.len());
        let channels = before.len() / coded.size.pixels() as usize;
        let width = coded.size.width;
        for (at, (a, b)) in before.chunks_exact(channels).zip(after.chunks_exact(channels)).enumerate() {
            let (x, y) = (at as u32 % width, at as u32 / width);
            let is_near = regions.iter().any(|region| {
                let rect = region.rect;
                x + 1 >= rect.x && x <= rect.right() && y + 1 >= rect.y && y <= rect.bottom()
            });
            prop_assert!(is_near || a == b, "({}, {}) changed", x, y);
        }
    }

    #[test]
    fn the_cells_are_shown_as_well_as_the_tables_can(coded in coded(), plan in plan()) {
        let photo = spliceable(&coded.encoded());
        let regions = regions(&photo, &plan);
        for (index, region) in regions.iter().enumerate() {
            let shown = photo.intended(region.rect, &regions[index..=index]).unwrap();
            // Each coefficient is off by half a step at most; colours count as luma does.
            let quantisation = photo.frame.components.iter().map(|one| {
                (one.quantisation.iter().map(|&step| (f64::from(step) / 2.0).powi(2)).sum::<f64>() / 64.0).sqrt()
            });
            let bound = 3.0 + 2.0 * quantisation.sum::<f64>();
            let (mut error, mut count) = (0.0, 0.0f64);
            for (at, pixel) in shown.rgb.chunks_exact(3).enumerate() {
                let (x, y) = (at as u32 % region.rect.width, at as u32 / region.rect.width);
                let [r, g, b] = region.colour_at(x, y);
                let luma = |r: u8, g: u8, b: u8| 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
                error += (luma(pixel[0], pixel[1], pixel[2]) - luma(r, g, b)).powi(2);
                count += 1.0;
            }
            prop_assert!((error / count).sqrt() <= bound, "{} > {bound}", (error / count).sqrt());
        }
    }

    #[test]
    fn any_part_at_any_scale_is_that_part_of_the_whole(coded in coded(), scale in 0usize..4, shares in [0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0]) {
        let photo = spliceable(&coded.encoded());
        let scale = 1 << scale;
        let (columns, rows) = (photo.frame.columns as u32, photo.frame.rows as u32);
        let pick = |a: f32, b: f32, end: u32| {
            let (low, high) = (a.min(b), a.max(b));
            ((low * (end - 1) as f32) as u32, (high * end as f32).ceil() as u32)
        };
        let ((x, right), (y, bottom)) = (pick(shares[0], shares[2], columns), pick(shares[1], shares[3], rows));
        let mcus = Rect { x, y, width: right.max(x + 1) - x, height: bottom.max(y + 1) - y };
        let of = |mcus| decode(&photo.scan, &photo.index, &photo.frame, &photo.tables, mcus, scale).unwrap();
        let whole = of(Rect { x: 0, y: 0, width: columns, height: rows });
        let mut scan = Scan::clone(&photo.scan);
        let (_, walked) = walk(&mut scan, &photo.frame, &photo.tables, scale).unwrap();
        prop_assert!(walked.iter().map(|plane| &plane.samples).eq(whole.iter().map(|plane| &plane.samples)));
        for ((part, whole), component) in of(mcus).iter().zip(&whole).zip(&photo.frame.components) {
            let (wide, high) = (component.across * scale, component.down * scale);
            for (row, line) in part.samples.chunks_exact(part.width).enumerate() {
                let at = (y as usize * high + row) * whole.width + x as usize * wide;
                prop_assert_eq!(line, &whole.samples[at..at + part.width]);
            }
        }
    }
}

#[test]
fn missing_codes_leave_nothing_clear_and_cost_little() {
    // Flat grey takes two symbols; painting it takes many more, and its table has room for them.
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&vec![90; 320 * 320 * 3], 320, 320, ColorType::Rgb).unwrap();
    let mut photo = spliceable(&optimised(&bytes));
    let rect = photo.align(Rect { x: 100, y: 100, width: 64, height: 64 });
    let noise = RgbView { size: rect.size(), rgb: (0..rect.area() * 3).map(|at| (at * at % 251) as u8).collect() };
    let region = Obscured::new(rect, Style::Blur, 4, &noise);
    photo.obscure(std::slice::from_ref(&region)).unwrap();
    let after = photo.reopen(&photo.encode().unwrap()).unwrap().unwrap();
    let shown = after.view(rect.into(), rect.size(), 0).unwrap();
    assert!(shown.rgb == photo.intended(rect, &[region]).unwrap().rgb);
}

#[test]
fn tables_without_room_are_made_anew_and_every_coefficient_stays() {
    let coded =
        Coded { size: Size::new(400, 300), grey: false, factor: 3, quality: 90, restart: 5, optimised: true, noise: 2 };
    let bytes = coded.encoded();
    let photo = spliceable(&bytes);
    let mut missing = edit::MissingCodes::default();
    let component = &photo.frame.components[0];
    let spec = &edit::table(&photo.tables.ac, component.ac_table).spec;
    missing.ac[component.ac_table] =
        (0..=255).filter(|&symbol| symbol & 15 != 0 && !spec.symbols.contains(&symbol)).collect();
    assert!(!missing.ac[component.ac_table].is_empty());
    let (scan, index, tables) =
        recode::with_new_tables(&photo.scan, &photo.index, &photo.frame, &photo.tables, &missing).unwrap();
    let grown = scan.bytes.len() as f64 / photo.scan.bytes.len() as f64;
    assert!(grown < 1.01, "{grown}");
    let before: Vec<_> = (0..photo.frame.mcus()).map(|mcu| coefficients(&photo, mcu)).collect();
    let recoded = SplicePhoto { tables, scan: Arc::new(scan), index: Arc::new(index), ..photo };
    let after = spliceable(&recoded.encode().unwrap());
    for (mcu, before) in before.iter().enumerate() {
        assert_eq!(&coefficients(&after, mcu), before);
    }
}

#[test]
fn a_thousand_regions_and_the_whole_photo() {
    let coded = Coded {
        size: Size::new(700, 500),
        grey: false,
        factor: 3,
        quality: 85,
        restart: 0,
        optimised: false,
        noise: 1,
    };
    let bytes = coded.encoded();
    for style in [Style::Blur, Style::Mosaic, Style::Solid] {
        let mut photo = spliceable(&bytes);
        let many: Vec<_> = (0..1000u64)
            .map(|at| {
                let share = |step: u64| (at * step % 997) as f32 / 997.0;
                let (x, y) = (share(313), share(571));
                ([x, y, (x + 0.03).min(1.0), (y + 0.03).min(1.0)], style)
            })
            .collect();
        let regions = regions(&photo, &many);
        photo.obscure(&regions).unwrap();
        let after = photo.reopen(&photo.encode().unwrap()).unwrap().unwrap();
        for region in &regions {
            let shown = after.view(region.rect.into(), region.rect.size(), 0).unwrap();
            assert!(shown.rgb == photo.intended(region.rect, &regions).unwrap().rgb, "{:?}", region.rect);
        }
        let mut photo = spliceable(&bytes);
        let whole = super::tests::regions(&photo, &[([0.0, 0.0, 1.0, 1.0], style)]);
        photo.obscure(&whole).unwrap();
        assert!(photo.encode().unwrap().len() < bytes.len() / 4, "nothing of the picture is left");
    }
}

/// A picture under a header that promises `hidden` columns and rows less, in as many MCUs.
fn with_less_promised(coded: &Coded, hidden: u32) -> Vec<u8> {
    let mut bytes = coded.encoded();
    let frame = bytes.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    for (at, side) in [(frame + 5, coded.size.height), (frame + 7, coded.size.width)] {
        bytes[at..at + 2].copy_from_slice(&((side - hidden) as u16).to_be_bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_a_crop_has_hidden_goes_and_what_is_seen_stays(factor in 0..FACTORS.len(), across in 2u32..6, down in 2u32..6, hidden in 1u32..8, quality in 60u8..100) {
        let size = Size::new(across * 16, down * 16);
        let coded = Coded { size, grey: false, factor, quality, restart: 0, optimised: true, noise: 3 };
        let bytes = with_less_promised(&coded, hidden);
        let before = spliceable(&bytes);
        let mut photo = spliceable(&bytes);
        photo.obscure(&[]).unwrap();
        let after = spliceable(&photo.encode().unwrap());
        let edge = (photo.frame.columns - 1, photo.frame.rows - 1);
        let mut changed = 0;
        for mcu in 0..photo.frame.mcus() {
            let (old, new) = (coefficients(&before, mcu), coefficients(&after, mcu));
            if mcu % photo.frame.columns < edge.0 && mcu / photo.frame.columns < edge.1 {
                prop_assert_eq!(&old, &new);
            }
            changed += usize::from(old != new);
        }
        // Noise cannot be told from coding noise where steps are large or a column is all there is.
        prop_assert!(changed > edge.0 + edge.1 || hidden < 3 || quality < 85, "{} of {:?}", changed, edge);
        // Once is enough.
        let mut again = spliceable(&photo.encode().unwrap());
        again.obscure(&[]).unwrap();
        prop_assert_eq!(again.encode().unwrap(), photo.encode().unwrap());
        // Samples that are seen are off by no more than steps are.
        let whole = Rect { x: 0, y: 0, width: size.width / photo.frame.mcu_size().width, height: size.height / photo.frame.mcu_size().height };
        let planes = |photo: &SplicePhoto| decode(&photo.scan, &photo.index, &photo.frame, &photo.tables, whole, 8).unwrap();
        for ((old, new), component) in planes(&before).iter().zip(&planes(&after)).zip(&photo.frame.components) {
            let energy: f64 = component.quantisation.iter().map(|&step| (f64::from(step) / 2.0).powi(2)).sum();
            let seen = |pixels: u32, blocks: usize, of_mcu: usize| (pixels as usize * blocks).div_ceil(of_mcu);
            let (width, height) = (seen(size.width - hidden, component.across, photo.frame.mcu_across), seen(size.height - hidden, component.down, photo.frame.mcu_down));
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let (a, b) = (old.samples[y * old.width + x], new.samples[y * new.width + x]);
                prop_assert!(f64::from(a.abs_diff(b)) <= energy.sqrt() + 1.0, "({}, {}): {} {}", x, y, a, b);
            }
        }
    }
}
