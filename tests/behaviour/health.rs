//! The shipped models find the known face and the known plate, with room to spare.

use std::path::Path;

use obscura::detect::{Class, Detector, ExecutionProvider, Manifest, Runtime, check_health, known_object};

/// The only test of this binary that may load the runtime: one a process.
#[test]
fn shipped_models_find_the_known_objects() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let runtime = Runtime::load(&root.join(".setup/onnxruntime/libonnxruntime.so")).unwrap();
    let manifest = Manifest::load(&root.join("models")).unwrap();
    for class in Class::REQUIRED {
        let model = manifest.read_verified(manifest.model_for(class, None).unwrap()).unwrap();
        let mut detector = runtime.detector(&model, &[ExecutionProvider::Cpu], 1).unwrap();
        check_health(&mut detector).unwrap();

        let known = known_object(class);
        let found = detector.detect(&[known.picture], 0.05).unwrap().remove(0);
        let fitting = found.iter().filter(|candidate| candidate.area.iou(known.area) >= 0.4);
        let score = fitting.map(|candidate| candidate.score).fold(0.0, f32::max);
        println!("{class}: {score:.3}");
        assert!(score >= 0.8, "{class}: {score}");
    }
}
