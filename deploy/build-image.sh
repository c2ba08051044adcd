#!/bin/sh
# Build deploy/Containerfile without a container engine, into build/image: an OCI layout under oci/. `make image` calls
# it. Debian's mmdebstrap makes the base and its buildah builds in a chroot, as root; see docs/how-to/deploy.md.
#
# BASE is an image that buildah can pull; without it the base is made of Debian's packages. MOUNTS names further folders
# of this machine that are seen while it is built and are not in the image, such as a mirror of packages.
set -eu
cd "$(dirname "$0")/.."
out=$PWD/build/image
work=$(mktemp -d)
trap 'umount_all; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

builder() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

umount_all() {
    builder rm --all >/dev/null 2>&1 || true
}

for tool in buildah mmdebstrap; do
    command -v $tool >/dev/null || { echo "no $tool: apt-get install buildah mmdebstrap" >&2; exit 2; }
done
[ "$(id -u)" = 0 ] || { echo "not root: a chroot needs it" >&2; exit 2; }

base=${BASE:-}
if [ -z "$base" ]; then
    echo "== base"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv,python-is-python3 \
        trixie "$work/base.tar"
    container=$(builder from scratch)
    builder add --quiet "$container" "$work/base.tar" / >/dev/null
    builder commit --quiet --rm "$container" ndlab-base >/dev/null
    rm "$work/base.tar"
    base=localhost/ndlab-base
fi

# What this machine knows of mirrors and certificates serves the steps, and stays out of the image.
set --
for path in /etc/pip.conf /etc/xdg/pip "$HOME/.config/pip" "$HOME/.npmrc" /etc/ssl/certs/ca-certificates.crt ${MOUNTS:-}; do
    if [ -e "$path" ]; then set -- "$@" --volume "$path:$path:ro"; fi
done
echo "== image"
builder build --isolation chroot --layers=false --build-arg "BASE=$base" "$@" \
    --file deploy/Containerfile --tag ndlab .

echo "== layout"
rm -rf "$out"
mkdir -p "$out"
builder push --quiet ndlab "oci:$out/oci:ndlab"

echo "== start"
# A chroot shares the network of the machine: this says that what is inside starts, not that it is kept apart.
container=$(builder from ndlab)
# shellcheck disable=SC2016  # what is in quotes is for the shell inside
builder run --isolation chroot "$container" -- sh -eu -c '
    cd /srv/lab && export HOME=/srv/lab
    echo "proxy of the hub: $(configurable-http-proxy --version)"
    python -c "import ndlab; print(ndlab.samples.toy().volume(\"image\"))"
    port=$(python -c "import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])")
    jupyter lab --ip=127.0.0.1 --port="$port" --no-browser --ServerApp.allow_unauthenticated_access=False 2>log &
    server=$!
    trap "kill $server" EXIT
    python - "$port" <<END
import sys, time, urllib.error, urllib.request
for _ in range(240):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/api/contents")
    except urllib.error.HTTPError as error:
        print("without a token the server answers", error.code)
        sys.exit(error.code != 403)
    except OSError:
        time.sleep(0.5)
sys.exit("the server of the image did not start: " + open("log").read()[-2000:])
END'
du -sh "$out/oci"
