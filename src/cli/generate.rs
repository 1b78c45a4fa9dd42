//! What a release brings beside the program: completions for shells, and man pages. Made from the command line itself.

use std::{fs, io, path::PathBuf, process::ExitCode};

use clap::{Args, Command};
use clap_complete::Shell;
use obscura::error::FatalError;

use super::Stop;

/// Print completions for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    shell: Shell,
}

/// Write a man page of every command
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages
    dir: PathBuf,
}

pub fn completions(args: CompletionsArgs, mut command: Command) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "obscura", &mut text);
    // Nobody is told of a pipe that was closed.
    let _ = io::Write::write_all(&mut io::stdout().lock(), &text);
    ExitCode::SUCCESS
}

pub fn man(args: ManArgs, command: Command) -> Result<ExitCode, Stop> {
    let written = fs::create_dir_all(&args.dir).and_then(|()| clap_mangen::generate_to(command, &args.dir));
    written.map_err(|error| {
        let message = format!("cannot write man pages into `{}`: {error}", args.dir.display());
        FatalError::new(message, "name a folder that this user may write")
    })?;
    Ok(ExitCode::SUCCESS)
}
