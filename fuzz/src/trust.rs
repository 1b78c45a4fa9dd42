//! What signed documents, logs and sealed objects promise, whatever they hold.

use std::{fs, sync::LazyLock};

use obscura::trust::{
    Envelope, ObjectKey, ProjectKey, PublicKeys, SigningKey,
    audit::{AUDIT_PREFIX, Action, AuditJournal, Segments, verify_chains},
    canonical, check_receipt, new_key_pair, read_project_keys, read_strictly, sign,
};
use serde_json::{Value, json};

struct Keys {
    signing: SigningKey,
    public: PublicKeys,
    project: Vec<ProjectKey>,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).expect("a temporary file");
        path
    };
    let (private, public, _) = new_key_pair().expect("random numbers");
    let signing = SigningKey::read(&file("private", &private)).expect("a key");
    let public = PublicKeys::read(&[file("public", &public)]).expect("a key");
    // 32 bytes in base64.
    let project = file("project", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=");
    Keys { signing, public, project: read_project_keys(&[project]).expect("a key") }
});

/// Nothing that was not signed is believed. What is an object proves what it says once it is signed, in any layout, and
/// nothing else.
///
/// # Panics
/// Where a promise is broken.
pub fn receipt_keeps_its_contract(bytes: &[u8]) {
    let keys = &*KEYS;
    assert!(check_receipt(bytes, None, None, &keys.public).is_err(), "nobody signed it");
    let Ok(Value::Object(mut document)) = read_strictly(bytes) else { return };
    let form = canonical(&document).expect("what was read can be written");
    let again = read_strictly(&form).expect("what was written can be read");
    assert_eq!(canonical(&again).expect("and written again"), form);
    document.remove("specversion");
    for (name, value) in [("kind", json!("obscura.receipt")), ("schema", json!(1)), ("signature", json!(null))] {
        document.insert(name.into(), value);
    }
    for (name, content) in [("output", b"photo"), ("source", b"other")] {
        document.insert(name.into(), json!({ "sha256": obscura::redact::sha256_hex(content) }));
    }
    let signed = sign(Value::Object(document), &keys.signing).expect("an object can be signed");
    let check = |signed: &Value, photo: &[u8]| {
        check_receipt(&serde_json::to_vec_pretty(signed).expect("JSON"), Some(photo), Some(b"other"), &keys.public)
    };
    check(&signed, b"photo").expect("what was signed is believed");
    assert!(check(&signed, b"Photo").is_err(), "another photo");
    for name in signed.as_object().into_iter().flat_map(|members| members.keys()) {
        let mut without = signed.clone();
        without[name] = json!({ "another": 1 });
        assert!(without == signed || check(&without, b"photo").is_err(), "`{name}` was changed");
    }
}

/// Nothing that was not sealed opens, and nothing that was changed. The first byte is where to change, the second how.
///
/// # Panics
/// Where a promise is broken.
pub fn envelope_keeps_its_contract(bytes: &[u8]) {
    let keys = &*KEYS;
    if let Ok(envelope) = Envelope::read(bytes) {
        let again = Envelope::read(&envelope.to_json()).expect("what was written can be read");
        assert_eq!(again, envelope);
        if let Ok(key) = envelope.unwrap_key(&keys.project) {
            assert!(key.open(bytes).is_err(), "an envelope is no sealed object");
            assert_eq!(envelope.rewrapped(&keys.project, &keys.project[0]).expect("the key wraps it"), envelope);
        }
    }
    let key = ObjectKey::new("out/photo.jpg").expect("random numbers");
    assert!(key.open(bytes).is_err(), "nobody sealed it");
    let Some((&[at, bits], plain)) = bytes.split_first_chunk::<2>() else { return };
    let mut sealed = key.seal(plain).expect("random numbers");
    assert_eq!(key.open(&sealed).expect("what was sealed opens"), plain);
    let at = usize::from(at) % sealed.len();
    sealed[at] ^= bits;
    assert_eq!(key.open(&sealed).is_ok(), bits == 0, "a changed bit");
    let wrapped = key.envelope(&keys.project[0]).expect("a key");
    let mut json = wrapped.to_json();
    let at = at % json.len();
    json[at] ^= bits;
    if let Ok(changed) = Envelope::read(&json) {
        let again = key.seal(plain).expect("random numbers");
        let opened = changed.unwrap_key(&keys.project).and_then(|other| other.open(&again));
        assert!(changed == wrapped || opened.is_err(), "another envelope opens it");
    }
}

/// A log of ours: two segments.
static LOG: LazyLock<Segments> = LazyLock::new(|| {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut journal = AuditJournal::open(dir.path(), KEYS.signing.clone(), 60, "config").expect("a journal");
    for last in [Action::Refused, Action::Stopped] {
        let records = [Action::OriginalRead, Action::Published, last].map(|action| (action, json!({"photo": "aa"})));
        journal.append(&records).expect("records");
        journal.seal().expect("a segment");
    }
    let worker = journal.worker().to_owned();
    let read = |name: String| fs::read(dir.path().join("audit").join(&name)).map(|bytes| (name, bytes));
    let segments = (0..2).filter_map(|number| read(format!("{number:012}.jsonl")).ok());
    segments.map(|(name, bytes)| (format!("{AUDIT_PREFIX}/{worker}/{name}"), bytes)).collect()
});

/// Any log ends with a report. One of ours is sound, and is not once anything of it is another byte: what to put where
/// stands in the first three bytes. The rest is a segment; its last line is signed if it can be.
///
/// # Panics
/// Where a promise is broken.
pub fn audit_keeps_its_contract(bytes: &[u8]) {
    let keys = &*KEYS;
    let problems = |segments: &Segments| verify_chains(segments, &[], &keys.public, Default::default()).problems.len();
    let sound = &*LOG;
    assert_eq!((sound.len(), problems(sound)), (2, 0), "a log of ours is sound");
    let Some((&[high, low, bits], rest)) = bytes.split_first_chunk::<3>() else { return };
    let mut changed = sound.clone();
    let target = changed.values_mut().nth(usize::from(high) % 2).expect("two segments");
    // The end of the last line says nothing.
    let at = usize::from(u16::from_be_bytes([high, low])) % (target.len() - 1);
    target[at] ^= bits;
    let says_the_same = changed.iter().zip(sound).all(|((_, a), (_, b))| same(a, b));
    assert_eq!(problems(&changed) == 0, says_the_same, "byte {at} was changed by {bits:02x}");

    let mut lines: Vec<Vec<u8>> = rest.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if let Some(last) = lines.last_mut()
        && let Ok(Value::Object(mut document)) = read_strictly(last)
    {
        document.remove("signature");
        *last = sign(Value::Object(document), &keys.signing).expect("an object can be signed").to_string().into_bytes();
    }
    let key = |number: u64| format!("{AUDIT_PREFIX}/aa/{number:012}.jsonl");
    let segment = lines.join(&b'\n');
    let report = verify_chains(
        &Segments::from([(key(0), segment.clone()), (key(u64::from(low)), segment)]),
        &[],
        &keys.public,
        Default::default(),
    );
    assert!(report.problems.len() <= 4 * bytes.len() + 4100, "{} problems", report.problems.len());
}

/// Of lines, but for empty ones and the layout of checkpoints, which are signed in their canonical form.
fn same(a: &[u8], b: &[u8]) -> bool {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| read_strictly(line).ok().and_then(|value| canonical(&value).ok()).unwrap_or(line.to_vec()))
            .collect()
    };
    lines(a) == lines(b)
}
