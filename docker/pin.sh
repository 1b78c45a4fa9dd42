#!/usr/bin/env bash
# Put the digests that the registries tell today behind the names of base images: `make pin-images`. Needs a network, and
# `crane` or Docker with buildx. Rewrites `ARG ..._IMAGE=` of the Dockerfiles and `image:` of compose.yaml in the folder
# DIR (this one if not named); a name keeps its tag, so that a reader sees what is meant.
set -euo pipefail
dir=${1:-$(dirname "$0")}

digest_of() {
    if command -v crane >/dev/null; then
        crane digest "$1"
    else
        docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
    fi
}

files=("$dir"/*.Dockerfile "$dir"/compose.yaml)
images=$(grep -hoE '^(ARG [A-Z]+_IMAGE=| *image: )[^ ]+' "${files[@]}" | sed -E 's/^(ARG [A-Z]+_IMAGE=| *image: )//' | sort -u)
for image in $images; do
    name=${image%%@*}
    # Built here.
    [ "$name" != obscura:local ] || continue
    digest=$(digest_of "$name")
    if ! [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]]; then
        echo "error: $name: expected a digest, found \`$digest\`" >&2
        exit 1
    fi
    escaped=$(printf '%s' "$image" | sed -E 's/[.[\*^$\/]/\\&/g')
    sed -E -i "s|^(ARG [A-Z]+_IMAGE=\|( *)image: )$escaped\$|\\1$name@$digest|" "${files[@]}"
    echo "$name@$digest"
done
