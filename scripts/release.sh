#!/usr/bin/env bash
# Make what is published of a version: `scripts/release.sh [PROGRAM [OUT]]`. Without PROGRAM it is built; OUT is dist/.
#
#   obscura-VERSION-PLATFORM.tar.gz   program, ONNX Runtime, models, licences, completions, man pages
#   obscura-VERSION.cdx.json          what it is made of: CycloneDX
#   obscura-VERSION-licences.txt      the licences of everything that is linked into it, with their texts
#   SHA256SUMS                        of these
#
# The version is what git describes: the tag v1.2.3 gives 1.2.3, twelve commits later 1.2.3+12.gabcdef0. The same commit gives
# the same archive, as far as the compiler does.
set -euo pipefail
cd "$(dirname "$0")/.."

package=$(sed -nE 's/^version = "(.*)"/\1/p' Cargo.toml | head -n 1)
described=$(git describe --tags --match 'v[0-9]*' --long --always --dirty=.dirty)
if [[ $described =~ ^v(.+)-([0-9]+)-(g[0-9a-f]+)(\.dirty)?$ ]]; then
    tagged=${BASH_REMATCH[1]}
    if [ "$tagged" != "$package" ] && [ "${BASH_REMATCH[2]}" = 0 ]; then
        echo "error: the tag says $tagged, Cargo.toml says $package" >&2
        echo "  hint: make them alike, and tag again" >&2
        exit 1
    fi
    version=$package
    [ "${BASH_REMATCH[2]}${BASH_REMATCH[4]}" = 0 ] || version+=+${BASH_REMATCH[2]}.${BASH_REMATCH[3]}${BASH_REMATCH[4]}
else
    version=$package+g$described
fi

scripts/setup.sh --release
out=${2:-dist}
if [ $# -gt 0 ]; then
    program=$1
else
    OBSCURA_VERSION=$version cargo build --locked --release
    program=target/release/obscura
fi

name=obscura-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
rm -rf "$out"
mkdir -p "$out/tree"
docker/root.sh "$program" "$out/tree"
mv "$out/tree/opt/obscura" "$out/$name"
rm -r "$out/tree"
cp README.md "$out/$name/"
mkdir -p "$out/$name/share/man/man1" "$out/$name/share/completions"
"$program" man "$out/$name/share/man/man1"
for shell in bash zsh fish elvish powershell; do
    "$program" completions "$shell" > "$out/$name/share/completions/obscura.$shell"
done
chmod -R u=rwX,go=rX "$out/$name"

tar --create --gzip --directory "$out" --file "$out/$name.tar.gz" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$(git log -1 --format=%ct)" "$name"
cp "$out/$name/share/licenses/crates" "$out/obscura-$version-licences.txt"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps \
    --override-filename obscura-sbom
python3 scripts/complete_sbom.py obscura-sbom.json "$out/obscura-$version.cdx.json" "$out/$name" \
    "$(cat .setup/onnxruntime/version)"
rm obscura-sbom.json benches/obscura-sbom.json
rm -r "$out/$name"
(cd "$out" && sums=$(sha256sum -- *) && printf '%s\n' "$sums" > SHA256SUMS)
ls -l "$out"
