"""What a backup says of itself: its origin, and the SHA-256 of every key in the format of ``sha256sum``.

An unpacked backup is therefore checked by ``sha256sum -c .ndlab/backup.sha256``, without ndlab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ndlab.errors import BadMetadata

__all__ = ["SUMS", "Backup"]

SUMS = ".ndlab/backup.sha256"
_FIRST = "# ndlab backup 1"
_LINE = re.compile(r"(\\?)([0-9a-f]{64})  (.+)")
# sha256sum writes a line break or backslash in a name so, and starts the line with a backslash.
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True)
class Backup:
    """A backup: where it is, what it was made of and when, and the SHA-256 of each key.

    Examples
    --------
    >>> made = Backup("/b.zip", "/a", "2030-01-01T00:00:00+00:00", 3, {"key": "0" * 64})
    >>> print(made.document().decode())
    # ndlab backup 1
    # source: /a
    # created: 2030-01-01T00:00:00+00:00
    # bytes: 3
    # keys: 1
    0000000000000000000000000000000000000000000000000000000000000000  key
    >>> Backup.parse(made.document(), "/b.zip") == made
    True
    """

    url: str
    source: str
    created: str
    nbytes: int
    sums: Mapping[str, str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.sums)

    def as_dict(self) -> dict[str, Any]:
        """All facts but the sums, ready for JSON."""
        return {
            "url": self.url, "source": self.source, "created": self.created, "nbytes": self.nbytes, "keys": len(self)
        }  # fmt: skip

    def document(self) -> bytes:
        """Write the manifest as it stands in the backup."""
        head = [f"# source: {self.source}", f"# created: {self.created}", f"# bytes: {self.nbytes}"]
        lines = [_FIRST, *head, f"# keys: {len(self)}", *(_line(key, digest) for key, digest in self.sums.items())]
        return "\n".join(lines).encode() + b"\n"

    @staticmethod
    def parse(raw: bytes, url: str) -> Backup:
        """Read a manifest.

        Raises
        ------
        BadMetadata
            If it is none, or cut short.
        """
        lines = raw.decode(errors="replace").split("\n")
        facts = dict(line[2:].split(": ", 1) for line in lines if line.startswith("# ") and ": " in line)
        try:
            if lines[0] != _FIRST:
                raise ValueError("it does not begin as one")
            sums = dict(_parsed(line) for line in lines if line and not line.startswith("#"))
            if len(sums) != int(facts["keys"]):
                raise ValueError(f"it lists {len(sums)} of {facts['keys']} keys")
            return Backup(url, facts["source"], facts["created"], int(facts["bytes"]), sums)
        except (ValueError, KeyError) as error:
            raise BadMetadata(f"{SUMS} in {url} is no manifest of a backup", str(error),
                              "restore from another backup") from None  # fmt: skip


def _line(key: str, digest: str) -> str:
    escaped = "".join(_ESCAPES.get(letter, letter) for letter in key)
    return f"{'' if escaped == key else chr(92)}{digest}  {escaped}"


def _parsed(line: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"a line of it reads {line[:80]!r}")
    escaped, digest, key = found.groups()
    if escaped:
        letters = {code: letter for letter, code in _ESCAPES.items()}
        key = re.sub(r"\\[\\nr]", lambda code: letters[code[0]], key)
    return key, digest
