"""Dashboards and rules against what the worker has: names of metrics, of labels and of their values.

What it has stands in a snapshot that a test compares with the page of a running worker, so nothing has to be built here.
"""

import json
import re
import tempfile

import yaml

import alerts
from common import MONITORING, ROOT, run

SNAPSHOT = ROOT / "tests" / "behaviour" / "snapshots" / "behaviour__admin__metrics.snap"
# Labels that scraping adds; see pod-monitor.yaml and docker/compose.
SCRAPED = {"region", "instance", "job", "pod", "namespace"}
# Not all values of these are there from the start.
OPEN_LABELS = {("obscura_errors_total", "code"), ("obscura_errors_total", "stage"), ("obscura_build_info", "version")}
METRIC = re.compile(r"(?<![\w:])((?:region\w*:)?obscura_[\w:]+)\s*(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "5m", "$__range": "3h", "$region": ".*", "$instance": ".*"}


def registry() -> dict[str, dict[str, set[str]]]:
    """By name of a series: its labels and the values that are there from the start."""
    text = SNAPSHOT.read_text()
    found: dict[str, dict[str, set[str]]] = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(obscura_\w+)(?:\{(.*)\})?", line)
        if match:
            labels = found.setdefault(match[1], {})
            for key, value in re.findall(r'(\w+)="([^"]*)"', match[2] or ""):
                labels.setdefault(key, set()).add(value)
    for histogram in re.findall(r"# TYPE (\w+) histogram", text):
        found[f"{histogram}_bucket"] = {**found[f"{histogram}_count"], "le": set()}
    for rule in alerts.rules():
        if "record" in rule:
            # Its labels are those that it is grouped by.
            by = re.search(r"\bby\s*\(([^)]*)\)", rule["expr"])
            labels = by[1].split(",") if by else ["region"]
            found[rule["record"]] = {label.strip(): set() for label in labels if label.strip() != "le"}
    return found


def problems_of(expression: str, known: dict[str, dict[str, set[str]]]) -> list[str]:
    problems, labels = [], set(SCRAPED)
    metrics = METRIC.findall(expression)
    if not metrics and "up{" not in expression:
        problems.append("names no metric of the worker")
    for metric, matchers in metrics:
        if metric not in known:
            problems.append(f"`{metric}` is no metric of the worker")
            continue
        labels |= set(known[metric])
        for label, operator, value in MATCHER.findall(matchers):
            if label in SCRAPED:
                continue
            if label not in known[metric]:
                problems.append(f"`{metric}` has no label `{label}`")
            elif (metric, label) not in OPEN_LABELS and "$" not in value:
                wanted = value.split("|") if operator in ("=~", "!~") else [value]
                problems += [f"`{metric}` has no {label} `{one}`" for one in wanted if one not in known[metric][label]]
    for group in GROUPING.findall(expression):
        for label in filter(None, (label.strip() for label in group.split(","))):
            if label not in labels:
                problems.append(f"groups by `{label}`, which no metric in it has")
    return problems


def panels(dashboard: dict) -> list[dict]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict) -> list[tuple[str, str, str]]:
    """Title of the panel, expression, legend."""
    found = [(panel["title"], target["expr"], target["legendFormat"]) for panel in panels(dashboard) for target in panel["targets"]]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            inner = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            found.append((f"variable {variable['name']}", inner[1], f"{{{{{inner[2]}}}}}"))
    return found


def substituted(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


# What operators asked to see; each must be the metric of at least one panel.
REQUIRED = [
    "obscura_photos_total",
    "obscura_megapixels_total",
    "obscura_consumer_lag",
    "obscura_low_water_mark_age_seconds",
    "obscura_stage_duration_seconds_bucket",
    "obscura_batch_size_count",
    "obscura_inference_duration_seconds_sum",
    "obscura_budget_used_bytes",
    "obscura_detections_total",
    "obscura_redacted_area_ratio_bucket",
    "obscura_dead_letters_total",
]


def check() -> list[str]:
    known = registry()
    problems, to_parse, shown = [], [], ""
    for file in sorted((MONITORING / "dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        if dashboard["uid"] != file.stem or len({panel["id"] for panel in dashboard["panels"]}) != len(dashboard["panels"]):
            problems.append(f"{file.name}: expected its name as uid, and panels with ids of their own")
        problems += overlaps(file.name, dashboard["panels"])
        for title, expression, legend in queries(dashboard):
            shown += expression
            to_parse.append(substituted(expression))
            labels_of_legend = set(re.findall(r"\{\{(\w+)\}\}", legend))
            grouped = expression + "".join(f" by ({label})" for label in labels_of_legend)
            problems += [f"{file.name}: {title}: {problem}" for problem in problems_of(grouped, known)]
        text = file.read_text()
        for variable in set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}:
            if variable not in {one["name"] for one in dashboard["templating"]["list"]}:
                problems.append(f"{file.name}: the variable `{variable}` is not defined")
    problems += [f"no dashboard shows `{metric}`" for metric in REQUIRED if metric not in shown]
    for where, expression in alerts.expressions():
        problems += [f"{where}: {problem}" for problem in problems_of(expression, known)]
    problems += parse(to_parse)
    # A check that finds nothing may be one that looks at nothing.
    for broken in ('rate(obscura_photo_total[5m])', 'obscura_photos_total{outcom="x"}', 'obscura_photos_total{outcome="x"}', 'sum by (stage) (obscura_consumer_lag)'):
        if not problems_of(broken, known):
            problems.append(f"the check lets `{broken}` pass")
    if not parse(["sum by (rate("]):
        problems.append("the check lets a query pass that is none")
    return problems


def overlaps(name: str, all_panels: list[dict]) -> list[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in all_panels:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if x >= 24 or (x, y) in taken:
                    return [f"{name}: `{panel['title']}` covers `{taken.get((x, y), 'the edge')}`"]
                taken[x, y] = panel["title"]
    return []


def parse(expressions: list[str]) -> list[str]:
    """Let Prometheus read them, as recording rules."""
    rules = [{"record": f"query:{index}", "expr": expression} for index, expression in enumerate(expressions)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}, file)
        file.flush()
        result = run("promtool", "check", "rules", file.name)
    return [result.stdout + result.stderr] if result.returncode else []
