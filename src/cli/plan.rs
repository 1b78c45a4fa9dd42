//! `obscura plan`: how many workers, partitions and machines a load takes.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use obscura::{
    error::FatalError,
    plan::{Profile, Region, Sizing, plot},
};
use serde_json::json;

use super::{Stop, report::say};

const EXAMPLES: &str = "\
Examples:
  obscura bench --json photos > profile.json
  obscura plan --profile profile.json --photos-per-day 1000000
  obscura plan --profile profile.json --photos-per-day 1e8 --megapixels 12 --peak-factor 2.5 \\
      --region eu=0.5 --region us=0.3 --region asia=0.2 --svg plan.svg

The profile tells what photos cost on your machine; work follows megapixels. A day with one peak is simulated through the rule
by which KEDA adds workers (k8s/components/keda). docs/scaling.md works through three sizes.";

/// Plan workers, partitions and machines for a load, from what photos were measured to cost
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct PlanArgs {
    /// What `obscura bench --json` wrote, on a machine like those that will work
    #[arg(long, value_name = "FILE")]
    profile: PathBuf,

    /// Uploads a day, of all regions
    #[arg(long, value_name = "N", value_parser = positive)]
    photos_per_day: f64,

    /// Of a mean photo [default: that of the profile]
    #[arg(long, value_name = "MP", value_parser = positive)]
    megapixels: Option<f64>,

    /// The highest rate of a day over its mean
    #[arg(long, value_name = "N", default_value_t = 2.5, value_parser = at_least_one)]
    peak_factor: f64,

    /// A region and its share of the photos, such as eu=0.5; once for each
    #[arg(long = "region", value_name = "NAME=SHARE", value_parser = share)]
    regions: Vec<(String, f64)>,

    /// Cores of a worker
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    cores: u16,

    /// Memory limit of a worker
    #[arg(long, value_name = "GIB", default_value_t = 3.0, value_parser = positive)]
    memory_gib: f64,

    /// Workers that are never taken away, in each region
    #[arg(long, value_name = "N", default_value_t = 2)]
    fewest_workers: u64,

    /// How long an upload may wait
    #[arg(long, value_name = "S", default_value_t = 900.0, value_parser = positive)]
    objective_s: f64,

    /// Also draw the day of each region, in FILE, or in FILE-NAME for several
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if number.is_finite() && number > 0.0 { Ok(number) } else { Err("expected a number above zero".to_owned()) }
}

fn at_least_one(text: &str) -> Result<f64, String> {
    positive(text)
        .and_then(|number| if (1.0..=24.0).contains(&number) { Ok(number) } else { Err("expected 1 to 24".into()) })
}

fn share(text: &str) -> Result<(String, f64), String> {
    let (name, share) = text.split_once('=').ok_or("expected a name and a share, such as eu=0.5")?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err("expected a name of letters, digits and dashes".to_owned());
    }
    Ok((name.to_owned(), positive(share)?))
}

pub fn run(args: PlanArgs) -> Result<ExitCode, Stop> {
    let profile = Profile::read(&args.profile)?;
    let sizing = Sizing {
        photos_per_day: args.photos_per_day,
        megapixels: args.megapixels.unwrap_or(profile.megapixels),
        peak_factor: args.peak_factor,
        cores: usize::from(args.cores),
        objective_s: args.objective_s,
        fewest_workers: args.fewest_workers,
    };
    let shares = if args.regions.is_empty() { vec![("all".to_owned(), 1.0)] } else { args.regions.clone() };
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(Stop::Fatal(FatalError::new(
            format!("expected shares of the regions that add up to 1, found {sum}"),
            "correct `--region NAME=SHARE`",
        )));
    }
    let regions: Vec<Region> =
        shares.iter().map(|(name, share)| sizing.region(name, *share, &profile, args.memory_gib)).collect();
    if let Some(svg) = &args.svg {
        for region in &regions {
            let file =
                if regions.len() == 1 { svg.clone() } else { svg.with_extension(format!("{}.svg", region.name)) };
            fs::write(&file, plot(region, args.objective_s)).map_err(|error| {
                let message = format!("cannot write the plot `{}`: {error}", file.display());
                FatalError::new(message, "name a file in a folder that is there")
            })?;
        }
    }
    if args.json {
        let warnings: Vec<_> = regions.iter().map(Region::warnings).collect();
        say(json!({"regions": regions, "warnings": warnings}));
        return Ok(ExitCode::SUCCESS);
    }
    say(table(&regions));
    for region in &regions {
        for warning in region.warnings() {
            say(format_args!("{}: {warning}", region.name));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(regions: &[Region]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let names = regions.iter().map(|region| region.name.clone());
    table.set_header(std::iter::once(String::from("region")).chain(names));
    let mut row = |what: &str, of: &dyn Fn(&Region) -> String| {
        table.add_row(std::iter::once(what.to_owned()).chain(regions.iter().map(of)));
    };
    row("photos a day", &|region| format!("{:.0}", region.photos_per_day));
    row("photos a second at the peak", &|region| format!("{:.1}", region.peak_photos_per_second));
    row("photos a second a worker", &|region| format!("{:.2}", region.photos_per_second_a_worker));
    row("workers at the peak", &|region| region.workers.to_string());
    row("partitions", &|region| region.partitions.to_string());
    row("cores at the peak", &|region| region.cores.to_string());
    if regions.iter().any(|region| region.accelerators > 0) {
        row("accelerators at the peak", &|region| region.accelerators.to_string());
    }
    row("memory at the peak, GiB", &|region| format!("{:.0}", region.memory_gib));
    row("read at the peak, MB/s", &|region| format!("{:.0}", region.read_megabytes_per_second));
    row("written at the peak, MB/s", &|region| format!("{:.0}", region.written_megabytes_per_second));
    row("stored, TB a day", &|region| format!("{:.2}", region.stored_terabytes_per_day));
    row("requests of the stores a day", &|region| format!("{:.0}", region.store_requests_per_day));
    row("messages a day", &|region| format!("{:.0}", region.messages_per_day));
    row("core hours a day", &|region| format!("{:.0}", region.core_hours_per_day));
    row("simulated day: most workers", &|region| region.day.most_workers.to_string());
    row("simulated day: most uploads that wait", &|region| format!("{:.0}", region.day.most_lag));
    row("simulated day: longest delay, s", &|region| format!("{:.0}", region.day.longest_delay_s));
    row("simulated day: minutes above objective", &|region| {
        format!("{:.0}", region.day.seconds_above_objective / 60.0)
    });
    row("lagThreshold of the ScaledObject", &|region| format!("{:.0}", region.rule.lag_per_worker));
    table
}
