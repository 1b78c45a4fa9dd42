"""Where things are, and how programs are run."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
DOCKER = ROOT / "docker"
MONITORING = K8S / "components" / "monitoring"


def run(*command: object, cwd: pathlib.Path = ROOT, stdin: str | None = None, env: dict[str, str] | None = None):
    """Run a program of the environment that runs us, or of the system; never raises."""
    beside = pathlib.Path(sys.executable).parent
    paths = os.pathsep.join([str(beside), os.environ.get("PATH", "")])
    whole = {**os.environ, "PATH": paths, **(env or {})}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, input=stdin, env=whole, capture_output=True, text=True, check=False
    )
