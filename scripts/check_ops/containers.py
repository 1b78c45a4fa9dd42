"""Images and compose: what can be known of them without an engine."""

import json
import os
import pathlib
import re
import shutil
import stat
import tempfile

from common import DOCKER, ROOT, run

# Stands for both tools that can tell a digest.
FAKE_DIGEST = "sha256:" + "0123456789abcdef" * 4


def dockerfiles() -> list[pathlib.Path]:
    return sorted(DOCKER.glob("*.Dockerfile"))


def instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.strip().partition(" ") for line in joined.splitlines())]


def problems_of(text: str) -> list[str]:
    found = []
    steps = instructions(text)
    by_word = {word: [rest for other, rest in steps if other == word] for word, _ in steps}
    for command in by_word.get("RUN", []):
        # A step is a script of ours and its arguments, without a shell.
        script = re.fullmatch(r'\["(docker/[a-z_]+\.sh)"(, "[^"]*")*\]', command)
        if not script or not (ROOT / script[1]).is_file():
            found.append(f"RUN is no script of docker/ that is run outside too: {command}")
    for image in by_word.get("FROM", []):
        if not re.match(r"\$\{[A-Z]+_IMAGE\}( AS \w+)?$", image):
            found.append(f"FROM is no argument, so that it cannot be pinned: {image}")
    for argument in by_word.get("ARG", []):
        name, _, image = argument.partition("=")
        if name.endswith("_IMAGE") and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest")):
            found.append(f"expected a name with a tag: {argument}")
    last = [rest for word, rest in steps if word == "USER"][-1:]
    if not last or not re.fullmatch(r"[1-9]\d+:[1-9]\d+", last[0]):
        found.append("expected a user and a group by numbers that are not root's")
    for word in ("ENTRYPOINT", "HEALTHCHECK", "LABEL"):
        if word not in by_word:
            found.append(f"no {word}")
    for command in by_word.get("ENTRYPOINT", []) + by_word.get("CMD", []):
        if not command.startswith("["):
            found.append(f"needs a shell at run time: {command}")
    for check in by_word.get("HEALTHCHECK", []):
        if 'CMD ["/opt/obscura/bin/obscura", "health"' not in check:
            found.append(f"the health check needs more than the program: {check}")
    for label in ("title", "licenses", "version", "revision"):
        if not any(f"org.opencontainers.image.{label}" in rest for rest in by_word.get("LABEL", [])):
            found.append(f"no label {label}")
    if any(word == "ADD" for word, _ in steps):
        found.append("ADD fetches and unpacks by itself; COPY does not")
    return found


def check() -> list[str]:
    problems = []
    for file in dockerfiles():
        lint = run("hadolint", "--failure-threshold", "style", file)
        if lint.returncode:
            problems.append(f"{file.name}: {lint.stdout}{lint.stderr}")
        problems += [f"{file.name}: {problem}" for problem in problems_of(file.read_text())]
    if [file.name for file in dockerfiles()] != ["cpu.Dockerfile", "gpu.Dockerfile"]:
        problems.append("docker: expected cpu.Dockerfile and gpu.Dockerfile")
    good = (DOCKER / "cpu.Dockerfile").read_text()
    for old, new in (
        ("USER 65532:65532", "USER root"),
        ('RUN ["docker/build.sh", "/out"]', "RUN cargo build"),
        ("FROM ${BASE_IMAGE}", "FROM debian:12"),
        ("HEALTHCHECK", "#"),
        ('ENTRYPOINT ["/opt/obscura/bin/obscura"]', "ENTRYPOINT obscura"),
    ):
        if not problems_of(good.replace(old, new)) or old not in good:
            problems.append(f"the check lets `{new}` pass")
    if not run("hadolint", "-", stdin="FROM debian\nRUN cd /tmp\n").returncode:
        problems.append("the lint lets an image without a tag pass")
    for script in sorted(DOCKER.glob("*.sh")):
        syntax = run("bash", "-n", script)
        if syntax.returncode or not script.stat().st_mode & stat.S_IXUSR:
            problems.append(f"{script.name}: expected a script that can be run: {syntax.stderr}")
    return problems + check_pinning()


def check_pinning() -> list[str]:
    """With a stand-in for the tool that asks the registry: every base gets its digest, twice gives the same."""
    with tempfile.TemporaryDirectory() as folder:
        copied = pathlib.Path(folder) / "docker"
        shutil.copytree(DOCKER, copied)
        tool = pathlib.Path(folder) / "crane"
        tool.write_text(f"#!/bin/sh\n[ \"$1\" = digest ] && echo {FAKE_DIGEST}\n")
        tool.chmod(0o755)
        env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
        texts = []
        for _ in range(2):
            result = run("bash", copied / "pin.sh", copied, env=env)
            if result.returncode:
                return [f"pin.sh: {result.stdout}{result.stderr}"]
            texts.append({file.name: file.read_text() for file in [*copied.glob("*.Dockerfile"), copied / "compose.yaml"]})
    problems = []
    if texts[0] != texts[1]:
        problems.append("pin.sh: a second run changes what the first wrote")
    for name, text in texts[0].items():
        before = (DOCKER / name).read_text()
        images = re.findall(r"^(?:ARG [A-Z]+_IMAGE=| *image: )(\S+)", text, re.MULTILINE)
        unpinned = [image for image in images if not image.endswith(f"@{FAKE_DIGEST}") and image != "obscura:local"]
        if unpinned or not images:
            problems.append(f"pin.sh: {name}: left without a digest: {unpinned or 'all'}")
        if re.sub(r"@sha256:\w+", "", text) != re.sub(r"@sha256:\w+", "", before):
            problems.append(f"pin.sh: {name}: changes more than digests")
    return problems


def check_compose() -> list[str]:
    file = DOCKER / "compose.yaml"
    parsed = run("docker-compose", "--file", file, "config", "--format", "json")
    if parsed.returncode or parsed.stderr.strip():
        return [f"compose.yaml: {parsed.stderr}"]
    compose = json.loads(parsed.stdout)
    problems = []
    services = compose["services"]
    missing = {"kafka", "store", "obscura", "prometheus", "grafana"} - set(services)
    if missing:
        problems.append(f"compose.yaml: no {sorted(missing)}")
    for name, service in services.items():
        if service.get("cap_drop") != ["ALL"] or service.get("security_opt") != ["no-new-privileges:true"] or service.get("privileged"):
            problems.append(f"compose.yaml: {name}: expected no capabilities and no way to privileges")
        for port in service.get("ports", []):
            if port.get("host_ip") != "127.0.0.1":
                problems.append(f"compose.yaml: {name}: port {port['target']} can be reached from elsewhere")
        for volume in service.get("volumes", []):
            if volume["type"] == "bind" and name != "uploader" and not pathlib.Path(volume["source"]).exists():
                problems.append(f"compose.yaml: {name}: {volume['source']} is not there")
        if ":" not in service["image"].rsplit("/", 1)[-1] or service["image"].endswith(":latest"):
            problems.append(f"compose.yaml: {name}: `{service['image']}` names no version")
    obscura = services["obscura"]
    if not obscura.get("read_only") or obscura.get("user") != "65532:65532":
        problems.append("compose.yaml: obscura: expected a read-only root and the user of the image")
    configuration = run("promtool", "check", "config", "--syntax-only", DOCKER / "compose" / "prometheus.yaml")
    if configuration.returncode:
        problems.append(f"compose/prometheus.yaml: {configuration.stdout}{configuration.stderr}")
    return problems
