//! Nothing leaves but orientation and a colour profile without words.

use std::{fs, process::Command};

use serde_json::Value;

use crate::support::*;

/// Files full of secrets, and tags that prove it.
const CARRIERS: [(&str, &[&str]); 7] = [
    ("metadata.jpg", &["GPSLatitude", "SerialNumber", "ThumbnailImage", "Creator", "City", "Comment"]),
    ("metadata.png", &["GPSLatitude", "SerialNumber", "ThumbnailImage", "Creator", "City", "Comment"]),
    ("metadata.webp", &["GPSLatitude", "SerialNumber", "Creator", "Make"]),
    ("metadata_lossless.webp", &["GPSLatitude", "SerialNumber", "Creator", "Make"]),
    ("metadata.tif", &["GPSLatitude", "SerialNumber", "Creator", "City", "Make"]),
    ("metadata.gif", &["Comment", "Creator"]),
    ("metadata.bmp", &[]),
];
/// GIF and BMP have no orientation, and are published without a profile.
const BARE: [&str; 2] = ["metadata.gif", "metadata.bmp"];

#[test]
fn only_orientation_and_colour_survive() {
    let bench = Bench::new();
    for (name, tags) in CARRIERS {
        let input = bench.copy(&format!("metadata/{name}"));
        let before = exiftool(&input);
        // The test would prove nothing if the files did not carry what must go.
        for tag in tags {
            assert!(before.keys().any(|key| key.ends_with(tag)), "{name} carries no {tag}: {:?}", before.keys());
        }
        assert!(contains(&fs::read(&input).unwrap(), b"SECRET trailing"));
    }
    assert_eq!(bench.redact(&[]).code, 0);
    for (name, _) in CARRIERS {
        let output = bench.output().join(name);
        let bytes = fs::read(&output).unwrap();
        assert!(!contains(&bytes, b"SECRET") && !contains(&bytes, b"S\0E\0C\0R\0E\0T"), "{name}");
        let after = exiftool(&output);
        for key in after.keys() {
            assert!(is_allowed(key), "{name} still carries {key} = {}", after[key]);
        }
        if !BARE.contains(&name) {
            assert_eq!(after["IFD0:Orientation"], 6, "{name}");
            assert_eq!(after["ICC_Profile:ProfileDescription"], "colour profile", "{name}");
            assert!(after.keys().any(|key| key == "ICC_Profile:RedMatrixColumn"), "{name}");
        }
    }
}

/// Facts of the file itself, of its coding, and the two things that may stay.
fn is_allowed(key: &str) -> bool {
    let (group, tag) = key.split_once(':').unwrap_or(("", key));
    match group {
        "ExifTool" | "System" | "File" | "JFIF" | "Composite" => !["Comment"].contains(&tag),
        "ICC_Profile" | "ICC-header" => true,
        "RIFF" => {
            ["WebP_Flags", "ImageWidth", "ImageHeight", "VP8Version", "HorizontalScale", "VerticalScale"].contains(&tag)
        }
        "GIF" => {
            let facts = ["GIFVersion", "HasColorMap", "ColorResolutionDepth", "BitsPerPixel", "BackgroundColor"];
            facts.contains(&tag) || tag.starts_with("Image")
        }
        // In a TIFF, IFD0 describes the picture itself.
        "IFD0" => {
            ["Orientation", "ResolutionUnit", "XResolution", "YResolution", "YCbCrPositioning"].contains(&tag)
                || ["ImageWidth", "ImageHeight", "BitsPerSample", "Compression", "PhotometricInterpretation"]
                    .contains(&tag)
                || ["StripOffsets", "RowsPerStrip", "StripByteCounts", "SamplesPerPixel"].contains(&tag)
                || ["Predictor", "SampleFormat", "ExtraSamples"].contains(&tag)
        }
        "PNG" => {
            ["ImageWidth", "ImageHeight", "BitDepth", "ColorType", "Compression", "Filter", "Interlace", "ProfileName"]
                .contains(&tag)
        }
        "" => tag == "SourceFile",
        _ => false,
    }
}

fn exiftool(path: &std::path::Path) -> serde_json::Map<String, Value> {
    let output = Command::new("exiftool").args(["-j", "-a", "-u", "-ee3", "-n", "-G1"]).arg(path).output().unwrap();
    let mut list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    match list.remove(0) {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
