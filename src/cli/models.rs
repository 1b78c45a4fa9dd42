//! `obscura models`: what is shipped, and whether it is intact.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets::NOTHING};
use obscura::{detect::Manifest, error::FatalError, pipeline::models_dir};

use super::{
    EXIT_USAGE, Stop,
    config_args::ConfigArgs,
    report::{print_problem, say},
};

/// List the models, or verify their files
#[derive(Debug, Args)]
#[command(after_long_help = "Example:\n  obscura models verify && echo intact")]
pub struct ModelsArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print every model with its class, licence, source and hash
    List(ModelsConfig),
    /// Check that every model file is the one that the manifest names
    Verify(ModelsConfig),
}

#[derive(Debug, Args)]
struct ModelsConfig {
    #[command(flatten)]
    config: ConfigArgs,
}

pub fn run(args: ModelsArgs) -> Result<ExitCode, Stop> {
    match args.action {
        Action::List(args) => list(args),
        Action::Verify(args) => verify(args),
    }
}

fn load(args: ModelsConfig) -> Result<(Manifest, bool), Stop> {
    let config = args.config.resolve()?;
    Ok((Manifest::load(&models_dir(&config)?)?, config.json))
}

fn list(args: ModelsConfig) -> Result<ExitCode, Stop> {
    let (manifest, json) = load(args)?;
    if json {
        for model in &manifest.models {
            say(serde_json::to_string(model).map_err(|error| FatalError::new(error.to_string(), "report this"))?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    for model in &manifest.models {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.add_row(["name", &model.name]);
        table.add_row(["class", &model.class.to_string()]);
        table.add_row(["file", &model.file.display().to_string()]);
        table.add_row(["sha256", &model.sha256]);
        table.add_row(["licence", &model.licence]);
        table.add_row(["source", &model.source]);
        table.add_row(["training data", &model.training_data]);
        table.add_row(["lowest score", &model.min_score.to_string()]);
        say(format_args!("{table}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn verify(args: ModelsConfig) -> Result<ExitCode, Stop> {
    let (manifest, _) = load(args)?;
    let mut code = ExitCode::SUCCESS;
    for model in &manifest.models {
        match manifest.read_verified(model) {
            Ok(verified) => say(format_args!("ok  {}  {} bytes  {}", model.name, verified.bytes.len(), model.sha256)),
            Err(error) => {
                print_problem(&error.message, &error.hint);
                code = ExitCode::from(EXIT_USAGE);
            }
        }
    }
    Ok(code)
}
