#!/usr/bin/env bash
# Proves the TensorRT path on a machine with a GPU that has neither Docker nor a network: TensorRT, Triton and what they
# need are packed elsewhere, carried over in pieces, and put together there. On the GPU machine each step is one command:
#
#   prove_tensorrt.sh pack DIR    where there is a network: pieces of less than 60 MB into DIR, with their checksums
#   prove_tensorrt.sh keep DIR    on the GPU machine, once per delivery: takes what DIR holds into the store
#   prove_tensorrt.sh prove       on the GPU machine, from the checkout: unpacks, builds the plans, compares each with ONNX
#                                 Runtime, serves them with Triton, and prints latency and rows a second by batch
#
# The store is $SLUICE_GPU_STORE (default /var/tmp/sluice-gpu). Needs bash, tar, xz, sha256sum, Python 3.12 with pip; to
# pack also Maven and unzip. Without a GPU, `prove` ends where TensorRT asks for one: code 3.
set -euo pipefail

PYTHON_VERSION=${SLUICE_GPU_PYTHON:-3.12}
STORE=${SLUICE_GPU_STORE:-/var/tmp/sluice-gpu}
PIECE_SIZE=${SLUICE_GPU_PIECE:-55M}
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

# The newest TensorRT 10 whose libraries (Maven Central) and bindings (PyPI) have one version.
TENSORRT=10.15.1.29
JAR=org.bytedeco:tensorrt:10.15-1.5.13:jar:linux-x86_64-redist
JAR_SHA256=8543a6bda95c5d42141d409e1b74024b444e96334a3815d53997cc4ec3cfce83
LIBRARIES="libnvinfer.so.10 libnvinfer_plugin.so.10 libnvonnxparser.so.10 libnvinfer_builder_resource_ptx.so.10.15.1"
# What plans and their serving import; the last two bring files alone, not what they depend on.
PACKAGES="grpcio msgspec numpy onnxruntime protobuf PyYAML rich tritonclient typer"
ALONE="tensorrt_cu13_bindings==$TENSORRT nvidia-pytriton"

main() {
    case "${1:-}" in
        pack) [ $# -eq 2 ] || usage; pack "$2" ;;
        keep) [ $# -eq 2 ] || usage; keep "$2" ;;
        prove) [ $# -eq 1 ] || usage; prove ;;
        *) usage ;;
    esac
}

usage() {
    sed -n '2,13s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

pack() {
    mkdir -p "$1"
    STAGE=$(mktemp -d "$1/stage.XXXXXX")  # not local: the trap runs when this function has returned
    trap 'rm -rf "$STAGE"' EXIT
    echo "fetching TensorRT $TENSORRT (534 MB)" >&2
    fetch_libraries "$STAGE"
    echo "fetching wheels for Python $PYTHON_VERSION" >&2
    fetch_wheels "$STAGE/wheels"
    echo "packing (some minutes)" >&2
    cut_pieces "$STAGE" "$1"
    ls -l "$1" >&2
}

fetch_libraries() {
    mvn -q -B dependency:copy -Dartifact="$JAR" -DoutputDirectory="$1/jar" -Dmdep.useBaseVersion=true
    echo "$JAR_SHA256  $(echo "$1"/jar/*.jar)" | sha256sum --check --quiet
    mkdir "$1/lib"
    for library in $LIBRARIES; do
        unzip -q -j "$1"/jar/*.jar "org/bytedeco/tensorrt/linux-x86_64/$library" -d "$1/lib"
    done
    rm -r "$1/jar"
}

fetch_wheels() {
    local minor platforms=()
    for minor in 17 24 27 28 31 34 35; do
        platforms+=(--platform "manylinux_2_${minor}_x86_64")
    done
    local fetch=(python3 -m pip download --quiet --disable-pip-version-check --dest "$1" --only-binary=:all:
        --constraint "$ROOT/ops/constraints.txt" --implementation cp --python-version "$PYTHON_VERSION"
        "${platforms[@]}" --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --platform any)
    # shellcheck disable=SC2086  # several names each
    "${fetch[@]}" $PACKAGES && "${fetch[@]}" --no-deps $ALONE
}

cut_pieces() {
    rm -f "$2"/piece.* "$2/SHA256SUMS"
    tar -C "$1" -c . | xz -1 -T0 | split -b "$PIECE_SIZE" -d -a 3 - "$2/piece."
    (cd "$2" && sha256sum piece.* > SHA256SUMS)
}

keep() {
    mkdir -p "$STORE"
    cp "$1"/piece.* "$STORE"
    [ ! -f "$1/SHA256SUMS" ] || cp "$1/SHA256SUMS" "$STORE"
    echo "$(find "$STORE" -name 'piece.*' | wc -l) pieces in $STORE" >&2
}

prove() {
    unpack
    local python="$STORE/venv/bin/python"
    export LD_LIBRARY_PATH="$STORE/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    export PYTHONPATH="$ROOT/engine:$ROOT/models" SLUICE_CACHE="$STORE/cache"
    echo "== plans" >&2
    "$python" -m sluice_models.plan --repository "$ROOT/triton_repo" --benchmark || exit 3
    echo "== Triton" >&2
    "$python" "$ROOT/ops/gpu/serve_plans.py" --repository "$ROOT/triton_repo"
}

# Once: a second `prove` finds everything in place.
unpack() {
    [ -x "$STORE/venv/bin/tried" ] && return
    (cd "$STORE" && sha256sum --check --quiet SHA256SUMS)
    "python$PYTHON_VERSION" -m pip --version > /dev/null || { echo "Python $PYTHON_VERSION with pip is needed" >&2; exit 1; }
    cat "$STORE"/piece.* | tar -C "$STORE" -x -J
    "python$PYTHON_VERSION" -m venv --without-pip "$STORE/venv"
    "python$PYTHON_VERSION" -m pip --python "$STORE/venv/bin/python" install --quiet --disable-pip-version-check \
        --no-index --no-deps --no-compile "$STORE"/wheels/*.whl
    install -m 755 /dev/null "$STORE/venv/bin/tried"
}

main "$@"
