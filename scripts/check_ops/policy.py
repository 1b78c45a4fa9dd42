"""What every rendered overlay must keep, each rule by itself. `policy_proof` shows for each that it finds what breaks it."""

import ipaddress
import tomllib
from collections.abc import Callable, Iterator


from render import name, rendered

Docs = list[dict]
POLICIES: dict[str, Callable[[str, Docs], Iterator[str]]] = {}
# Above timeouts.drain_s (25 s) and the 20 s in which a worker leaves its group; see docs/runbook.md.
LONGEST_STOP_S = 45
BINARY_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def policy(function):
    POLICIES[function.__name__] = function
    return function


def of_kind(docs: Docs, kind: str) -> Iterator[dict]:
    return (doc for doc in docs if doc["kind"] == kind)


def pods(docs: Docs) -> Iterator[tuple[str, dict, dict]]:
    """Name, metadata and spec of every template of pods."""
    for doc in docs:
        spec = doc.get("spec", {})
        if doc["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec and "spec" in spec["template"]:
            yield f"{doc['kind']} {doc['metadata']['name']}", spec["template"].get("metadata", {}), spec["template"]["spec"]
        elif doc["kind"] == "Pod":
            yield f"Pod {doc['metadata']['name']}", doc["metadata"], spec


def containers(docs: Docs) -> Iterator[tuple[str, dict]]:
    for where, _, pod in pods(docs):
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            yield f"{where}/{container['name']}", container


def config_map(docs: Docs, start: str) -> dict[str, str]:
    found = [doc for doc in of_kind(docs, "ConfigMap") if doc["metadata"]["name"].startswith(start)]
    return found[0].get("data", {}) if found else {}


def amount(text: str) -> float:
    """Of memory in bytes, of cores as a number."""
    for unit, factor in BINARY_UNITS.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text.removesuffix("m")) / 1000 if text.endswith("m") else float(text)


@policy
def pods_are_not_privileged(_: str, docs: Docs) -> Iterator[str]:
    for where, _, pod in pods(docs):
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(key):
                yield f"{where}: {key}"
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or security.get("runAsUser", 0) == 0:
            yield f"{where}: expected runAsNonRoot and a user that is not root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{where}: expected the default seccomp profile"
        if any("hostPath" in volume for volume in pod.get("volumes", [])):
            yield f"{where}: a folder of the node is mounted"
    for where, container in containers(docs):
        security = container.get("securityContext", {})
        if security.get("privileged") or security.get("allowPrivilegeEscalation") is not False:
            yield f"{where}: expected neither privileges nor a way to them"
        if security.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{where}: expected all capabilities dropped and none added"
        if security.get("readOnlyRootFilesystem") is not True:
            yield f"{where}: expected a read-only root file system"


@policy
def namespaces_enforce_the_restricted_standard(_: str, docs: Docs) -> Iterator[str]:
    namespaces = list(of_kind(docs, "Namespace"))
    if len(namespaces) != 1:
        yield f"expected one namespace, found {len(namespaces)}"
    for doc in namespaces:
        if doc["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"Namespace {doc['metadata']['name']}: expected the restricted standard enforced"


@policy
def requests_and_limits_are_there(_: str, docs: Docs) -> Iterator[str]:
    for where, container in containers(docs):
        resources = container.get("resources", {})
        for key in ("cpu", "memory"):
            request, limit = (resources.get(kind, {}).get(key) for kind in ("requests", "limits"))
            if request is None or limit is None:
                yield f"{where}: expected a request and a limit of {key}"
            elif amount(str(request)) > amount(str(limit)):
                yield f"{where}: requests more {key} than its limit"


@policy
def threads_fit_the_limit_of_cores(_: str, docs: Docs) -> Iterator[str]:
    for where, container in containers(docs):
        for variable in container.get("env", []):
            limit = container.get("resources", {}).get("limits", {}).get("cpu", "0")
            if variable["name"] == "OBSCURA_THREADS" and int(variable["value"]) > amount(str(limit)):
                yield f"{where}: {variable['value']} threads on {limit} cores"


@policy
def stops_have_time(_: str, docs: Docs) -> Iterator[str]:
    for where, _, pod in pods(docs):
        if where.startswith("Deployment") and pod.get("terminationGracePeriodSeconds", 30) <= LONGEST_STOP_S:
            yield f"{where}: expected more than {LONGEST_STOP_S} s to end"


@policy
def workers_are_probed_and_spread(_: str, docs: Docs) -> Iterator[str]:
    for where, metadata, pod in pods(docs):
        if not where.startswith("Deployment"):
            continue
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if any(probe not in container for container in pod["containers"]):
                yield f"{where}: no {probe}"
        if not pod.get("topologySpreadConstraints"):
            yield f"{where}: is not spread"
        budgets = [doc["spec"]["selector"]["matchLabels"] for doc in of_kind(docs, "PodDisruptionBudget")]
        if not any(labels.items() <= metadata["labels"].items() for labels in budgets):
            yield f"{where}: no PodDisruptionBudget is for it"


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@policy
def whoever_asks_the_admin_port_is_answered(_: str, docs: Docs) -> Iterator[str]:
    """With certificates, probes have a plain port and the scraper a certificate; without, both ask the same port."""
    for where, container in containers(docs):
        variables = {variable["name"]: variable.get("value", "") for variable in container.get("env", [])}
        if "OBSCURA_LISTEN" not in variables:
            continue
        files = [variables.get(f"OBSCURA_ADMIN_{part}_FILE") for part in ("CERTIFICATE", "KEY", "CLIENT_CA")]
        if any(files) and not all(files):
            yield f"{where}: certificate, key and authority of clients belong together"
        mounts = tuple(mount["mountPath"] + "/" for mount in container.get("volumeMounts", []))
        if any(file and not file.startswith(mounts) for file in files):
            yield f"{where}: a file of the admin port is not mounted"
        listens = variables.get("OBSCURA_PROBE_LISTEN") if any(files) else variables["OBSCURA_LISTEN"]
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = container.get(probe, {}).get("httpGet", {}).get("port")
            if asked is not None and (not listens or ports.get(asked) != port_of(listens)):
                yield f"{where}: {probe} asks `{asked}`, where probes are not answered"
        for doc in of_kind(docs, "PodMonitor"):
            for endpoint in doc["spec"]["podMetricsEndpoints"]:
                if ports.get(endpoint["port"]) != port_of(variables["OBSCURA_LISTEN"]):
                    yield f"PodMonitor: asks `{endpoint['port']}`, where metrics are not"
                shows = {"ca", "cert", "keySecret"} <= set(endpoint.get("tlsConfig", {}))
                if (endpoint.get("scheme") == "https" and shows) != any(files):
                    yield "PodMonitor: expected TLS and a certificate exactly where the worker asks for one"


@policy
def no_token_of_the_cluster_is_mounted(_: str, docs: Docs) -> Iterator[str]:
    for where, _, pod in pods(docs):
        if pod.get("automountServiceAccountToken") is not False or pod.get("serviceAccountName") != "obscura":
            yield f"{where}: expected the account `obscura`, its token not mounted"
    for doc in of_kind(docs, "ServiceAccount"):
        if not doc["metadata"].get("annotations"):
            yield f"ServiceAccount {doc['metadata']['name']}: no identity at the cloud"


@policy
def secrets_are_files(_: str, docs: Docs) -> Iterator[str]:
    for doc in of_kind(docs, "Secret"):
        yield f"Secret {doc['metadata']['name']}: secrets do not belong into a repository"
    for where, container in containers(docs):
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}):
                yield f"{where}: the secret {variable['name']} is a variable"
        if any("secretRef" in source for source in container.get("envFrom", [])):
            yield f"{where}: a whole secret becomes variables"
    for doc in of_kind(docs, "ConfigMap"):
        for key in doc.get("data", {}):
            if any(word in key.upper() for word in ("PASSWORD", "TOKEN", "SECRET")) and not key.endswith("_FILE"):
                yield f"ConfigMap {doc['metadata']['name']}: `{key}` looks like a secret"


@policy
def images_have_a_version(_: str, docs: Docs) -> Iterator[str]:
    for where, container in containers(docs):
        image = container["image"]
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if "@sha256:" not in image and tag in ("", "latest"):
            yield f"{where}: `{image}` names no version"


@policy
def traffic_is_what_is_needed(_: str, docs: Docs) -> Iterator[str]:
    policies = list(of_kind(docs, "NetworkPolicy"))
    for where, metadata, _ in pods(docs):
        chosen = [doc["spec"] for doc in policies if doc["spec"]["podSelector"].get("matchLabels", {}).items() <= metadata["labels"].items()]
        if not chosen or any(set(spec["policyTypes"]) != {"Ingress", "Egress"} for spec in chosen):
            yield f"{where}: no NetworkPolicy rules both of its directions"
        for spec in chosen:
            for direction, key in (("ingress", "from"), ("egress", "to")):
                for rule in spec.get(direction, []):
                    if not rule.get(key) or not rule.get("ports"):
                        yield f"{where}: {direction} from or to anywhere, or by any port"
                    for peer in rule.get(key, []):
                        block = peer.get("ipBlock", {}).get("cidr")
                        if block and ipaddress.ip_network(block).prefixlen < 16:
                            yield f"{where}: {direction} `{block}` is much wider than a store"


@policy
def the_region_is_the_same_everywhere(overlay: str, docs: Docs) -> Iterator[str]:
    settings = config_map(docs, "obscura-settings")
    worker = tomllib.loads(config_map(docs, "obscura-worker").get("worker.toml", ""))
    expected = {
        "OBSCURA_REGION": overlay,
        "OBSCURA_KAFKA_TOPICS": f"uploads-{overlay}",
        "OBSCURA_KAFKA_GROUP": f"obscura-{overlay}",
        "OBSCURA_KAFKA_OUTCOME_TOPIC": f"redacted-{overlay}",
        "OBSCURA_KAFKA_DEAD_LETTER_TOPIC": f"dead-letters-{overlay}",
    }
    for key, value in expected.items():
        if settings.get(key) != value:
            yield f"settings.env: expected {key}={value}, found {settings.get(key)}"
    stores = {store["name"]: store for store in worker.get("stores", [])}
    if settings.get("OBSCURA_REGION_STORE") not in stores:
        yield f"settings.env: OBSCURA_REGION_STORE names no store of worker.toml: {settings.get('OBSCURA_REGION_STORE')}"
    for store in stores.values():
        if store["region"] != overlay or not store["url"].endswith(f"-{overlay}") or not store.get("cloud_region"):
            yield f"worker.toml: store `{store['name']}`: expected region and bucket of `{overlay}`, pinned by cloud_region"
    if len({store.get("cloud_region") for store in stores.values()}) > 1:
        yield "worker.toml: the stores of one region lie in several"
    for doc in docs:
        if doc["metadata"].get("labels", {}).get("obscura.dev/region", overlay) != overlay:
            yield f"{doc['kind']} {doc['metadata']['name']}: labelled with another region"
        namespace = doc["metadata"]["name"] if doc["kind"] == "Namespace" else doc["metadata"].get("namespace")
        if namespace != f"obscura-{overlay}":
            yield f"{doc['kind']} {doc['metadata']['name']}: lies in the namespace `{namespace}`"
    for where, metadata, _ in pods(docs):
        if metadata.get("labels", {}).get("obscura.dev/region") != overlay:
            yield f"{where}: its pods are not labelled with the region, by which metrics are told apart"


@policy
def scaling_asks_the_broker(overlay: str, docs: Docs) -> Iterator[str]:
    settings = config_map(docs, "obscura-settings")
    for doc in of_kind(docs, "ScaledObject"):
        if not doc["spec"].get("fallback"):
            yield "ScaledObject: no fallback for when the broker cannot be asked"
        for trigger in doc["spec"]["triggers"]:
            metadata = trigger["metadata"]
            if trigger["type"] != "kafka":
                yield f"ScaledObject: scales on `{trigger['type']}`: a worker's own metric is absent when there is no worker"
            for key, setting in (
                ("bootstrapServers", "BROKERS"),
                ("topic", "TOPICS"),
                ("consumerGroup", "GROUP"),
            ):
                if metadata.get(key) != settings.get(f"OBSCURA_KAFKA_{setting}"):
                    yield f"ScaledObject: {key} is `{metadata.get(key)}`, not that of the workers of {overlay}"
    scalers = [doc["kind"] for doc in docs if doc["kind"] in ("ScaledObject", "HorizontalPodAutoscaler")]
    if len(scalers) > 1:
        yield f"{scalers}: two scalers of one Deployment fight"
    for doc in of_kind(docs, "Deployment"):
        if "replicas" in doc["spec"]:
            yield "Deployment: `replicas` undoes what was scaled at every apply"


def violations(overlay: str, docs: Docs) -> list[tuple[str, str]]:
    return [(rule, line) for rule, function in POLICIES.items() for line in function(overlay, docs)]


def check() -> list[str]:
    problems = []
    for (overlay, components), (docs, _) in rendered().items():
        problems += [f"{name(overlay, components)}: {rule}: {line}" for rule, line in violations(overlay, docs)]
    return sorted(set(problems))
