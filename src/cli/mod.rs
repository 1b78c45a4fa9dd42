//! The command line. Exit codes: 0 all done, 1 some photos quarantined or some check failed, 2 usage or configuration,
//! 3 could not go on, 128 and a signal's number: ended by it.

mod audit;
mod bench;
mod check;
mod config_args;
mod contact_sheet;
mod decrypt;
mod doctor;
mod eval;
mod files;
mod folders;
mod generate;
mod health;
mod models;
mod plan;
mod receipt;
mod redact;
mod region;
mod replay;
mod report;
mod reprocess;
mod reprocess_stores;
mod retain;
mod rewrap;
mod run;
mod run_stream;
mod signals;
mod silent;
mod stream_args;
mod wipe;
mod worker_args;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use obscura::{config::ConfigProblem, error::FatalError};

const EXIT_QUARANTINED: u8 = 1;
const EXIT_UNWELL: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_FATAL: u8 = 3;

/// Finds and obscures faces and licence plates in photos. Never publishes what was not checked.
#[derive(Debug, Parser)]
#[command(name = "obscura", version = obscura::VERSION, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Redact(redact::RedactArgs),
    Run(run::RunArgs),
    Replay(replay::ReplayArgs),
    Receipt(receipt::ReceiptArgs),
    Audit(audit::AuditArgs),
    Decrypt(decrypt::DecryptArgs),
    Wipe(wipe::WipeArgs),
    Retain(retain::RetainArgs),
    Rewrap(rewrap::RewrapArgs),
    Reprocess(reprocess::ReprocessArgs),
    Doctor(doctor::DoctorArgs),
    Check(check::CheckArgs),
    Eval(eval::EvalArgs),
    Models(models::ModelsArgs),
    Health(health::HealthArgs),
    Bench(bench::BenchArgs),
    Plan(plan::PlanArgs),
    #[command(hide = true)]
    Completions(generate::CompletionsArgs),
    #[command(hide = true)]
    Man(generate::ManArgs),
}

/// Why a command stopped.
enum Stop {
    Fatal(FatalError),
    Config(Vec<ConfigProblem>),
}

impl From<FatalError> for Stop {
    fn from(error: FatalError) -> Self {
        Self::Fatal(error)
    }
}

impl From<Vec<ConfigProblem>> for Stop {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        Self::Config(problems)
    }
}

/// For what waits, which is little work for one thread; what computes, or waits for disks, has threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, FatalError> {
    tokio::runtime::Builder::new_current_thread()
        .thread_name("disk")
        .enable_all()
        .build()
        .map_err(|error| FatalError::new(format!("cannot start threads: {error}"), "check the limit of threads"))
}

pub fn main() -> ExitCode {
    // A worker's panic becomes its photo's error; only one outside of all photos has to be printed.
    std::panic::set_hook(Box::new(|panic| {
        if std::thread::current().name() == Some("main") {
            report::print_problem(&format!("internal error: {panic}"), "this is a defect in Obscura; report it");
        }
    }));
    let cli = Cli::parse();
    if let Err(error) = silent::start_silent() {
        report::print_problem(&error.message, &error.hint);
        return ExitCode::from(EXIT_USAGE);
    }
    let result = match cli.command {
        Command::Redact(args) => redact::run(args),
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Receipt(args) => receipt::run(args),
        Command::Audit(args) => audit::run(args),
        Command::Decrypt(args) => decrypt::run(args),
        Command::Wipe(args) => wipe::run(args),
        Command::Retain(args) => retain::run(args),
        Command::Rewrap(args) => rewrap::run(args),
        Command::Reprocess(args) => reprocess::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Check(args) => check::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Models(args) => models::run(args),
        Command::Health(args) => health::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Plan(args) => plan::run(args),
        Command::Completions(args) => Ok(generate::completions(args, Cli::command())),
        Command::Man(args) => generate::man(args, Cli::command()),
    };
    result.unwrap_or_else(|stop| {
        match stop {
            Stop::Fatal(error) => report::print_problem(&error.message, &error.hint),
            Stop::Config(problems) => {
                for problem in problems {
                    report::print_problem(&problem.message, &problem.hint);
                }
            }
        }
        ExitCode::from(EXIT_USAGE)
    })
}
