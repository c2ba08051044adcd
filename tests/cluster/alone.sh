#!/bin/sh
# alone.sh COMMAND ...: run a command that sees $HOME and none of the folders beside it, as each user's container does.
# It is called in a mount namespace of its own (unshare --mount).
set -eu
kept=$(mktemp -d)
mount --bind "$HOME" "$kept"
mount -t tmpfs -o mode=755 none "$(dirname "$HOME")"
mkdir "$HOME"
mount --bind "$kept" "$HOME"
umount "$kept"
rmdir "$kept"
cd "$HOME"
exec "$@"
