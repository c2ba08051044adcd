#!/bin/sh
# Regenerate the hashed, host-free locks for every supported Python and platform. `make lock` calls this with the
# path of uv and, to raise versions as well, --upgrade.
#
# bench.txt is what the benchmarks are compared with and all of dev.txt, in the same versions; cluster.txt is dev.txt
# and what `make cluster-test` adds; binder.txt is what a session needs of it. docs.txt is added to the environment of
# dev.txt; napari.txt, deploy.txt and hub.txt are environments of their own, with the same versions.
set -eu
cd "$(dirname "$0")/.."
uv="$1"
shift

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-header --no-annotate --no-emit-index-url "$@"
}

compile "$@" pyproject.toml --extra lab --extra dev --extra bench -o constraints/bench.txt
compile "$@" pyproject.toml --extra lab --extra dev -c constraints/bench.txt -o constraints/dev.txt
compile "$@" pyproject.toml --extra lab --extra dev --extra cluster --group cluster-test -c constraints/bench.txt \
    -o constraints/cluster.txt
# What Binder installs: no tool of development but the build backend.
compile "$@" pyproject.toml --extra lab --group binder -c constraints/dev.txt -o constraints/binder.txt
compile "$@" --group docs -c constraints/bench.txt -o constraints/docs.txt
compile "$@" --group deploy -c constraints/bench.txt -o constraints/deploy.txt
compile "$@" pyproject.toml --extra lab --extra cluster --group hub -c constraints/bench.txt -o constraints/hub.txt
compile "$@" pyproject.toml --extra napari --group napari -c constraints/bench.txt -o constraints/napari.txt
echo uv | compile "$@" - -o constraints/uv.txt
