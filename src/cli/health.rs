//! `obscura health`: the health check of a container that has no shell.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use obscura::error::FatalError;

use super::{EXIT_UNWELL, Stop, report::say};

/// Ask the worker of this machine whether it is alive; for health checks of containers
#[derive(Debug, Args)]
#[command(after_long_help = "Exit codes: 0 yes, 1 no, or nobody answers, 2 usage.")]
pub struct HealthArgs {
    /// Address of its plain port for probes; the admin port is asked if there is none
    #[arg(long, env = "OBSCURA_PROBE_LISTEN", value_name = "ADDRESS", default_value = "")]
    probe_listen: String,

    /// Address of its admin port
    #[arg(long, env = "OBSCURA_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:9464")]
    listen: String,

    /// Whether it is ready for photos, not only alive
    #[arg(long)]
    ready: bool,

    /// How long to wait for its answer
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout_s: u64,
}

pub fn run(args: HealthArgs) -> Result<ExitCode, Stop> {
    let listen = if args.probe_listen.is_empty() { args.listen } else { args.probe_listen };
    let listen: SocketAddr = listen.parse().map_err(|_| {
        FatalError::new(
            format!("expected an address and a port, found `{listen}`"),
            "name the worker's admin port, such as 127.0.0.1:9464",
        )
    })?;
    let path = if args.ready { "/readyz" } else { "/livez" };
    let (well, answer) = match ask(reachable(listen), path, Duration::from_secs(args.timeout_s)) {
        Ok(answer) => (answer.starts_with("HTTP/1.1 200 "), answer),
        Err(error) => (false, error.to_string()),
    };
    say(answer.lines().last().unwrap_or("no answer"));
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::from(EXIT_UNWELL) })
}

/// A worker that listens everywhere is asked on the loopback address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn ask(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    // Both answers are a line; whoever sends more is no worker.
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_listens_everywhere_is_asked_at_home() {
        for (listen, asked) in
            [("0.0.0.0:9464", "127.0.0.1:9464"), ("[::]:1", "[::1]:1"), ("127.0.0.2:2", "127.0.0.2:2")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
