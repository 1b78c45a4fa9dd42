"""Models that packages carry, found without importing the packages and what these would need."""

import importlib.util
import pathlib


def model(package: str, pattern: str) -> str:
    """The one file of that name in a package's folder `models`. Raises `FileNotFoundError` that says what to do."""
    spec = importlib.util.find_spec(package)
    folder = pathlib.Path(spec.origin).parent / "models" if spec and spec.origin else None
    found = sorted(folder.glob(pattern)) if folder else []
    if len(found) != 1:
        raise FileNotFoundError(
            f"expected one {pattern} in the package {package}, found {len(found)}\n"
            "  hint: start with `make irreversibility`, which installs it"
        )
    return str(found[0])
