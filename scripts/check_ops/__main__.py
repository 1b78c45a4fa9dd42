"""Checks of k8s/ and docker/, without a cluster, a container engine or a network.

    .setup/ops/bin/python scripts/check_ops            all checks
    .setup/ops/bin/python scripts/check_ops --write    write anew what follows from other files (`make rules`)

Prints one line a check, and every problem with the file it lies in. Exit code 1 if there is a problem.
"""

import sys
import time

import alerts
import containers
import dashboards
import policy
import policy_proof
import render
import schemas

CHECKS = [
    ("manifests: every overlay renders, alone and with components", render.check),
    ("manifests: schemas of Kubernetes 1.29 to 1.37, KEDA, Prometheus operator", schemas.check),
    ("manifests: policies hold", policy.check),
    ("manifests: each policy finds what is broken on purpose", policy_proof.check),
    ("rules: syntax, runbook, both manifests alike", alerts.check),
    ("rules: each alert fires when it should and is silent when not", alerts.check_tests),
    ("dashboards: queries parse, metrics and labels are the worker's", dashboards.check),
    ("images: lint, steps are scripts, base images are pinnable", containers.check),
    ("compose: parsed by compose itself, services are as hardened as pods", containers.check_compose),
]


def main() -> int:
    if "--write" in sys.argv[1:]:
        alerts.write()
        return 0
    failed = 0
    for name, check in CHECKS:
        started = time.monotonic()
        problems = check()
        failed += bool(problems)
        print(f"{'FAILED' if problems else 'ok':6} {time.monotonic() - started:5.1f} s  {name}", flush=True)
        for problem in problems:
            print(f"       {problem}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
