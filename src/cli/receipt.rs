//! `obscura receipt`: keys that sign receipts, and checking a receipt against its photo.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};
use obscura::{
    error::FatalError,
    trust::{CheckedReceipt, PublicKeys, check_receipt, new_key_pair},
};
use serde_json::{Value, json};

use super::{
    EXIT_QUARANTINED, Stop,
    files::create,
    report::{print_problem, say},
};

const EXAMPLES: &str = "\
Examples:
  obscura receipt keygen --private receipt.key --public receipt.pub
  obscura receipt verify redacted/photo.jpg.receipt.json --photo redacted/photo.jpg --key receipt.pub
  obscura receipt verify event.json --photo photo.jpg --source upload.jpg --key old.pub --key new.pub";

const VERIFY_HELP: &str = "\
Takes a receipt as Obscura wrote it, or a photo.redacted event with a receipt inside. Name every public key that may have
signed: after a change of keys the old one goes on proving the older receipts.

Exit codes: 0 the receipt is genuine and of this photo, 1 it is not, 2 usage, or a file cannot be read.";

/// Make keys that sign receipts, or check a receipt
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReceiptArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a pair of Ed25519 keys in PEM
    Keygen(KeygenArgs),
    /// Check a receipt's signature, and that it is of this photo
    Verify(VerifyArgs),
}

#[derive(Debug, Args)]
struct KeygenArgs {
    /// Where the private key goes, for `receipts.key_file`; readable by you alone
    #[arg(long, value_name = "FILE", default_value = "receipt.key")]
    private: PathBuf,

    /// Where the public key goes, for everybody who checks
    #[arg(long, value_name = "FILE", default_value = "receipt.pub")]
    public: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
struct VerifyArgs {
    /// The receipt
    #[arg(value_name = "RECEIPT")]
    receipt: PathBuf,

    /// The redacted photo
    #[arg(long, value_name = "FILE")]
    photo: PathBuf,

    /// The photo as it came
    #[arg(long, value_name = "FILE")]
    source: Option<PathBuf>,

    /// A public key in PEM; give it more than once after a change of keys
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,

    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub fn run(args: ReceiptArgs) -> Result<ExitCode, Stop> {
    Ok(match args.action {
        Action::Keygen(args) => keygen(&args)?,
        Action::Verify(args) => verify(&args)?,
    })
}

fn keygen(args: &KeygenArgs) -> Result<ExitCode, FatalError> {
    let (private, public, id) = new_key_pair().map_err(|_| {
        FatalError::new("the system gives no random numbers", "try again later; no key is better than a weak one")
    })?;
    write_new(&args.private, &private, 0o600)?;
    if let Err(error) = write_new(&args.public, &public, 0o644) {
        // Half a pair is of no use, and would be in the way of the next attempt.
        let _ = fs::remove_file(&args.private);
        return Err(error);
    }
    say(format_args!("key {id}: private {}, public {}", args.private.display(), args.public.display()));
    Ok(ExitCode::SUCCESS)
}

/// Keys are never replaced.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), FatalError> {
    create(path, text.as_bytes(), mode).map_err(|error| {
        FatalError::new(
            format!("cannot write the key `{}`: {error}", path.display()),
            "choose a name that is not taken; keys are never replaced",
        )
    })
}

fn verify(args: &VerifyArgs) -> Result<ExitCode, FatalError> {
    let keys = PublicKeys::read(&args.keys).map_err(|error| FatalError::new(error.to_string(), error.hint()))?;
    let receipt = read(&args.receipt, "receipt")?;
    let photo = read(&args.photo, "photo")?;
    let source = args.source.as_deref().map(|path| read(path, "source")).transpose()?;
    match check_receipt(&receipt, Some(&photo), source.as_deref(), &keys) {
        Ok(checked) => {
            tell(&checked, source.is_some(), args.json);
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            if args.json {
                say(json!({"genuine": false, "problem": problem.to_string()}));
            }
            print_problem(&problem.to_string(), problem.hint());
            Ok(ExitCode::from(EXIT_QUARANTINED))
        }
    }
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, FatalError> {
    fs::read(path).map_err(|error| {
        FatalError::new(format!("cannot read the {what} `{}`: {error}", path.display()), "check the path")
    })
}

fn tell(checked: &CheckedReceipt, with_source: bool, json: bool) {
    let CheckedReceipt { key_id, receipt } = checked;
    if json {
        say(json!({"genuine": true, "key_id": key_id, "source_checked": with_source, "receipt": receipt}));
        return;
    }
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let count = receipt["redacted"].as_array().map_or(0, Vec::len);
    say(format_args!("genuine: signed with the key {key_id}"));
    say(format_args!("  photo     {}, {count} regions redacted", text(&receipt["output"]["sha256"])));
    let note = if with_source { "" } else { " (not compared: no --source)" };
    say(format_args!("  source    {}{note}", text(&receipt["source"]["sha256"])));
    say(format_args!("  pipeline  {}, obscura {}", text(&receipt["pipeline"]), text(&receipt["version"])));
    say(format_args!("  region    {}", text(&receipt["region"])));
    say(format_args!("  finished  {}", text(&receipt["times"]["finished"])));
}
