"""Strict schemas: Kubernetes' own for each version, and those of the operators whose kinds we use."""

import json

import kubernetes_validate
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as prometheus_operator
from pydantic import BaseModel

from render import name, rendered

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
# By apiVersion: the models of an operator.
OPERATORS = {"keda.sh/v1alpha1": keda, "monitoring.coreos.com/v1": prometheus_operator}


def unknown_keys(given: object, model: object, path: str) -> list[str]:
    """Keys that the model has no field for; pydantic lets them pass, the API server would drop them silently."""
    if isinstance(given, dict) and isinstance(model, BaseModel):
        fields = {}
        for field, info in type(model).model_fields.items():
            fields[info.alias or field] = field
        found = []
        for key, value in given.items():
            if key not in fields:
                found.append(f"{path}.{key}: unknown")
            else:
                found += unknown_keys(value, getattr(model, fields[key]), f"{path}.{key}")
        return found
    if isinstance(given, list) and isinstance(model, list):
        return [line for index, pair in enumerate(zip(given, model)) for line in unknown_keys(*pair, f"{path}[{index}]")]
    return []


def problems_of(doc: dict) -> list[str]:
    """What is wrong with one document, by any version."""
    operator = OPERATORS.get(doc["apiVersion"])
    if operator:
        try:
            model = getattr(operator, doc["kind"]).model_validate(doc)
        except (AttributeError, ValueError) as error:
            return [f"{doc['kind']}: {error}"]
        # Metadata is Kubernetes' own.
        return unknown_keys({key: value for key, value in doc.items() if key != "metadata"}, model, doc["kind"])
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(doc, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"{doc['kind']} on {version}: {error}")
    return found


def check() -> list[str]:
    problems, seen = [], set()
    for key, (docs, _) in rendered().items():
        for doc in docs:
            text = json.dumps(doc, sort_keys=True)
            if text not in seen:
                seen.add(text)
                problems += [f"{name(*key)}: {problem}" for problem in problems_of(doc)]
    # A judge that finds nothing may be one that looks at nothing.
    for broken in (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {"replica": 1}},
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "x"}, "spec": {"triggers": "none"}},
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "x"},
            "spec": {"scaleTargetRef": {"name": "x", "nam": "y"}, "triggers": []},
        },
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "x"}, "spec": {"selector": 1}},
    ):
        if not problems_of(broken):
            problems.append(f"the schemas let a broken {broken['kind']} pass: {broken['spec']}")
    return problems
