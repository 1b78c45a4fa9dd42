"""The rules: syntax, tests for each alert, the runbook's sections, and the two forms in which they are shipped."""

import re

import yaml

from common import MONITORING, ROOT, run

RULES = MONITORING / "rules.yaml"
MANIFEST = MONITORING / "prometheus-rule.yaml"
TESTS = (MONITORING / "rules.test.yaml", MONITORING / "rules.week.test.yaml")
RUNBOOK = ROOT / "docs" / "runbook.md"
HEAD = "# Generated from rules.yaml: `make rules`.\n"


def rules() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[tuple[str, str]]:
    return [(f"rules.yaml: {rule.get('alert') or rule['record']}", rule["expr"]) for rule in rules()]


def manifest() -> str:
    doc = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "obscura"},
        "spec": yaml.safe_load(RULES.read_text()),
    }
    return HEAD + yaml.safe_dump(doc, sort_keys=False, width=118)


def write() -> None:
    MANIFEST.write_text(manifest())


def anchors(markdown: str) -> set[str]:
    """Of all headings, as the usual viewers make them."""
    headings = re.findall(r"^#+ (.+)$", markdown, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def check() -> list[str]:
    result = run("promtool", "check", "rules", RULES)
    problems = [result.stdout + result.stderr] if result.returncode else []
    if MANIFEST.read_text() != manifest():
        problems.append("prometheus-rule.yaml is not what rules.yaml says; run `make rules`")
    known = anchors(RUNBOOK.read_text())
    names = set()
    for rule in rules():
        if "alert" not in rule:
            continue
        name, annotations = rule["alert"], rule["annotations"]
        names.add(name.lower())
        file, _, anchor = annotations.get("runbook_url", "").partition("#")
        if file != "docs/runbook.md" or anchor != name.lower() or anchor not in known:
            problems.append(f"{name}: expected a section `{name}` of docs/runbook.md as its runbook_url")
        if rule["labels"].get("severity") not in ("page", "ticket") or not annotations.get("summary"):
            problems.append(f"{name}: expected a severity (page, ticket) and a summary")
    problems += [f"docs/runbook.md: `{heading}` is no alert" for heading in known if heading.startswith("obscura") and heading not in names]
    return problems


def check_tests() -> list[str]:
    problems = []
    for test in TESTS:
        result = run("promtool", "test", "rules", test, cwd=MONITORING)
        if result.returncode:
            problems.append(f"{test.name}: {result.stdout}{result.stderr}")
    fires, silent = set(), set()
    for test in TESTS:
        for case in (case for group in yaml.safe_load(test.read_text())["tests"] for case in group["alert_rule_test"]):
            (fires if case["exp_alerts"] else silent).add(case["alertname"])
    for name in {rule["alert"] for rule in rules() if "alert" in rule}:
        if name not in fires or name not in silent:
            problems.append(f"{name}: expected a test in which it fires and one in which it is silent")
    return problems
