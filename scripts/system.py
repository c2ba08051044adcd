"""See that the machine has what the tests need of it; with root on Debian, install what is missing.

`make system` calls this, other commands with lists of their own. system-packages.txt says what is needed, a line each:
the commands that will do, divided by `|`, found on PATH or as a pattern of files; Debian's packages, divided by commas;
what it is for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).resolve().parent.parent / "system-packages.txt"


class Need(NamedTuple):
    """One thing that the tests need of the system."""

    commands: tuple[str, ...]
    packages: tuple[str, ...]
    purpose: str

    def met(self) -> bool:
        return any(
            shutil.which(command) or (command.startswith("/") and any(Path("/").glob(command[1:])))
            for command in self.commands
        )


def needs(text: str) -> list[Need]:
    """The needs that `text` lists, one for each line that is neither blank nor a comment."""
    lines = (line.strip() for line in text.splitlines())
    fields = (line.split(maxsplit=2) for line in lines if line and not line.startswith("#"))
    return [Need(tuple(c.split("|")), tuple(p.split(",")), purpose) for c, p, purpose in fields]


def missing(*lists: Path) -> list[Need]:
    """What the lists want that is not there; without any, the tests' own list."""
    return [need for path in lists or (LIST,) for need in needs(path.read_text()) if not need.met()]


def apt_install(absent: list[Need]) -> None:
    """Install Debian's packages for what is missing; a failure shows in what is still missing afterwards."""
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive"}
    packages = [package for need in absent for package in need.packages]
    print("installing", *packages, flush=True)
    for step in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        subprocess.run(["apt-get", "-qq", *step], env=environment, stdin=subprocess.DEVNULL, check=False)


def main() -> int:
    """Return 0 when every need of the lists that were named is met, 1 after naming each one that is not."""
    lists = [Path(name) for name in sys.argv[1:]]
    absent = missing(*lists)
    if absent and os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install(absent)
        absent = missing(*lists)
    for need in absent:
        print(
            f"missing: {' or '.join(need.commands)}, for {need.purpose}. Debian, Ubuntu: "
            f"sudo apt-get install {' '.join(need.packages)}; elsewhere install it so that one of these is on PATH",
            file=sys.stderr,
        )
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
