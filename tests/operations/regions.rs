//! The configurations that are shipped are usable, and their pods are as large as `obscura check` says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What `check` prints with the variables of the pod and those of the region.
fn check(config: &Path, variables: &[(String, String)]) -> String {
    let mut command = obscura();
    command.args(["check", "--config"]).arg(config).envs(variables.iter().cloned());
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {stderr}", config.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Of lines such as `# every limit used up:     2648 MiB`.
fn mib_after(text: &str, what: &str) -> u64 {
    let (_, rest) = text.split_once(what).unwrap_or_else(|| panic!("no `{what}` in {text}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// `cpu`, `memory` and the variables of the first container of a Deployment, as they stand in its lines.
struct Pod {
    memory_request_mib: u64,
    memory_limit_mib: u64,
    variables: Vec<(String, String)>,
    grace_s: u64,
}

impl Pod {
    fn of(deployment: &str) -> Self {
        let memory = |after: &str| {
            let (_, section) = deployment.split_once(after).unwrap();
            let (_, amount) = section.split_once("memory: ").unwrap();
            let amount = amount.split_whitespace().next().unwrap();
            let number = |unit: &str| amount.strip_suffix(unit).map(|number| number.parse::<u64>().unwrap());
            number("Mi").or_else(|| number("Gi").map(|gib| gib * 1024)).unwrap()
        };
        let mut variables = Vec::new();
        let mut lines = deployment.lines().map(str::trim);
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_prefix("- name: OBSCURA_") {
                let value = lines.next().unwrap().strip_prefix("value: ").unwrap().trim_matches('"');
                variables.push((format!("OBSCURA_{name}"), value.to_owned()));
            }
        }
        let (_, grace) = deployment.split_once("terminationGracePeriodSeconds: ").unwrap();
        Self {
            memory_request_mib: memory("requests:"),
            memory_limit_mib: memory("limits:"),
            variables,
            grace_s: grace.lines().next().unwrap().parse().unwrap(),
        }
    }
}

fn settings(file: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(file).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split_once('=').unwrap()).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Secrets are files of the pod; here they need to be there, no more.
fn with_secrets(mut variables: Vec<(String, String)>, dir: &Path) -> Vec<(String, String)> {
    for (name, value) in &mut variables {
        if name.ends_with("_FILE") {
            let file = dir.join(Path::new(value.as_str()).file_name().unwrap());
            fs::write(&file, "x").unwrap();
            *value = file.to_string_lossy().into_owned();
        }
    }
    variables
}

#[test]
fn every_region_has_a_usable_configuration_and_pods_that_are_large_enough() {
    let pod = Pod::of(&fs::read_to_string(root().join("k8s/base/deployment.yaml")).unwrap());
    assert!(pod.variables.iter().any(|(name, _)| name == "OBSCURA_THREADS"), "as many threads as cores");
    let secrets = tempfile::tempdir().unwrap();
    let overlays: Vec<PathBuf> =
        fs::read_dir(root().join("k8s/overlays")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let mut names = Vec::new();
    for overlay in overlays.iter().filter(|path| !name_of(path).starts_with('.')) {
        let region = overlay.join("region");
        let variables = [pod.variables.clone(), settings(&region.join("settings.env"))].concat();
        let printed = check(&region.join("worker.toml"), &with_secrets(variables, secrets.path()));
        assert!(printed.contains(&format!("name = \"{}\"", name_of(overlay))), "its region: {printed}");
        let (typical, worst) = (mib_after(&printed, "photos of 12 megapixels:"), mib_after(&printed, "used up:"));
        assert!(pod.memory_limit_mib >= worst, "{}: a limit of {} MiB", overlay.display(), pod.memory_limit_mib);
        assert!(pod.memory_request_mib >= typical, "{}: {} MiB asked for", overlay.display(), pod.memory_request_mib);
        assert!(pod.memory_limit_mib < 2 * worst, "more than is ever used");
        let drain_s: u64 = {
            let (_, drain) = printed.split_once("drain_s = ").unwrap();
            drain.lines().next().unwrap().parse().unwrap()
        };
        assert!(pod.grace_s > drain_s + 20, "drain and leaving the group take {} s", drain_s + 20);
        names.push(name_of(overlay));
    }
    names.sort();
    assert_eq!(names, ["asia", "eu", "us"]);
}

#[test]
fn the_configuration_of_compose_is_usable() {
    let file = root().join("docker/compose/worker.toml");
    let text = fs::read_to_string(&file).unwrap();
    let secrets = tempfile::tempdir().unwrap();
    for name in ["store-access-key", "store-secret-key"] {
        fs::copy(root().join("docker/compose").join(name), secrets.path().join(name)).unwrap();
    }
    let config = secrets.path().join("worker.toml");
    fs::write(&config, text.replace("/run/secrets", secrets.path().to_str().unwrap())).unwrap();
    let variables = [
        ("OBSCURA_STATE_DIR".to_owned(), "/var/lib/obscura/state".to_owned()),
        ("OBSCURA_THREADS".to_owned(), "2".to_owned()),
    ];
    let printed = check(&config, &variables);
    let compose = fs::read_to_string(root().join("docker/compose.yaml")).unwrap();
    let (_, limit) = compose.split_once("mem_limit: ").unwrap();
    let limit_mib: u64 = limit.lines().next().unwrap().strip_suffix('m').unwrap().parse().unwrap();
    assert!(mib_after(&printed, "used up:") <= limit_mib, "{printed}");
}

#[test]
fn every_command_that_a_pod_runs_is_one() {
    let mut commands = Vec::new();
    for file in files_below(&root().join("k8s/base")) {
        let text = fs::read_to_string(file).unwrap();
        let args = text.lines().filter_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'));
        for args in args {
            let words: Vec<&str> = args.split(", ").map(|word| word.trim_matches('"')).collect();
            let help = obscura().arg(words[0]).arg("--help").output().unwrap();
            assert!(help.status.success(), "{}", words[0]);
            let help = String::from_utf8(help.stdout).unwrap();
            for flag in words.iter().filter(|word| word.starts_with("--")) {
                assert!(
                    help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
                    "{} {flag}",
                    words[0]
                );
            }
            commands.push(words[0].to_owned());
        }
    }
    commands.sort();
    assert_eq!(commands, ["replay", "run"]);
}
