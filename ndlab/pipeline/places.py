"""Where the records of what wrote an output are."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "record_name", "runs_folder"]

FOLDER = ".ndlab"


def runs_folder(output: Any) -> Path:
    """Return the folder of records of an output: beside the voxels, or in the user's state folder for remote ones.

    Parameters
    ----------
    output : volume, str or path
        What has a `url`, or an address.
    """
    url = str(getattr(output, "url", None) or os.fspath(output))
    if "://" not in url and not url.endswith(".zip"):
        return Path(url).expanduser().absolute() / FOLDER / "runs"
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    digest = hashlib.blake2b(url.rstrip("/").encode(), digest_size=8).hexdigest()
    return base / "ndlab" / "runs" / digest


def record_name(step: str) -> str:
    """Return a step's name as that of a file.

    Examples
    --------
    >>> record_name("levels 1-3"), record_name("a/b")
    ('levels 1-3', 'a-b')
    """
    return re.sub(r"[^\w. -]+", "-", step)
