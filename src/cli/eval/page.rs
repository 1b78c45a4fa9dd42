//! One HTML page with curves and the worst misses. Self-contained: no script, and nothing is loaded.

use std::{
    fmt::Write as _,
    fs::Permissions,
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use askama::Template;
use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use obscura::{
    eval::{BandScore, ClassScore, Crop, CropKind, Measured, Score},
    store::TEMPORARY_PREFIX,
};

use super::{
    super::{contact_sheet::visible, folders::folder_of},
    Measurement,
    table::{how, with_interval},
};

/// Side of a curve's plot, in units of its drawing.
const PLOT_SIDE: f64 = 300.0;

#[derive(Template)]
#[template(path = "eval.html")]
struct Page<'a> {
    set: String,
    how: String,
    score: &'a Score,
    seconds: String,
    crops: Vec<ShownCrop<'a>>,
    version: &'static str,
}

struct ShownCrop<'a> {
    crop: &'a Crop,
    scene: String,
}

/// Write the page to `path`, whole or not at all; only its owner may read it, for it shows what was missed.
pub(super) fn save(path: &Path, measurement: &Measurement, crops: &[Crop]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .prefix(TEMPORARY_PREFIX)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder_of(path))?;
    let mut buffered = BufWriter::new(&mut file);
    write_html(&mut buffered, measurement, crops)?;
    buffered.flush()?;
    drop(buffered);
    file.persist(path)?;
    Ok(())
}

fn write_html(out: &mut impl Write, measurement: &Measurement, crops: &[Crop]) -> io::Result<()> {
    let page = Page {
        set: visible(&measurement.set),
        how: how(measurement),
        score: &measurement.score,
        seconds: format!("{:.1}", measurement.seconds),
        crops: crops.iter().map(|crop| ShownCrop { crop, scene: visible(&crop.scene) }).collect(),
        version: env!("CARGO_PKG_VERSION"),
    };
    page.write_into(out)
}

impl ShownCrop<'_> {
    fn data_uri(&self) -> String {
        format!("data:image/jpeg;base64,{}", Base64Display::new(&self.crop.jpeg, &STANDARD))
    }

    fn facts(&self) -> String {
        let (area, value) = (self.crop.area, self.crop.value);
        let value = match self.crop.kind {
            CropKind::Miss => format!("{:.0} % covered", value * 100.0),
            CropKind::False => format!("score {value:.2}"),
        };
        format!("{:.0} × {:.0} at ({:.0}, {:.0}), {value}", area.width(), area.height(), area.x0, area.y0)
    }
}

impl Page<'_> {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn crops_of(&self, class: &ClassScore, misses: &bool) -> Vec<&ShownCrop<'_>> {
        let kind = if *misses { CropKind::Miss } else { CropKind::False };
        self.crops.iter().filter(|shown| shown.crop.kind == kind && shown.crop.class == class.class).collect()
    }

    /// The corners of the precision-recall curve.
    fn curve(class: &ClassScore) -> String {
        let corners = class.curve.points.iter().map(|point| (point.recall, point.precision));
        polyline(corners)
    }

    /// Coverage over false boxes a photo; the whole width is the most there is.
    fn coverage_curve(class: &ClassScore) -> String {
        let most = Self::most_false(class);
        polyline(class.thresholds.iter().map(|point| (point.false_boxes_per_photo / most, point.coverage)))
    }

    fn most_false(class: &ClassScore) -> f64 {
        class.thresholds.iter().map(|point| point.false_boxes_per_photo).fold(1.0, f64::max)
    }
}

impl Page<'_> {
    #[expect(clippy::ref_option, reason = "templates pass references")]
    fn shown(measured: &Option<Measured>, digits: usize) -> String {
        with_interval(*measured, digits)
    }

    fn seconds(spent: &Measured) -> String {
        with_interval(Some(*spent), 3)
    }

    fn cells(band: &BandScore) -> [String; 3] {
        [with_interval(band.coverage, 3), with_interval(band.recall, 3), with_interval(band.false_boxes_per_photo, 2)]
    }
}

/// From shares of both sides to the points of a drawing, whose y axis points down.
fn polyline(corners: impl Iterator<Item = (f64, f64)>) -> String {
    corners.fold(String::new(), |mut points, (x, y)| {
        let _ = write!(points, "{:.1},{:.1} ", x * PLOT_SIDE, (1.0 - y) * PLOT_SIDE);
        points
    })
}
