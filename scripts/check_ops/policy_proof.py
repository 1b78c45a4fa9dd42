"""Breaks a good overlay on purpose, once a policy and more, and expects exactly that policy to find it."""

import copy

from policy import POLICIES, violations
from render import OTHERS, name, rendered


def deployment(docs):
    return next(doc for doc in docs if doc["kind"] == "Deployment")


def pod(docs):
    return deployment(docs)["spec"]["template"]["spec"]


def container(docs):
    return pod(docs)["containers"][0]


def kind(docs, wanted):
    return next(doc for doc in docs if doc["kind"] == wanted)


def settings(docs):
    return next(doc for doc in docs if doc["metadata"]["name"].startswith("obscura-settings"))["data"]


def worker(docs):
    return next(doc for doc in docs if doc["metadata"]["name"].startswith("obscura-worker"))["data"]


def trigger(docs):
    return kind(docs, "ScaledObject")["spec"]["triggers"][0]


def environment(docs):
    return container(docs)["env"]


def variable(docs, end):
    return next(variable for variable in environment(docs) if variable["name"] == f"OBSCURA_{end}")


def endpoint(docs):
    return kind(docs, "PodMonitor")["spec"]["podMetricsEndpoints"][0]


def egress(docs):
    return kind(docs, "NetworkPolicy")["spec"]["egress"]


def replace_in_worker(old, new):
    def change(docs):
        text = worker(docs)["worker.toml"]
        assert old in text, f"`{old}` is not in worker.toml any more"
        worker(docs)["worker.toml"] = text.replace(old, new, 1)

    return change


CERTIFICATE = {"name": "OBSCURA_ADMIN_CERTIFICATE_FILE", "value": "/run/secrets/obscura/tls.crt"}
SECRET = {"kind": "Secret", "metadata": {"name": "s", "namespace": "obscura-eu"}}
FROM_SECRET = {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p"}}}
NODE_FOLDER = {"name": "h", "hostPath": {"path": "/"}}
SECOND_SCALER = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "obscura", "namespace": "obscura-eu"}}

# What is done to the overlay eu with keda, and the policy that must find it.
BROKEN = [
    ("pods_are_not_privileged", lambda docs: container(docs)["securityContext"].update(privileged=True)),
    ("pods_are_not_privileged", lambda docs: container(docs)["securityContext"].pop("allowPrivilegeEscalation")),
    ("pods_are_not_privileged", lambda docs: container(docs)["securityContext"]["capabilities"].update(add=["SYS_ADMIN"])),
    ("pods_are_not_privileged", lambda docs: container(docs)["securityContext"].update(readOnlyRootFilesystem=False)),
    ("pods_are_not_privileged", lambda docs: pod(docs)["securityContext"].update(runAsUser=0)),
    ("pods_are_not_privileged", lambda docs: pod(docs)["securityContext"].pop("seccompProfile")),
    ("pods_are_not_privileged", lambda docs: pod(docs).update(hostNetwork=True)),
    ("pods_are_not_privileged", lambda docs: pod(docs)["volumes"].append(NODE_FOLDER)),
    ("namespaces_enforce_the_restricted_standard", lambda docs: kind(docs, "Namespace")["metadata"]["labels"].clear()),
    ("requests_and_limits_are_there", lambda docs: container(docs)["resources"]["limits"].pop("memory")),
    ("requests_and_limits_are_there", lambda docs: container(docs)["resources"]["requests"].update(memory="4Gi")),
    (
        "requests_and_limits_are_there",
        lambda docs: kind(docs, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].pop("resources"),
    ),
    ("threads_fit_the_limit_of_cores", lambda docs: container(docs)["resources"].update(limits={"cpu": "2", "memory": "3Gi"}, requests={"cpu": "2", "memory": "3Gi"})),
    ("stops_have_time", lambda docs: pod(docs).update(terminationGracePeriodSeconds=30)),
    ("stops_have_time", lambda docs: pod(docs).pop("terminationGracePeriodSeconds")),
    ("workers_are_probed_and_spread", lambda docs: container(docs).pop("livenessProbe")),
    ("workers_are_probed_and_spread", lambda docs: pod(docs).pop("topologySpreadConstraints")),
    ("workers_are_probed_and_spread", lambda docs: docs.remove(kind(docs, "PodDisruptionBudget"))),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: environment(docs).append(CERTIFICATE)),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: container(docs)["readinessProbe"]["httpGet"].update(port="metrics")),
    ("no_token_of_the_cluster_is_mounted", lambda docs: pod(docs).pop("automountServiceAccountToken")),
    ("no_token_of_the_cluster_is_mounted", lambda docs: kind(docs, "ServiceAccount")["metadata"].pop("annotations")),
    ("secrets_are_files", lambda docs: docs.append(SECRET)),
    ("secrets_are_files", lambda docs: container(docs)["env"].append(FROM_SECRET)),
    ("secrets_are_files", lambda docs: settings(docs).update(OBSCURA_KAFKA_PASSWORD="p")),
    ("images_have_a_version", lambda docs: container(docs).update(image="registry.example.com:5000/obscura")),
    ("images_have_a_version", lambda docs: container(docs).update(image="obscura:latest")),
    ("traffic_is_what_is_needed", lambda docs: docs.remove(kind(docs, "NetworkPolicy"))),
    ("traffic_is_what_is_needed", lambda docs: egress(docs).append({})),
    ("traffic_is_what_is_needed", lambda docs: egress(docs)[2]["to"][0]["ipBlock"].update(cidr="0.0.0.0/0")),
    ("traffic_is_what_is_needed", lambda docs: kind(docs, "NetworkPolicy")["spec"].update(policyTypes=["Ingress"])),
    ("the_region_is_the_same_everywhere", lambda docs: settings(docs).update(OBSCURA_REGION="us")),
    ("the_region_is_the_same_everywhere", replace_in_worker("s3://example-redacted-eu", "s3://example-redacted-us")),
    ("the_region_is_the_same_everywhere", replace_in_worker('region = "eu"', 'region = "us"')),
    ("the_region_is_the_same_everywhere", replace_in_worker('cloud_region = "eu-central-1"', 'cloud_region = "us-east-1"')),
    ("the_region_is_the_same_everywhere", replace_in_worker('cloud_region = "eu-central-1"', "")),
    ("the_region_is_the_same_everywhere", lambda docs: deployment(docs)["metadata"].update(namespace="obscura-us")),
    (
        "the_region_is_the_same_everywhere",
        lambda docs: deployment(docs)["spec"]["template"]["metadata"]["labels"].pop("obscura.dev/region"),
    ),
    ("scaling_asks_the_broker", lambda docs: trigger(docs).update(type="prometheus")),
    ("scaling_asks_the_broker", lambda docs: trigger(docs)["metadata"].update(topic="uploads-us")),
    ("scaling_asks_the_broker", lambda docs: kind(docs, "ScaledObject")["spec"].pop("fallback")),
    ("scaling_asks_the_broker", lambda docs: deployment(docs)["spec"].update(replicas=3)),
    ("scaling_asks_the_broker", lambda docs: docs.append(SECOND_SCALER)),
]

# The same for the overlay with every component.
BROKEN_WITH_ALL = [
    (
        "whoever_asks_the_admin_port_is_answered",
        lambda docs: container(docs)["livenessProbe"]["httpGet"].update(port="admin"),
    ),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: environment(docs).remove(variable(docs, "PROBE_LISTEN"))),
    (
        "whoever_asks_the_admin_port_is_answered",
        lambda docs: environment(docs).remove(variable(docs, "ADMIN_CLIENT_CA_FILE")),
    ),
    (
        "whoever_asks_the_admin_port_is_answered",
        lambda docs: variable(docs, "ADMIN_KEY_FILE").update(value="/etc/ssl/tls.key"),
    ),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: endpoint(docs).pop("tlsConfig")),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: endpoint(docs).update(scheme="http")),
    ("whoever_asks_the_admin_port_is_answered", lambda docs: endpoint(docs).update(port="probes")),
]


def check() -> list[str]:
    keda, everything = ("eu", ("keda",)), ("eu", ("keda", *OTHERS))
    cases = [(keda, *case) for case in BROKEN] + [(everything, *case) for case in BROKEN_WITH_ALL]
    problems = []
    for index, (good, expected, breaks) in enumerate(cases):
        broken = copy.deepcopy(rendered()[good][0])
        breaks(broken)
        found = {rule for rule, _ in violations("eu", broken)}
        if found != {expected}:
            problems.append(f"{name(*good)} broken on purpose ({index}): expected only `{expected}` to find it, found {sorted(found)}")
    unproven = set(POLICIES) - {expected for expected, _ in BROKEN}
    return problems + [f"no broken manifest shows that `{rule}` finds anything" for rule in sorted(unproven)]
