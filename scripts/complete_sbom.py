"""Completes the bill of materials that cargo-cyclonedx wrote: `complete_sbom.py FROM TO TREE ONNXRUNTIME_VERSION`.

Adds what is shipped beside the program (ONNX Runtime, models), with hashes of the very files, and takes this machine's paths out.
"""

import hashlib
import json
import pathlib
import sys


def component(kind: str, name: str, version: str, file: pathlib.Path, licence: str) -> dict:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return {
        "type": kind,
        "bom-ref": f"file:{file.name}#{digest}",
        "name": name,
        "version": version,
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": [{"expression": licence}],
    }


def main(source: str, target: str, tree: str, onnxruntime_version: str) -> None:
    here = f"path+file://{pathlib.Path.cwd()}"
    bom = json.loads(pathlib.Path(source).read_text().replace(here, "path"))
    root = pathlib.Path(tree)
    shipped = [component("library", "onnxruntime", onnxruntime_version, root / "lib" / "libonnxruntime.so", "MIT")]
    for model in sorted((root / "share" / "obscura" / "models").glob("*.onnx")):
        # Where each comes from stands in its notice.
        licence = "MIT" if model.stem == "centerface" else "(MIT OR Apache-2.0) AND Apache-2.0"
        version = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
        shipped.append(component("machine-learning-model", model.stem, version, model, licence))
    bom["components"] += shipped
    pathlib.Path(target).write_text(json.dumps(bom, indent=1) + "\n")


main(*sys.argv[1:])
