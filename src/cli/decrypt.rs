//! `obscura decrypt`: read what a store with envelope encryption holds.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use obscura::{
    error::FatalError,
    trust::{ENVELOPE_SUFFIX, Envelope, read_project_keys},
};

use super::{EXIT_QUARANTINED, Stop, files::create, report::print_problem};

/// Decrypt an object of a store with `encryption = "envelope"`
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  obscura decrypt photo.jpg --project-key street.key --out clear.jpg

Takes the wrapped key from `photo.jpg.key.json`, as it lies beside the object in the store. The format: docs/envelope.md.

Exit codes: 0 decrypted, 1 object, envelope and keys do not belong together, 2 usage, or a file cannot be read or written.")]
pub struct DecryptArgs {
    /// The object as it lies in the store
    #[arg(value_name = "OBJECT")]
    object: PathBuf,

    /// Where the photo goes; a file that is there is not replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The project's key; while keys are changed, the older one too
    #[arg(long = "project-key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,

    /// The object with the wrapped key [default: <OBJECT>.key.json]
    #[arg(long, value_name = "FILE")]
    envelope: Option<PathBuf>,
}

pub fn run(args: DecryptArgs) -> Result<ExitCode, Stop> {
    let keys = read_project_keys(&args.keys).map_err(|(path, error)| {
        FatalError::new(
            format!("cannot read the project key `{}`: {error}", path.display()),
            "a key is 32 random bytes in base64, as `openssl rand -base64 32` makes them",
        )
    })?;
    let sealed = read(&args.object)?;
    let envelope = read(&args.envelope.unwrap_or_else(|| beside(&args.object)))?;
    let opened = Envelope::read(&envelope).and_then(|envelope| envelope.unwrap_key(&keys)?.open(&sealed));
    match opened {
        Ok(photo) => {
            write_new(&args.out, &photo)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problem) => {
            print_problem(&problem.to_string(), problem.hint());
            Ok(ExitCode::from(EXIT_QUARANTINED))
        }
    }
}

fn beside(object: &Path) -> PathBuf {
    let mut name = OsString::from(object);
    name.push(ENVELOPE_SUFFIX);
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Vec<u8>, FatalError> {
    fs::read(path)
        .map_err(|error| FatalError::new(format!("cannot read `{}`: {error}", path.display()), "check the path"))
}

fn write_new(path: &Path, photo: &[u8]) -> Result<(), FatalError> {
    create(path, photo, 0o600).map_err(|error| {
        FatalError::new(format!("cannot write `{}`: {error}", path.display()), "choose a name that is not taken")
    })
}
