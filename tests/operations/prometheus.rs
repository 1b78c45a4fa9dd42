//! A real Prometheus scrapes a running worker, with the rules that are shipped: every series that a rule or a dashboard
//! asks for is there, with its labels, and every query is answered.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{
    servers::{
        child::{self, Server, free_port},
        wait,
    },
    worker::{Worker, count},
    *,
};

const PATIENCE: Duration = Duration::from_secs(120);

fn monitoring() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s/components/monitoring")
}

struct Prometheus {
    port: u16,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrape `target` as the region `eu`, by the rules that are shipped, every second.
    fn start(target: &str) -> Self {
        let folder = child::folder("prometheus");
        let port = free_port();
        let config = folder.path().join("prometheus.yaml");
        let rules = monitoring().join("rules.yaml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: [\"{}\"]\nscrape_configs:\n  \
             - job_name: obscura\n    static_configs:\n      - targets: [{target:?}]\n        labels: {{region: eu}}\n",
            rules.display()
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let mut server = Server::start(&command, folder.path().join("log"));
        server.wait_until("Prometheus is ready", |server| server.log().contains("ready to receive")).unwrap();
        Self { port, _server: server, _folder: folder }
    }

    /// What the API answers: the data, or its error.
    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        let url = format!("http://127.0.0.1:{}/api/v1/{path}", self.port);
        let url = url::Url::parse_with_params(&url, parameters).unwrap();
        let answer: Value =
            wait(async { serde_json::from_str(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap() });
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer["error"].to_string()) }
    }

    fn series(&self, selector: &str) -> usize {
        let found = self.ask("series", &[("match[]", selector)]).unwrap_or_else(|error| panic!("{selector}: {error}"));
        found.as_array().unwrap().len()
    }

    fn wait_until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_true(self) {
            assert!(started.elapsed() < PATIENCE, "never: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Every query of the dashboards, as Grafana asks it for all regions and workers.
fn dashboard_queries() -> Vec<String> {
    let mut found = Vec::new();
    for file in fs::read_dir(monitoring().join("dashboards")).unwrap() {
        let dashboard: Value = serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        for target in dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()) {
            found.extend(target.iter().map(|target| target["expr"].as_str().unwrap().to_owned()));
        }
    }
    assert!(found.len() > 30, "{}", found.len());
    let variables = [("$__rate_interval", "1m"), ("$region", ".*"), ("$instance", ".*")];
    found
        .iter()
        .map(|query| variables.iter().fold(query.clone(), |query, (name, value)| query.replace(name, value)))
        .collect()
}

/// `name{labels}` wherever a metric of ours, or a recorded one, is named.
fn selectors(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("obscura_") {
        let start = text[..at].rfind(|c| !is_name(c)).map_or(0, |before| before + 1);
        let end = at + text[at..].find(|c| !is_name(c)).unwrap_or(text.len() - at);
        let labels = text[end..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let labels = labels.map_or(String::new(), |(labels, _)| format!("{{{labels}}}"));
        found.insert(format!("{}{labels}", &text[start..end]));
    }
    found
}

#[test]
fn every_metric_that_a_rule_or_dashboard_names_is_scraped_from_a_running_worker() {
    let bench = Bench::new();
    bench.copy("people/scene.jpg");
    bench.put("text.jpg", b"text");
    let mut worker = Worker::start(&bench, &[]);
    let address = worker.address().to_string();
    worker.wait_until("both ends", |worker| {
        count(&worker.log(), "published") == 1 && count(&worker.log(), "quarantined") == 1
    });
    let prometheus = Prometheus::start(&address);
    prometheus.wait_until("it is scraped", |prometheus| prometheus.series("obscura_photos_total") > 0);

    let rules = fs::read_to_string(monitoring().join("rules.yaml")).unwrap();
    let expressions: String =
        rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    let queries = dashboard_queries();
    let mut wanted = selectors(&expressions);
    for query in &queries {
        wanted.extend(selectors(query));
    }
    assert!(wanted.len() > 40, "{wanted:?}");
    // Rates, and what is recorded from them, need two scrapes and an evaluation each.
    for selector in &wanted {
        prometheus.wait_until(selector, |prometheus| prometheus.series(selector) > 0);
    }
    // And a name that is none is not found, so that the above means something.
    assert_eq!(prometheus.series("obscura_photo_total"), 0);
    assert_eq!(prometheus.series("obscura_photos_total{outcome=\"lost\"}"), 0);

    let mut unanswered = Vec::new();
    for query in &queries {
        let answer = prometheus.ask("query", &[("query", query)]).unwrap_or_else(|error| panic!("{query}: {error}"));
        if answer["result"].as_array().unwrap().is_empty() {
            unanswered.push(query.as_str());
        }
    }
    // Only what asks for something that did not happen has no answer yet.
    unanswered.retain(|query| !query.contains("> 0"));
    assert!(unanswered.is_empty(), "{unanswered:#?}");

    // Rules are evaluated without an error, and nothing is alarmed about.
    let groups = prometheus.ask("rules", &[]).unwrap();
    let evaluated = groups["groups"][0]["rules"].as_array().unwrap();
    assert!(evaluated.len() > 20);
    for rule in evaluated {
        assert_eq!(rule["health"], "ok", "{rule}");
        assert!(rule["state"].as_str().is_none_or(|state| state == "inactive" || state == "pending"), "{rule}");
    }
    worker.stop();
    prometheus.wait_until("its end is seen", |prometheus| {
        let up = prometheus.ask("query", &[("query", "up{job=\"obscura\",region=\"eu\"}")]).unwrap();
        up["result"][0]["value"][1] == "0"
    });
}
