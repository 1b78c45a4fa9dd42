//! Input that users have by accident, and attackers on purpose.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    process::Command,
};

use crate::support::*;

fn scene() -> Vec<u8> {
    fs::read(fixture("people/scene.jpg")).unwrap()
}

#[test]
fn junk_is_quarantined_and_the_rest_goes_on() {
    let bench = Bench::new();
    bench.put("empty.jpg", b"");
    bench.put("one_byte.jpg", b"\xff");
    bench.put("text.jpg", b"This is not a photo.\n");
    bench.put("archive.jpg", b"PK\x03\x04............");
    bench.put("good.jpg", &scene());
    // A PNG under a JPEG's name is a PNG.
    bench.put("really_png.jpg", &fs::read(fixture("png/rgb.png")).unwrap());
    let run = bench.redact(&[]);
    assert_eq!(run.code, 1);
    assert_eq!(run.code_of("empty.jpg"), "empty_file");
    for name in ["one_byte.jpg", "text.jpg", "archive.jpg"] {
        assert_eq!(run.code_of(name), "unsupported_format");
        let record = bench.record(name);
        assert_eq!(record["code"], "unsupported_format");
        assert_eq!(record["sha256"], obscura::redact::sha256_hex(&fs::read(bench.input().join(name)).unwrap()));
        assert!(!record["hint"].as_str().unwrap().is_empty());
        assert!(!bench.output().join(name).exists());
    }
    assert_eq!(run.code_of("good.jpg"), "published");
    assert_eq!(run.line("really_png.jpg")["receipt"]["output"]["format"], "png");
    assert!(fs::read(bench.output().join("really_png.jpg")).unwrap().starts_with(b"\x89PNG"));
    let mode = fs::metadata(bench.quarantine()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_cut_off_file_is_never_published() {
    let bench = Bench::new();
    let sources = [
        "people/scene.jpg",
        "jpeg/progressive.jpg",
        "jpeg/restart.jpg",
        "png/rgb.png",
        "webp/lossy_alpha.webp",
        "webp/lossless.webp",
        "bmp/rgb.bmp",
        "bmp/rle8.bmp",
        "tiff/plain.tif",
        "tiff/packbits.tif",
        "tiff/lzw.tif",
        "tiff/deflate.tif",
        "tiff/big_endian.tif",
        "gif/plain.gif",
        "gif/interlaced.gif",
    ];
    let mut names = Vec::new();
    for source in sources {
        let bytes = fs::read(fixture(source)).unwrap();
        let cuts = (1..10).map(|tenth| bytes.len() * tenth / 10).chain([bytes.len() - 2]);
        for cut in cuts {
            let name = format!("{cut}_{}", name_of(Path::new(source)));
            bench.put(&name, &bytes[..cut]);
            names.push(name);
        }
    }
    let run = bench.redact(&[]);
    assert_eq!(run.code, 1);
    for name in &names {
        // A PNG without the last two bytes of its end chunk has lost nothing of its picture.
        let whole_picture = name.ends_with("rgb.png") && run.code_of(name) == "published";
        let before = upright(&fixture("png/rgb.png"));
        if whole_picture {
            assert_eq!(before.rgb, upright(&bench.output().join(name)).rgb, "{name}");
        } else {
            assert_eq!(run.code_of(name), "corrupt_image", "{name}");
            assert!(!bench.output().join(name).exists());
        }
    }
}

#[test]
fn limits_hold() {
    let bench = Bench::new();
    bench.put("scene.jpg", &scene());
    bench.put("noise.bin", &vec![0x5A; 2 << 20]);
    let run = bench.redact(&["--max-side-px", "639", "--max-encoded-mib", "1"]);
    assert_eq!(run.code_of("scene.jpg"), "dimensions_too_large");
    assert_eq!(run.code_of("noise.bin"), "encoded_too_large");
    assert!(bench.published().is_empty());
}

#[test]
fn an_unreadable_folder_is_named_and_the_rest_goes_on() {
    let bench = Bench::new();
    bench.put("open/scene.jpg", &scene());
    bench.put("closed/scene.jpg", &scene());
    let dir = bench.dir.path();
    for path in [dir.to_owned(), bench.input(), bench.input().join("open")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(bench.input().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    // Root reads everything, so the program runs as nobody, from a place that nobody can reach.
    let program = dir.join("obscura");
    fs::copy(env!("CARGO_BIN_EXE_obscura"), &program).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.join("libonnxruntime.so");
    fs::copy(root.join(".setup/onnxruntime/libonnxruntime.so"), &library).unwrap();
    fs::create_dir(dir.join("models")).unwrap();
    for entry in fs::read_dir(root.join("models")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, dir.join("models").join(path.file_name().unwrap())).unwrap();
        }
    }
    let is_root = fs::metadata("/proc/self").map(|facts| std::os::unix::fs::MetadataExt::uid(&facts) == 0).unwrap();
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    } else {
        fs::set_permissions(bench.input().join("closed"), fs::Permissions::from_mode(0o000)).unwrap();
        Command::new(&program)
    };
    let output =
        command.arg("redact").arg(bench.input()).arg("--out").arg(bench.output()).arg("--json").output().unwrap();
    fs::set_permissions(bench.input().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    let run = Run::new(output);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(run.code_of("closed"), "unreadable");
    assert_eq!(run.code_of("open/scene.jpg"), "published");
}

#[test]
fn links_are_followed_inside_the_folder_only() {
    let bench = Bench::new();
    bench.put("real.jpg", &scene());
    let outside = bench.dir.path().join("outside.jpg");
    fs::write(&outside, scene()).unwrap();
    symlink(&outside, bench.input().join("out_of_it.jpg")).unwrap();
    symlink(bench.input().join("real.jpg"), bench.input().join("within.jpg")).unwrap();
    symlink("nowhere.jpg", bench.input().join("broken.jpg")).unwrap();
    symlink(bench.input(), bench.input().join("loop")).unwrap();
    let run = bench.redact(&[]);
    assert_eq!(run.code, 1);
    assert_eq!(run.code_of("out_of_it.jpg"), "link_outside_input");
    assert_eq!(run.code_of("broken.jpg"), "unreadable");
    assert_eq!(run.code_of("within.jpg"), "published");
    assert_eq!(run.summary()["photos"], 4, "the loop is not followed");
}

#[test]
fn a_pipe_does_not_hang_the_run() {
    let bench = Bench::new();
    assert!(Command::new("mkfifo").arg(bench.input().join("pipe.jpg")).status().unwrap().success());
    let run = bench.redact(&[]);
    assert_eq!(run.code_of("pipe.jpg"), "unreadable");
}

#[test]
fn any_file_name_is_kept() {
    let bench = Bench::new();
    let names: [&[u8]; 5] =
        [b"with space #1.jpg", b"new\nline.jpg", b"bytes\xff\xfe.jpg", "grüße 東京.jpg".as_bytes(), b"-o.jpg"];
    for name in names {
        fs::write(bench.input().join(OsStr::from_bytes(name)), scene()).unwrap();
    }
    let long = "l".repeat(251) + ".jpg";
    fs::write(bench.input().join(&long), scene()).unwrap();
    let run = bench.redact(&[]);
    assert_eq!(run.code, 0, "{:?}", run.lines);
    for name in names.into_iter().chain([long.as_bytes()]) {
        assert!(bench.output().join(OsStr::from_bytes(name)).is_file());
    }
    // Nothing a terminal would act on is printed.
    assert!(run.lines.iter().all(|line| !line["path"].as_str().unwrap_or("").contains('\n')));
}

#[test]
fn one_name_in_two_folders_is_two_photos() {
    let bench = Bench::new();
    bench.put("a/photo.jpg", &scene());
    bench.put("b/photo.jpg", &fs::read(fixture("jpeg/444.jpg")).unwrap());
    // Below one folder the names differ.
    assert_eq!(bench.redact(&[]).code, 0);
    assert_eq!(bench.published().len(), 4);
    // Named one by one they would not.
    let output = bench.dir.path().join("out2");
    let run = obscura()
        .arg("redact")
        .args([bench.input().join("a"), bench.input().join("b"), bench.input().join("a/photo.jpg")])
        .arg("--out")
        .arg(&output)
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&run.stderr).contains("same name"));
    let sizes: Vec<_> = ["a/photo.jpg", "b/photo.jpg"].map(|name| upright(&output.join(name)).size.width).into();
    assert_eq!(sizes, [640, 203]);
}

#[test]
fn output_inside_the_input_is_not_read_again() {
    let bench = Bench::new();
    bench.put("scene.jpg", &scene());
    let output = bench.input().join("redacted");
    for _ in 0..2 {
        let run = obscura().arg("redact").arg(bench.input()).arg("--out").arg(&output).arg("--json").output().unwrap();
        let run = Run::new(run);
        assert_eq!((run.code, &run.summary()["photos"]), (0, &1.into()));
    }
}

#[test]
fn originals_are_never_replaced() {
    let bench = Bench::new();
    let path = bench.put("scene.jpg", &scene());
    let inputs = [bench.input(), path.clone()];
    for input in inputs {
        let run = obscura().arg("redact").arg(&input).arg("--out").arg(bench.input()).output().unwrap();
        assert_eq!(run.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&run.stderr).contains("would replace the original"));
        assert_eq!(fs::read(&path).unwrap(), scene());
    }
}

#[test]
fn a_full_disk_leaves_no_half_photo() {
    let bench = Bench::new();
    bench.put("scene.png", &fs::read(fixture("people/scene.png")).unwrap());
    bench.put("tiny.jpg", &fs::read(fixture("jpeg/tiny_8.jpg")).unwrap());
    let small = bench.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    // A file system of 64 kB that exists for this command alone.
    let script = format!(
        "mount -t tmpfs -o size=64k none '{small}' && '{program}' redact '{input}' --out '{small}/out' --json; \
         code=$?; find '{small}/out' -type f -printf '%P %s\\n' >&2; exit $code",
        small = small.display(),
        program = env!("CARGO_BIN_EXE_obscura"),
        input = bench.input().display(),
    );
    let output = Command::new("unshare").args(["--map-root-user", "--mount", "sh", "-c", &script]).output().unwrap();
    let run = Run::new(output);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert_eq!(run.code_of("scene.png"), "store_failed");
    assert_eq!(run.code_of("tiny.jpg"), "published");
    let left: Vec<_> = run.stderr.lines().filter(|line| !line.starts_with('[')).collect();
    assert!(left.len() == 1 && left[0].starts_with("tiny.jpg "), "{left:?}");
}

#[test]
fn a_photo_that_fails_now_leaves_nothing_of_an_earlier_success() {
    let bench = Bench::new();
    let path = bench.put("scene.jpg", &scene());
    assert_eq!(bench.redact(&[]).code, 0);
    assert_eq!(bench.published().len(), 2);
    fs::write(&path, &scene()[..5000]).unwrap();
    assert_eq!(bench.redact(&[]).code, 1);
    assert!(bench.published().is_empty());
    assert!(bench.quarantine().join("scene.jpg.quarantine.json").exists());
    fs::write(&path, scene()).unwrap();
    assert_eq!(bench.redact(&[]).code, 0);
    assert!(!bench.quarantine().join("scene.jpg.quarantine.json").exists());
}

#[test]
fn originals_go_to_quarantine_on_request_only() {
    let bench = Bench::new();
    bench.put("cut.jpg", &scene()[..5000]);
    bench.redact(&[]);
    assert_eq!(files_below(&bench.quarantine()).len(), 1);
    bench.redact(&["--keep-original"]);
    assert_eq!(fs::read(bench.quarantine().join("cut.jpg")).unwrap(), &scene()[..5000]);
    let mode = fs::metadata(bench.quarantine().join("cut.jpg")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
