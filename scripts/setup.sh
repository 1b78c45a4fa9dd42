#!/usr/bin/env bash
# Fetch what Obscura needs beside Rust: the ONNX Runtime library and, for demo and tests, a few tools and pictures.
#
#   scripts/setup.sh            ONNX Runtime and what builds Obscura
#   scripts/setup.sh --pictures also the pictures of the demo
#   scripts/setup.sh --tests    also the tools, pictures and servers of the tests
#   scripts/setup.sh --bench    also what builds the peers of `make bench`
#   scripts/setup.sh --check    also the tools of `make check`
#   scripts/setup.sh --irreversibility  also the recognisers of `make irreversibility`
#   scripts/setup.sh --release  also what writes the bill of materials
#   scripts/setup.sh --gpu      also ONNX Runtime with the CUDA and TensorRT providers
#   scripts/setup.sh --fuzz     also cargo-fuzz
#
# Everything lands in .setup/ (but for system packages and cargo tools) and is kept from run to run.
set -euo pipefail
cd "$(dirname "$0")/.."

onnxruntime_version=1.31.1
case "$(uname -s)-$(uname -m)" in
    Linux-x86_64)
        platform=manylinux_2_28_x86_64
        onnxruntime_sha256=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f ;;
    Linux-aarch64)
        platform=manylinux_2_28_aarch64
        onnxruntime_sha256=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3 ;;
    *)
        echo "error: expected Linux on x86_64 or aarch64, found $(uname -s) on $(uname -m)" >&2
        echo "  hint: provide libonnxruntime $onnxruntime_version yourself and set OBSCURA_ONNXRUNTIME_LIBRARY" >&2
        exit 1 ;;
esac
# Of x86_64; there is none for others.
onnxruntime_gpu_sha256=e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6
pictures_package=scikit-image==0.26.0
pictures_sha256=74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af

say() { echo "setup: $*"; }

# install_package WHAT PACKAGE: install a Debian package, or say which command would.
install_package() {
    local install=(apt-get install -y --no-install-recommends "$2")
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $2"
        apt-get update -qq >/dev/null
        DEBIAN_FRONTEND=noninteractive "${install[@]}" >/dev/null
    else
        echo "error: expected $1, found none" >&2
        echo "  hint: sudo ${install[*]}" >&2
        exit 1
    fi
}

# need COMMAND PACKAGE
need() {
    command -v "$1" >/dev/null 2>&1 || install_package "the command \`$1\`" "$2"
}

# need_header HEADER PACKAGE
need_header() {
    echo "#include <$1>" | cc -E - >/dev/null 2>&1 || install_package "the header \`$1\`" "$2"
}

# fetch PACKAGE SHA256 PLATFORM: print the path of a wheel with that hash.
fetch() {
    local folder=.setup/wheels
    mkdir -p "$folder"
    local wheel
    for wheel in "$folder"/*.whl; do
        if [ -f "$wheel" ] && echo "$2  $wheel" | sha256sum --check --status; then echo "$wheel"; return; fi
    done
    local fresh
    fresh=$(mktemp -d "$folder/fetch.XXXXXX")
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
        --implementation cp --python-version 3.11 --abi cp311 --platform "$3" --dest "$fresh" "$1" >&2
    wheel=$(echo "$fresh"/*.whl)
    if ! echo "$2  $wheel" | sha256sum --check --status; then
        echo "error: $1: expected sha256 $2, found $(sha256sum "$wheel" | cut -d' ' -f1)" >&2
        echo "  hint: the package index served another file; do not use it" >&2
        exit 1
    fi
    mv "$wheel" "$folder/"
    rm -r "$fresh"
    echo "$folder/$(basename "$wheel")"
}

# unpack_onnxruntime WHEEL FOLDER MEMBER...: members of onnxruntime/capi, the library itself, and the licences.
unpack_onnxruntime() {
    mkdir -p "$2"
    python3 - "$onnxruntime_version" "$@" <<'PYTHON'
import pathlib, sys, zipfile
version, wheel, target, *more = sys.argv[1:]
members = {f"onnxruntime/capi/libonnxruntime.so.{version}": "libonnxruntime.so"}
members |= {f"onnxruntime/capi/{name}": name for name in more}
members |= {f"onnxruntime/{name}": name for name in ("LICENSE", "ThirdPartyNotices.txt")}
with zipfile.ZipFile(wheel) as archive:
    for member, name in members.items():
        (pathlib.Path(target) / name).write_bytes(archive.read(member))
PYTHON
    echo "$onnxruntime_version" > "$2/version"
}

setup_onnxruntime() {
    [ -f .setup/onnxruntime/libonnxruntime.so ] && [ "$(cat .setup/onnxruntime/version 2>/dev/null)" = "$onnxruntime_version" ] && return
    say "fetching ONNX Runtime $onnxruntime_version"
    local wheel
    wheel=$(fetch "onnxruntime==$onnxruntime_version" "$onnxruntime_sha256" "$platform")
    unpack_onnxruntime "$wheel" .setup/onnxruntime
}

setup_onnxruntime_gpu() {
    local folder=.setup/onnxruntime-gpu
    [ "$(cat "$folder/version" 2>/dev/null)" = "$onnxruntime_version" ] && return
    if [ "$platform" != manylinux_2_28_x86_64 ]; then
        echo "error: expected x86_64, for which alone there are the providers of NVIDIA GPUs" >&2
        exit 1
    fi
    say "fetching ONNX Runtime $onnxruntime_version with CUDA and TensorRT (250 MB)"
    local wheel
    wheel=$(fetch "onnxruntime-gpu==$onnxruntime_version" "$onnxruntime_gpu_sha256" "$platform")
    unpack_onnxruntime "$wheel" "$folder" \
        libonnxruntime_providers_shared.so libonnxruntime_providers_cuda.so libonnxruntime_providers_tensorrt.so
}

setup_python() {
    [ -x .setup/venv/bin/python ] && .setup/venv/bin/python -c 'import PIL, jpeglib' 2>/dev/null && return
    say "making a Python environment for drawing test pictures"
    python3 -m venv .setup/venv || { echo "  hint: sudo apt-get install -y python3-venv" >&2; exit 1; }
    .setup/venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement scripts/requirements.txt
}

setup_pictures() {
    [ -f .setup/pictures/astronaut.png ] && return
    say "fetching public-domain pictures"
    local wheel
    wheel=$(fetch "$pictures_package" "$pictures_sha256" manylinux_2_28_x86_64)
    mkdir -p .setup/pictures
    python3 - "$wheel" <<'PYTHON'
import pathlib, sys, zipfile
target = pathlib.Path(".setup/pictures")
with zipfile.ZipFile(sys.argv[1]) as archive:
    for name in ("grass.png", "gravel.png", "coffee.png", "README.txt", "astronaut.png"):
        (target / name).write_bytes(archive.read(f"skimage/data/{name}"))
PYTHON
}

setup_fixtures() {
    local stamp
    stamp=$(cat scripts/make_fixtures.py scripts/fixture_formats.py scripts/requirements.txt | sha256sum)
    [ "$(cat .setup/fixtures/stamp 2>/dev/null)" = "$stamp" ] && return
    say "drawing test pictures"
    # Pictures that are drawn no more would still be tested.
    rm -rf .setup/fixtures
    .setup/venv/bin/python scripts/make_fixtures.py --out .setup/fixtures
    echo "$stamp" > .setup/fixtures/stamp
}

setup_deface() {
    [ -x .setup/deface/bin/deface ] && return
    say "installing deface 1.5.0, the peer of whole runs"
    python3 -m venv .setup/deface
    .setup/deface/bin/python -m pip install --quiet --disable-pip-version-check deface==1.5.0 "onnxruntime==$onnxruntime_version"
}

setup_kafka() {
    local source=scripts/servers/kafka
    (cd .setup/kafka 2>/dev/null && sha256sum --check --status "../../$source/jars.sha256") && return
    need java default-jre-headless
    need mvn maven
    local java
    java=$(java -version 2>&1 | grep -oE '[0-9]+' | head -n 1)
    if [ "$java" -lt 17 ]; then
        echo "error: expected Java 17 or later, found $java" >&2
        echo "  hint: sudo apt-get install -y openjdk-17-jre-headless, and make it the default" >&2
        exit 1
    fi
    say "fetching Apache Kafka, for tests"
    rm -rf .setup/kafka
    mvn --quiet --batch-mode --file "$source/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$PWD/.setup/kafka"
    if ! (cd .setup/kafka && sha256sum --check --quiet "../../$source/jars.sha256"); then
        echo "error: Kafka's jars differ from $source/jars.sha256" >&2
        echo "  hint: the registry served other files; do not use them" >&2
        exit 1
    fi
}

# npm_packages NAME WHAT: what scripts/servers/NAME locks, in .setup/NAME.
npm_packages() {
    local source=scripts/servers/$1
    cmp --silent "$source/package-lock.json" ".setup/$1/installed.json" && return
    need node nodejs
    need npm npm
    say "fetching $2, for tests"
    rm -rf ".setup/$1"
    mkdir -p ".setup/$1"
    cp "$source/package.json" "$source/package-lock.json" ".setup/$1/"
    npm ci --prefix ".setup/$1" --silent --ignore-scripts --no-audit --no-fund
    cp "$source/package-lock.json" ".setup/$1/installed.json"
}

# python_environment NAME FOLDER WHAT [OPTION...]: what FOLDER/requirements.txt pins, in .setup/NAME; options are pip's.
python_environment() {
    local name=.setup/$1 source=$2 what=$3
    shift 3
    cmp --silent "$source/requirements.txt" "$name/requirements.txt" && return
    say "making a Python environment with $what"
    rm -rf "$name"
    python3 -m venv "$name" || { echo "  hint: sudo apt-get install -y python3-venv" >&2; exit 1; }
    "$name/bin/python" -m pip install --quiet --disable-pip-version-check "$@" --requirement "$source/requirements.txt"
    cp "$source/requirements.txt" "$name/requirements.txt"
}

# cargo_tool NAME VERSION
cargo_tool() {
    [ "$(cargo "${1#cargo-}" --version 2>/dev/null | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)" = "$2" ] && return
    say "building $1 $2"
    cargo install --quiet --locked "$1@$2"
}

# What writes the bill of materials.
setup_release() {
    cargo_tool cargo-cyclonedx 0.5.9
}

# What builds librdkafka, the Kafka client.
need cc gcc
need make make
need pkg-config pkg-config
need_header zlib.h zlib1g-dev
need_header openssl/ssl.h libssl-dev
need python3 python3
python3 -m pip --version >/dev/null 2>&1 || install_package "pip for \`python3\`" python3-pip
setup_onnxruntime
for argument in "$@"; do
    case "$argument" in
        --pictures)
            setup_python
            setup_pictures ;;
        --tests)
            need exiftool libimage-exiftool-perl
            need cjpeg libjpeg-turbo-progs
            need setpriv util-linux
            need prometheus prometheus
            setup_python
            setup_pictures
            setup_fixtures
            setup_kafka
            npm_packages azurite Azurite
            need chromium chromium
            npm_packages browser "what drives the browser"
            python_environment moto scripts/servers/moto "moto, for tests" --no-deps
            setup_release ;;
        --bench)
            need cmake cmake
            # Without it turbojpeg has no SIMD, which would flatter us.
            [ "$(uname -m)" != x86_64 ] || need nasm nasm
            setup_python
            setup_pictures
            setup_deface ;;
        --check)
            cargo_tool cargo-deny 0.20.2
            cargo_tool cargo-machete 0.9.2
            need promtool prometheus
            python_environment ops scripts/check_ops "what judges k8s/ and docker/" ;;
        --irreversibility)
            # What tries to undo redaction. Without dependencies: of rapidocr only the model is used.
            python_environment irreversibility scripts/irreversibility "recognisers (dlib, PP-OCR)" --no-deps ;;
        --release) setup_release ;;
        --gpu) setup_onnxruntime_gpu ;;
        --fuzz) cargo_tool cargo-fuzz 0.13.2 ;;
        *) echo "error: unknown argument $argument" >&2; exit 2 ;;
    esac
done
