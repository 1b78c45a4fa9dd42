"""Renders the overlays, alone and with sets of components."""

import functools
import pathlib
import shutil
import tempfile

import yaml

from common import K8S, run

SCALERS = (None, "keda", "keda-to-zero", "hpa")
OTHERS = ("gpu", "monitoring", "retention", "admin-tls")


def overlays() -> list[str]:
    return sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))


def sets() -> list[tuple[str, ...]]:
    """Each scaler alone and with all others, and each of the others alone."""
    found = [(*((scaler,) if scaler else ()), *others) for scaler in SCALERS for others in ((), OTHERS)]
    return found + [(other,) for other in OTHERS]


def kustomize(folder: pathlib.Path) -> tuple[list[dict], str]:
    """The documents of a kustomization, and what was wrong."""
    result = run("kubectl", "kustomize", folder)
    if result.returncode:
        return [], result.stderr.strip()
    warnings = [line for line in result.stderr.splitlines() if line.strip()]
    return [doc for doc in yaml.safe_load_all(result.stdout) if doc], "; ".join(warnings)


@functools.cache
def rendered() -> dict[tuple[str, tuple[str, ...]], tuple[list[dict], str]]:
    """By overlay and components: documents and problem."""
    found = {}
    for overlay in overlays():
        # Beside the overlay, so that paths are those that a user writes.
        with tempfile.TemporaryDirectory(dir=K8S / "overlays", prefix=".check-") as folder:
            copied = pathlib.Path(folder)
            shutil.copytree(K8S / "overlays" / overlay, copied, dirs_exist_ok=True)
            kustomization = yaml.safe_load((copied / "kustomization.yaml").read_text())
            for components in sets():
                kustomization["components"] = [f"../../components/{name}" for name in components]
                (copied / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
                found[overlay, components] = kustomize(copied)
    return found


def name(overlay: str, components: tuple[str, ...]) -> str:
    return f"k8s/overlays/{overlay}" + "".join(f" +{component}" for component in components)


def check() -> list[str]:
    problems = [f"{name(*key)}: {problem}" for key, (_, problem) in rendered().items() if problem]
    known = {component.name for component in (K8S / "components").iterdir()}
    used = {component for components in sets() for component in components}
    problems += [f"k8s/components/{component}: is in no set that is checked" for component in sorted(known - used)]
    if sorted(overlays()) != ["asia", "eu", "us"]:
        problems.append(f"k8s/overlays: expected asia, eu and us, found {overlays()}")
    return problems
