//! A failure on any edge of any stage publishes nothing.

use std::fs;

use obscura::failpoint;

use crate::support::*;

#[test]
fn every_fail_point_ends_in_quarantine() {
    let bench = Bench::new();
    let input = bench.copy("people/face_120px.png");
    let sound = bench.redact(&[]);
    assert_eq!(sound.code, 0, "the photo must pass without a planted failure");
    let clear = fs::read(&input).unwrap();
    for (stage, edge) in failpoint::ALL {
        for kind in ["error", "panic"] {
            let place = failpoint::name(stage, edge);
            let output = bench.command().env("OBSCURA_FAIL_POINT", format!("{place}={kind}")).output().unwrap();
            let run = Run::new(output);
            // A point that is never hit leaves the photo published, and this test failing.
            assert_eq!(run.code, 1, "{place} ({kind}) was not hit");
            let line = run.line("face_120px.png");
            assert_eq!(
                (line["code"].as_str(), line["stage"].as_str()),
                (Some("internal_error"), Some(stage.to_string().as_str()))
            );
            assert!(line["detail"].as_str().unwrap().contains(&place), "{line}");
            assert!(bench.published().is_empty(), "{place} ({kind}) left {:?}", bench.published());
            assert_eq!(bench.record("face_120px.png")["code"], "internal_error");
            for path in files_below(bench.dir.path()) {
                assert!(path == input || fs::read(&path).unwrap() != clear, "a clear copy at {}", path.display());
                assert!(path == input || path.extension().is_some_and(|end| end == "json"), "{}", path.display());
            }
        }
    }
    assert_eq!(bench.redact(&[]).code, 0, "and nothing stays broken");
}
