"""Prints the licences of everything that is linked into the program, with their texts: `python3 scripts/licences.py`.

Follows what cargo resolved for this platform, without what only builds or tests it. Fails if a package has no licence.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
NAMES = re.compile(r"(un)?licen[sc]es?|copying|notice|copyright", re.IGNORECASE)


def linked() -> list[dict]:
    """Packages that are linked into the program, by name."""
    host = re.search(r"host: (\S+)", subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout)[1]
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host]
    metadata = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = next(id for id, package in packages.items() if package["name"] == "obscura")
    seen, waiting = {root}, [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            is_linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            is_linked &= not is_macro(packages[dependency["pkg"]])
            if is_linked and dependency["pkg"] not in seen:
                seen.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return sorted((packages[id] for id in seen - {root}), key=lambda package: (package["name"], package["version"]))


def is_macro(package: dict) -> bool:
    """Runs in the compiler, and is in no program."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def texts(package: dict) -> list[tuple[str, str]]:
    """Files of licences in the package, and in sources that it brings with it."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [path for pattern in ("*", "*/*", "*/*/*") for path in folder.glob(pattern)]
    named = [path for path in files if path.is_file() and NAMES.match(path.name) and path.suffix not in (".rs", ".toml", ".py")]
    return [(str(path.relative_to(folder)), path.read_text(errors="replace").strip()) for path in sorted(named)]


def main() -> int:
    packages = linked()
    without = [package["name"] for package in packages if not package["license"] and not package["license_file"]]
    if without:
        print(f"error: expected a licence of every package, found none of {without}", file=sys.stderr)
        return 1
    print(f"Obscura is linked with {len(packages)} packages. Their licences, and then the texts:\n")
    by_text = collections.defaultdict(list)
    for package in packages:
        print(f"  {package['name']} {package['version']}: {package['license'] or package['license_file']}")
        for name, text in texts(package):
            by_text[text].append(f"{package['name']} {package['version']}: {name}")
    for text, places in by_text.items():
        print(f"\n{'=' * 100}")
        print("\n".join(places))
        print(f"{'-' * 100}\n{text}")
    return 0


sys.exit(main())
