//! The result as people read it in a terminal.

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use obscura::eval::{ClassScore, Measured};

use super::{super::report::say, Measurement};

pub(super) fn print(measurement: &Measurement) {
    let Measurement { set, score, seconds, .. } = measurement;
    say(format_args!("{set}{}: {} photos, pipeline {}", how(measurement), score.photos, score.pipeline));
    for failure in &score.failed {
        say(format_args!("  failed: {}: {}: {}", failure.name, failure.code, failure.detail));
    }
    for class in &score.classes {
        say("");
        say(bands(class));
        say(format_args!(
            "{} false boxes a photo {}   average precision {:.3}   redacted {} of the photo, {} times the true boxes",
            class.class,
            with_interval(class.false_boxes_per_photo, 2),
            class.curve.average_precision,
            with_interval(class.redacted_share, 3),
            with_interval(class.area_ratio, 2),
        ));
    }
    say("");
    say(format_args!(
        "redacted in all: {} of the photo, {} times the true boxes enlarged by policy",
        with_interval(score.redacted_share, 3),
        with_interval(score.area_ratio, 2)
    ));
    let stages: Vec<String> =
        score.cpu_s_per_photo.by_stage.iter().map(|(stage, spent)| format!("{stage} {:.3}", spent.value)).collect();
    say(format_args!(
        "CPU s a file: {} ({}); {:.1} views of {:.2} MP together",
        with_interval(score.cpu_s_per_photo.total, 3),
        stages.join(", "),
        score.views_per_photo,
        score.megapixels_viewed_per_photo
    ));
    say(format_args!("{seconds:.1} s in all"));
}

/// What was done to the photos before.
pub(super) fn how(measurement: &Measurement) -> String {
    let ways: Vec<String> = measurement.degrade.iter().map(|way| format!("{way:?}").to_lowercase()).collect();
    let degraded = if ways.is_empty() { String::new() } else { format!(", {}", ways.join(" + ")) };
    let canvas =
        if measurement.canvas { format!(", on {} canvases of 12 MP", measurement.score.scenes) } else { String::new() };
    degraded + &canvas
}

fn bands(class: &ClassScore) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let size = format!("{} {} px", class.class, class.size);
    table.set_header([size.as_str(), "boxes", "covered", "95 %", "recall IoU .5", "95 %", "false a photo", "95 %"]);
    for band in &class.bands {
        let parts = |measured: Option<Measured>, digits| {
            let value = measured.map_or("-".to_owned(), |measured| format!("{:.digits$}", measured.value));
            [value, interval(measured, digits)]
        };
        let row = [vec![band.band.to_owned(), band.boxes.to_string()], parts(band.coverage, 3).into()];
        let row = row.into_iter().chain([parts(band.recall, 3).into(), parts(band.false_boxes_per_photo, 2).into()]);
        table.add_row(row.flatten().collect::<Vec<String>>());
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn interval(measured: Option<Measured>, digits: usize) -> String {
    measured.map_or(String::new(), |measured| {
        format!("{:.digits$}-{:.digits$}", measured.interval.low, measured.interval.high)
    })
}

pub(super) fn with_interval(measured: Option<Measured>, digits: usize) -> String {
    measured.map_or("-".to_owned(), |measured| {
        format!("{:.digits$} ({})", measured.value, interval(Some(measured), digits))
    })
}
