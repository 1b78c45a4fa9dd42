//! Obscuring what was found, and proving it on the encoded result.
//!
//! A [`RedactedPhoto`] can only be made here, from a complete [`DetectionReport`] and after verification; storage
//! accepts nothing else.

mod plan;
mod receipt;
mod style;
mod thumbnail;
mod verify;

use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use self::{
    plan::{ClassPolicy, PlannedRegion, RedactionPolicy, plan_regions},
    receipt::{
        DetectedRegion, Maker, ModelFacts, OutputFacts, RECEIPT_KIND, RECEIPT_SCHEMA, Receipt, RedactedRegion,
        SourceFacts, Threshold, Times, ViewFacts,
    },
    style::{Obscured, Style},
    thumbnail::thumbnail,
};
use crate::{
    detect::DetectionReport,
    error::{ErrorCode, PhotoResult, Stage},
    photo::{self, Limits, Photo},
    pipeline::StageClock,
};

/// A photo that was checked, obscured, encoded and verified.
#[derive(Debug)]
pub struct RedactedPhoto {
    bytes: Bytes,
    receipt: Receipt,
}

impl RedactedPhoto {
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same bytes, shared.
    #[must_use]
    pub fn shared_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    #[must_use]
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    #[must_use]
    pub fn into_receipt(self) -> Receipt {
        self.receipt
    }
}

/// Obscure everything in `report`, encode, and verify the encoded bytes.
///
/// # Errors
/// `encode_failed`, `verify_failed`, `internal_error`.
pub fn redact(
    mut photo: Box<dyn Photo>,
    source: SourceFacts,
    report: &DetectionReport,
    policy: &RedactionPolicy,
    maker: &Maker,
    limits: &Limits,
    clock: &mut StageClock,
) -> PhotoResult<RedactedPhoto> {
    let upright = photo.upright_size();
    let evidence = clock.run(Stage::Redact, || obscure(photo.as_mut(), report, policy))?;
    let bytes = encode_verified(photo, &evidence, limits, clock)?;
    let receipt = Receipt {
        kind: RECEIPT_KIND,
        schema: RECEIPT_SCHEMA,
        maker: maker.clone(),
        policy: *policy,
        output: OutputFacts { sha256: sha256_hex(&bytes), bytes: bytes.len() as u64, format: source.format },
        source,
        regions: report
            .detections()
            .iter()
            .filter_map(|found| {
                let rect = found.area.to_rect(upright)?;
                Some(DetectedRegion { class: found.class, rect, score: found.score })
            })
            .collect(),
        redacted: evidence
            .iter()
            .map(|item| RedactedRegion { rect: item.region.rect, style: item.region.style })
            .collect(),
        models: report.models().to_vec(),
        views: report.views(),
        timings_ms: clock.timings_ms(),
        times: Times { started: clock.started(), finished: chrono::Utc::now() },
    };
    Ok(RedactedPhoto { bytes: bytes.into(), receipt })
}

/// Encode, and open what came out to verify it; once more, and finer, where that failed and the format has a finer way.
fn encode_verified(
    mut photo: Box<dyn Photo>,
    evidence: &[verify::Evidence],
    limits: &Limits,
    clock: &mut StageClock,
) -> PhotoResult<Vec<u8>> {
    let upright = photo.upright_size();
    let unlimited = Limits { max_encoded_bytes: u64::MAX, ..*limits };
    loop {
        let bytes = clock.run(Stage::Encode, || photo.encode())?;
        let mut kept = Some(photo);
        let verified = clock.run(Stage::Verify, || {
            let reopened = kept.as_ref().and_then(|photo| photo.reopen(&bytes));
            // Otherwise the pixels are not needed any more; verification decodes a photo of the same size.
            kept = kept.take().filter(|photo| photo.can_refine());
            let published = reopened.unwrap_or_else(|| photo::open(&bytes, &unlimited));
            let published = published.map_err(|error| error.at(Stage::Verify))?;
            verify::verify(published.as_ref(), upright, evidence)
        });
        match (verified, kept) {
            (Ok(()), _) => return Ok(bytes),
            (Err(error), Some(mut coarse)) if error.code == ErrorCode::VerifyFailed => {
                coarse.refine();
                photo = coarse;
            }
            (Err(error), _) => return Err(error),
        }
    }
}

/// Paint every region. Cells are taken from the photo as it came, so that no region restores what another removed.
fn obscure(
    photo: &mut dyn Photo,
    report: &DetectionReport,
    policy: &RedactionPolicy,
) -> PhotoResult<Vec<verify::Evidence>> {
    let regions = plan_regions(report.detections(), policy, photo.upright_size(), |rect| photo.align(rect));
    let mut obscured = Vec::with_capacity(regions.len());
    let mut originals = Vec::with_capacity(regions.len());
    for region in regions {
        let original = photo.view(region.rect.into(), region.rect.size(), 0)?;
        let style = photo.style(region.style);
        obscured.push(Obscured::in_steps(region.rect, style, region.cells, photo.cell_step(), &original));
        originals.push(original);
    }
    photo.obscure(&obscured)?;
    let intended: Vec<_> =
        obscured.iter().map(|region| photo.intended(region.rect, &obscured)).collect::<PhotoResult<_>>()?;
    let shown = originals.into_iter().zip(intended);
    let evidence = obscured.into_iter().zip(shown);
    Ok(evidence.map(|(region, (original, intended))| verify::Evidence { region, original, intended }).collect())
}

/// Lower-case hexadecimal SHA-256.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
