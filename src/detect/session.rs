//! ONNX Runtime: loading the library, making sessions, and running one model on a batch of views.

use std::path::Path;

use ort::{
    environment::Environment,
    ep,
    session::{HasSelectedOutputs, OutputSelector, RunOptions, Session},
    value::TensorRef,
};
use serde::{Deserialize, Serialize};

use super::{
    Candidate, Detector,
    families::{Found, OutputTensor},
    input::InputRoom,
    manifest::{ModelSpec, VerifiedModel},
    shapes::Shapes,
};
use crate::{
    error::{ErrorCode, FatalError, PhotoError, PhotoResult, Stage},
    geometry::Size,
    photo::RgbView,
};

/// Where inference runs. What is asked for and missing is fatal: there is no silent fall-back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionProvider {
    Cpu,
    Cuda,
    Tensorrt,
    Openvino,
}

impl ExecutionProvider {
    fn dispatch(self) -> ep::ExecutionProviderDispatch {
        match self {
            Self::Cpu => ep::CPU::default().with_arena_allocator(true).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::Tensorrt => ep::TensorRT::default().build(),
            Self::Openvino => ep::OpenVINO::default().build(),
        }
        .error_on_failure()
    }
}

/// The environment variable, and its value, without which ONNX Runtime calls home (src/cli/silent.rs).
pub const TELEMETRY_SWITCH: (&str, &str) = ("ORT_DISABLE_TELEMETRY", "1");

/// Whether ONNX Runtime stays silent in this process.
#[must_use]
pub fn is_telemetry_off() -> bool {
    let (name, value) = TELEMETRY_SWITCH;
    std::env::var_os(name).is_some_and(|found| found == value)
}

/// The loaded ONNX Runtime library. One a process.
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Load the library from `path`, silent.
    ///
    /// # Errors
    /// If the library is missing, of another version or already loaded, or would call home.
    pub fn load(path: &Path) -> Result<Self, FatalError> {
        let fatal = |error: &dyn std::fmt::Display| {
            FatalError::new(
                format!("cannot load ONNX Runtime from `{}`: {error}", path.display()),
                "run `make setup`, or set `models.onnxruntime_library` to libonnxruntime.so 1.31 or later",
            )
        };
        if !is_telemetry_off() {
            let (name, value) = TELEMETRY_SWITCH;
            return Err(FatalError::new(
                "expected the telemetry of ONNX Runtime to be off, found it on",
                format!("set the environment variable `{name}` to `{value}` before the process starts"),
            ));
        }
        let builder = ort::init_from(path).map_err(|error| fatal(&error))?;
        let environment = builder.with_name("obscura").with_telemetry(false).build().map_err(|error| fatal(&error))?;
        Ok(Self { environment })
    }

    /// A detector with a session of its own, which runs on the calling thread alone.
    ///
    /// # Errors
    /// If the model is not understood or an execution provider is missing.
    pub fn detector(
        &self,
        model: &VerifiedModel,
        providers: &[ExecutionProvider],
        max_batch: usize,
    ) -> Result<OrtDetector, FatalError> {
        let name = &model.spec.name;
        let session = self.session(&model.bytes, providers).map_err(|error| {
            FatalError::new(
                format!("cannot start model `{name}` on {providers:?}: {error}"),
                "asking for an execution provider that the ONNX Runtime library lacks is fatal; change \
                 `detect.execution_providers`, or point `models.onnxruntime_library` to a library that has it",
            )
        })?;
        let outputs: Vec<String> = match model.spec.family.output_names() {
            Some(names) => names.iter().map(|&name| name.to_owned()).collect(),
            None => session.outputs().iter().map(|output| output.name().to_owned()).collect(),
        };
        let mut selector = OutputSelector::no_default();
        for output in &outputs {
            selector = selector.with(output.as_str());
        }
        let options = RunOptions::new()
            .map(|options| options.with_outputs(selector))
            .map_err(|error| FatalError::new(format!("model `{name}`: {error}"), "report this"))?;
        let on_cores = providers.first() == Some(&ExecutionProvider::Cpu);
        let mut spec = model.spec.clone();
        let declared = DeclaredInput::of(&session).map_err(|why| {
            FatalError::new(
                format!("model `{name}`: {why}"),
                "export it with one float32 input `[batch, 3, height, width]`",
            )
        })?;
        if spec.input.name.is_empty() {
            spec.input.name.clone_from(&declared.name);
        }
        if let Some(size) = declared.size.filter(|size| size.width.min(size.height) < spec.tile_px) {
            return Err(FatalError::new(
                format!("model `{name}`: its input is fixed to {} x {} pixels", size.width, size.height),
                format!("set `tile_px = {}`", size.width.min(size.height)),
            ));
        }
        let shapes = Shapes::new(&spec, max_batch, on_cores, declared.size);
        let has_batches = spec.family.has_batches() && !declared.takes_one;
        let input = input_room(&session, &spec, &shapes, providers);
        Ok(OrtDetector { spec, session, options, outputs, shapes, has_batches, input })
    }

    fn session(&self, model: &[u8], providers: &[ExecutionProvider]) -> Result<Session, ort::Error> {
        let dispatches: Vec<_> = providers.iter().map(|provider| provider.dispatch()).collect();
        // One thread a session: photos run side by side. Views of many sizes make planned memory patterns a waste.
        Session::builder(&self.environment)?
            .with_intra_threads(1)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_memory_pattern(false)?
            .with_execution_providers(dispatches)?
            .commit_from_memory(model)
    }
}

/// Where a session's inputs are written. Without pinned memory an accelerator is slower, and finds the same.
fn input_room(session: &Session, spec: &ModelSpec, shapes: &Shapes, providers: &[ExecutionProvider]) -> InputRoom {
    if !matches!(providers.first(), Some(ExecutionProvider::Cuda | ExecutionProvider::Tensorrt)) {
        return InputRoom::Heap(Vec::new());
    }
    let values = shapes.all().into_iter().map(|(count, size)| count * 3 * size.pixels() as usize).max();
    InputRoom::pinned(session, values.unwrap_or(0)).unwrap_or_else(|error| {
        tracing::warn!(model = spec.name, %error, "no memory that the accelerator can read by itself");
        InputRoom::Heap(Vec::new())
    })
}

/// What a model file says of its input.
struct DeclaredInput {
    name: String,
    /// Where height and width are fixed.
    size: Option<Size>,
    /// Whether the batch is fixed to one.
    takes_one: bool,
}

impl DeclaredInput {
    fn of(session: &Session) -> Result<Self, String> {
        let [input] = session.inputs() else {
            return Err(format!("expected one input, found {}", session.inputs().len()));
        };
        let shape = input.dtype().tensor_shape().map(|shape| shape.to_vec()).unwrap_or_default();
        let &[batch, _, height, width] = shape.as_slice() else {
            return Err(format!("expected an input of 4 sides, found {shape:?}"));
        };
        let side = |length: i64| u32::try_from(length).ok().filter(|&length| length > 0);
        let size = side(width).zip(side(height)).map(|(width, height)| Size::new(width, height));
        Ok(Self { name: input.name().to_owned(), size, takes_one: batch == 1 })
    }
}

/// A model in an ONNX Runtime session.
pub struct OrtDetector {
    spec: ModelSpec,
    session: Session,
    options: RunOptions<HasSelectedOutputs>,
    outputs: Vec<String>,
    shapes: Shapes,
    /// Otherwise views go one by one.
    has_batches: bool,
    /// Reused from batch to batch.
    input: InputRoom,
}

/// As many candidates in one view, of a score that usually counts, are no picture of people or cars, but a failure to tell anything apart.
const MAX_CANDIDATES: usize = 20_000;

impl Detector for OrtDetector {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn detect(&mut self, batch: &[RgbView], min_score: f32) -> PhotoResult<Vec<Vec<Candidate>>> {
        let together = if self.has_batches { batch.len().max(1) } else { 1 };
        let mut answers = Vec::with_capacity(batch.len());
        for views in batch.chunks(together) {
            answers.extend(self.detect_together(views, min_score)?);
        }
        Ok(answers)
    }

    fn warm_up(&mut self) -> PhotoResult<()> {
        for (count, size) in self.shapes.all() {
            let grey = RgbView { size, rgb: vec![128; size.pixels() as usize * 3] };
            self.detect(&vec![grey; count], self.spec.min_score)?;
        }
        Ok(())
    }

    fn bucket(&self) -> Box<dyn Fn(Size) -> Size + Send + Sync> {
        let shapes = self.shapes.clone();
        Box::new(move |view| shapes.view(view))
    }
}

impl OrtDetector {
    /// One run of the session.
    fn detect_together(&mut self, batch: &[RgbView], min_score: f32) -> PhotoResult<Vec<Vec<Candidate>>> {
        let Some(first) = batch.first() else { return Ok(Vec::new()) };
        let failed = |detail: String| PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail);
        let name = &self.spec.name;
        let padded = self.shapes.view(first.size);
        if batch.iter().any(|view| self.shapes.view(view.size) != padded) {
            return Err(failed(format!("model `{name}`: views of one batch differ in size")));
        }
        // An accelerator prepares for each shape that it meets, so there are few of them.
        let count = if self.has_batches { self.shapes.batch(batch.len()) } else { 1 };
        let shape = [count as i64, 3, i64::from(padded.height), i64::from(padded.width)];
        let tensor = self.input.fill(batch, count, padded, &self.spec.input);
        let tensor = tensor
            .and_then(|input| TensorRef::from_array_view((shape, input)))
            .map_err(|error| failed(format!("model `{name}`: {error}")))?;
        let inputs = ort::inputs![self.spec.input.name.as_str() => tensor];
        let outputs = self
            .session
            .run_with_options(inputs, &self.options)
            .map_err(|error| failed(format!("model `{name}`: {error}")))?;

        let mut tensors = Vec::new();
        for output in &self.outputs {
            let value =
                outputs.get(output).ok_or_else(|| failed(format!("model `{name}` gave no output `{output}`")))?;
            let (shape, data) = value
                .try_extract_tensor::<f32>()
                .map_err(|error| failed(format!("model `{name}`, output `{output}`: {error}")))?;
            check_finite(data).map_err(|why| failed(format!("model `{name}`, output `{output}`: {why}")))?;
            let mut shape: Vec<usize> = shape.iter().map(|&side| usize::try_from(side).unwrap_or(0)).collect();
            if self.spec.family.has_batches() {
                if shape.first() != Some(&count) {
                    return Err(failed(format!("model `{name}`, output `{output}` has shape {shape:?}")));
                }
                shape[0] = 1;
            }
            tensors.push((shape, data));
        }
        (0..batch.len())
            .map(|index| {
                let item: Vec<OutputTensor<'_>> = tensors
                    .iter()
                    .map(|(shape, data)| {
                        let length = data.len() / count;
                        OutputTensor { shape, data: &data[index * length..(index + 1) * length] }
                    })
                    .collect();
                let found = self.spec.family.decode(&item, &self.spec, padded, min_score);
                let found = found.map_err(|detail| failed(format!("model `{name}`: {detail}")))?;
                let found = found.into_iter().filter_map(|found| candidate(&self.spec, found)).collect();
                check_candidates(name, found, self.spec.min_score)
            })
            .collect()
    }
}

/// None for a class that is not looked for.
fn candidate(spec: &ModelSpec, Found { label, area, score }: Found) -> Option<Candidate> {
    spec.class_of(label).map(|class| Candidate { class, area, score })
}

/// A network that went wrong anywhere in a view may have missed something anywhere in it.
fn check_finite(data: &[f32]) -> Result<(), String> {
    match data.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(format!("expected finite values, found {} at {at}", data[at])),
    }
}

/// # Errors
/// `detector_failed` for a box that is no box, `detector_overflow` for too many.
fn check_candidates(name: &str, found: Vec<Candidate>, usual_score: f32) -> PhotoResult<Vec<Candidate>> {
    let many = found.iter().filter(|candidate| candidate.score >= usual_score).count();
    if many >= MAX_CANDIDATES {
        let detail = format!("model `{name}`: expected fewer than {MAX_CANDIDATES} candidates, found {many}");
        return Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorOverflow, detail));
    }
    if found.iter().any(|candidate| !candidate.area.is_finite()) {
        let detail = format!("model `{name}` gave a box that is not finite");
        return Err(PhotoError::new(Stage::Detect, ErrorCode::DetectorFailed, detail));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{super::Class, *};
    use crate::geometry::BoxF;

    #[test]
    fn answers_that_are_no_answers_are_errors() {
        let one = Candidate { class: Class::Face, area: BoxF { x0: 0.0, y0: 0.0, x1: 1.0, y1: 1.0 }, score: 0.5 };
        assert_eq!(check_candidates("m", vec![one; 5], 0.5).unwrap().len(), 5);
        let many = check_candidates("m", vec![one; MAX_CANDIDATES], 0.5).unwrap_err();
        assert_eq!(many.code, ErrorCode::DetectorOverflow);
        assert!(check_candidates("m", vec![one; MAX_CANDIDATES], 0.6).is_ok(), "signs may be many");
        assert!(check_finite(&[0.0, 1.0]).is_ok());
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(check_finite(&[0.0, value]).is_err());
        }
        let endless = Candidate { area: BoxF { x1: f32::INFINITY, ..one.area }, ..one };
        assert_eq!(check_candidates("m", vec![endless], 0.5).unwrap_err().code, ErrorCode::DetectorFailed);
    }
}
