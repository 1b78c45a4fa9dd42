#!/usr/bin/env bash
# Lay out what an image adds to its base: `docker/root.sh PROGRAM OUT [--gpu]`. Prints what it is made of, and fails if a CPU
# image would come above 200 MB.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$1
out=$2
variant=${3:-}

# The base of the CPU image, unpacked, with room to grow.
base_mb=40
limit_mb=200
# What the bases bring: the C and C++ libraries, and OpenSSL.
in_base='^(linux-vdso|ld-linux|libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|libssl|libcrypto)[.-]'

rm -rf "$out/opt/obscura"
root=$out/opt/obscura
mkdir -p "$root/bin" "$root/lib" "$root/share/obscura/models" "$root/share/licenses"

# Without symbols, which a release has not anyway.
strip --strip-all -o "$root/bin/obscura" "$program"

if [ "$variant" = --gpu ]; then runtime=.setup/onnxruntime-gpu; else runtime=.setup/onnxruntime; fi
cp "$runtime"/*.so "$root/lib/"
cp models/*.onnx models/manifest.toml "$root/share/obscura/models/"

# Shared libraries that the base lacks, and their licences.
{ ldd "$program"; ldd .setup/onnxruntime/libonnxruntime.so; } | awk '$2 == "=>" { print $1, $3 }' | sort -u |
while read -r name path; do
    [[ $name =~ $in_base ]] && continue
    if [ "$path" = not ]; then
        echo "error: $name is missing on this machine" >&2
        exit 1
    fi
    cp --dereference "$path" "$root/lib/$name"
    package=$(dpkg-query --search "$(readlink --canonicalize "$path")" 2>/dev/null | head -n 1 | cut -d: -f1 || true)
    [ -z "$package" ] || cp "/usr/share/doc/$package/copyright" "$root/share/licenses/$package"
done

cp LICENSE-MIT LICENSE-APACHE "$root/share/licenses/"
cp models/NOTICE "$root/share/licenses/models"
cp "$runtime/LICENSE" "$root/share/licenses/onnxruntime"
cp "$runtime/ThirdPartyNotices.txt" "$root/share/licenses/onnxruntime-third-party"
python3 scripts/licences.py > "$root/share/licenses/crates"

chmod -R u=rwX,go=rX "$root"
kib() { du --apparent-size --summarize --block-size=1K "$@" | awk '{ sum += $1 } END { print sum }'; }
total_kib=$(kib "$root")
printf '%8s KiB  %s\n' "$(kib "$root/bin")" program "$(kib "$root/lib")" "ONNX Runtime and shared libraries" \
    "$(kib "$root/share/obscura")" models "$(kib "$root/share/licenses")" licences "$total_kib" "all that is added to the base"
if [ "$variant" != --gpu ] && [ $((total_kib / 1000 + base_mb)) -ge "$limit_mb" ]; then
    echo "error: expected a CPU image under $limit_mb MB, found $((total_kib / 1000)) MB and $base_mb MB of the base" >&2
    exit 1
fi
