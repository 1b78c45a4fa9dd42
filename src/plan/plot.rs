//! A day as a picture: what comes, what waits, how many work. SVG without a script or anything from elsewhere.

use std::fmt::Write;

use super::{day::Moment, size::Region};

const WIDTH: f64 = 760.0;
const STRIP: f64 = 110.0;
const GAP: f64 = 46.0;
const LEFT: f64 = 74.0;
const TOP: f64 = 52.0;
const DAY_S: f64 = 86_400.0;
/// One point for so many moments is enough for a picture.
const EVERY: usize = 8;

type Of = fn(&Moment) -> f64;

/// Strips of one region, below each other.
#[must_use]
pub fn plot(region: &Region, objective_s: f64) -> String {
    let strips: [(&str, &str, Of); 4] = [
        ("uploads a second", "#1d4f91", |moment| moment.uploads_per_second),
        ("uploads that wait", "#7a4a00", |moment| moment.lag),
        ("delay in seconds", "#a32015", |moment| moment.delay_s),
        ("workers", "#17663a", |moment| moment.workers as f64),
    ];
    let height = TOP + strips.len() as f64 * (STRIP + GAP);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>A day of region {name}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"16\">Region {name}: {photos} photos a day, objective {objective_s:.0} s</text>\n",
        name = escaped(&region.name),
        photos = region.photos_per_day.round(),
    );
    for (index, (what, colour, of)) in strips.into_iter().enumerate() {
        let top = TOP + index as f64 * (STRIP + GAP);
        strip(&mut svg, top, what, colour, &region.day.moments, of);
    }
    svg.push_str("</svg>\n");
    svg
}

fn strip(svg: &mut String, top: f64, what: &str, colour: &str, moments: &[Moment], of: Of) {
    let most = moments.iter().map(of).fold(0.0, f64::max);
    let bottom = top + STRIP;
    let wide = WIDTH - LEFT - 16.0;
    let mut points = String::new();
    for moment in moments.iter().step_by(EVERY) {
        let x = LEFT + wide * moment.second / DAY_S;
        let y = if most > 0.0 { bottom - STRIP * of(moment) / most } else { bottom };
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    let _ = write!(
        svg,
        "<text x=\"{LEFT}\" y=\"{}\">{what}</text>\n<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most:.0}</text>\n\
         <text x=\"{}\" y=\"{bottom:.0}\" text-anchor=\"end\">0</text>\n",
        top - 6.0,
        LEFT - 8.0,
        top + 10.0,
        LEFT - 8.0,
    );
    for hour in [0, 6, 12, 18, 24] {
        let x = LEFT + wide * f64::from(hour) / 24.0;
        let _ = write!(
            svg,
            "<path d=\"M{x:.1} {top:.0}V{bottom:.0}\" stroke=\"#dde1e7\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#556170\">{hour}:00</text>\n",
            bottom + 15.0
        );
    }
    let _ = writeln!(
        svg,
        "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
        points.trim_end()
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{
        super::{profile::tests::profile, size::Sizing},
        *,
    };

    #[test]
    fn a_picture_has_four_lines_and_nothing_from_elsewhere() {
        let sizing = Sizing {
            photos_per_day: 1e6,
            megapixels: 12.0,
            peak_factor: 2.0,
            cores: 4,
            objective_s: 900.0,
            fewest_workers: 2,
        };
        let svg = plot(&sizing.region("<eu>", 1.0, &profile(), 3.0), 900.0);
        assert_eq!(svg.matches("<polyline").count(), 4);
        assert!(svg.contains("Region &lt;eu&gt;") && !svg.contains("<eu>"));
        assert_eq!(svg.matches("http").count(), 1, "only the name of the format");
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
