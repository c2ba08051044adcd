"""What ndlab is made of: a CycloneDX list of every package of a lock, a licence report, and known vulnerabilities.

`make sbom` writes build/sbom.json and build/licences.md from constraints/hub.txt, or another lock, and what the
installed packages say of themselves. It fails where the core, or anything that the core needs, is under the GPL, LGPL
or AGPL, or where a licence is unknown. Advisories are looked up in a folder of OSV files (`--advisories`), for nothing
is asked of the network; without one the report says that none were looked up.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
# Words of licence names that the core may not have; LGPL and AGPL hold the first of them.
COPYLEFT = re.compile(r"GPL|GNU (?:Lesser|Affero|Library)?\s*General Public|European Union Public", re.IGNORECASE)
_CLASSIFIER = "License :: OSI Approved :: "


def main(argv: list[str] | None = None) -> int:
    """Write both files; return 1 where a licence or an advisory is in the way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, default=ROOT / "constraints" / "hub.txt", help="the lock that is listed")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of sbom.json and licences.md")
    parser.add_argument("--advisories", type=Path, help="folder of OSV files (the PyPI export of osv.dev, unpacked)")
    options = parser.parse_args(argv)
    locked = dict(pins(options.lock.read_text()))
    core = closure(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    found = {name: licence(name) for name in sorted(locked)}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "sbom.json").write_text(json.dumps(sbom(options.lock, locked, core, found), indent=1) + "\n")
    wrong = [name for name in sorted(core & set(locked)) if found[name] is None or copyleft(str(found[name]))]
    bad = [f"{name} {locked[name]} of the core: {found[name] or 'no licence is known'}" for name in wrong]
    known = None if options.advisories is None else list(advisories(options.advisories, locked))
    (options.out / "licences.md").write_text(report(locked, core, found, known))
    for line in [*bad, *(known or ())]:
        print(line, file=sys.stderr)
    looked = "no advisories were looked up" if known is None else f"{len(known)} known vulnerabilities"
    print(f"{options.out}/sbom.json: {len(locked)} packages, {len(core & set(locked))} of the core; "
          f"{len(bad)} licences in the way; {looked}")  # fmt: skip
    return 1 if bad or known else 0


def pins(text: str) -> Iterator[tuple[str, str]]:
    """Name and version of each pin that this platform and Python take."""
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            pin = Requirement(line.rstrip(" \\"))
            if pin.marker is None or pin.marker.evaluate():
                yield canonicalize_name(pin.name), str(pin.specifier).removeprefix("==")


def closure(requirements: Iterable[str]) -> set[str]:
    """Names of all that these need, and what that needs, as installed here."""
    seen: set[str] = set()
    todo = [(Requirement(text), frozenset({""})) for text in requirements]
    while todo:
        one, wanted = todo.pop()
        if one.marker is not None and not any(one.marker.evaluate({"extra": extra}) for extra in wanted):
            continue
        name = canonicalize_name(one.name)
        extras = frozenset(one.extras) | {""}
        if name in seen and len(extras) == 1:
            continue
        seen.add(name)
        try:
            below = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        todo += [(Requirement(text), extras) for text in below]
    return seen


def licence(name: str) -> str | None:
    """What a package says of its licence: an expression, a classifier or a line; None if nothing."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if expression := about.get("License-Expression"):
        return expression
    listed = [one.removeprefix(_CLASSIFIER) for one in about.get_all("Classifier") or () if one.startswith(_CLASSIFIER)]
    if listed:
        return " AND ".join(sorted(listed))
    lines = (about.get("License") or "").strip().splitlines()
    return lines[0][:80] if lines else None


def copyleft(text: str) -> bool:
    """Whether no alternative of an expression is permissive.

    An exception for what is linked in (GCC's runtime) makes a library as free as ndlab needs it.
    """
    alternatives = re.split(r"\s+OR\s+", text.strip("() "))
    return all(
        COPYLEFT.search(re.sub(r"GPL-3\.0-(?:only|or-later) WITH GCC-exception-3\.1", "", one)) for one in alternatives
    )


def sbom(lock: Path, locked: Mapping[str, str], core: set[str], found: Mapping[str, str | None]) -> dict[str, Any]:
    """The list as CycloneDX 1.6; the same lock gives the same bytes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "scope": "required" if name in core else "optional",
        }
        | ({"licenses": [{"license": {"name": found[name]}}]} if found[name] else {})
        for name, version in sorted(locked.items())
    ]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": "ndlab", "name": "ndlab", "version": project["version"],
                          "licenses": [{"license": {"id": project["license"]}}]},
            "properties": [{"name": "ndlab:lock", "value": lock.name}, {"name": "ndlab:lock-sha256", "value": digest}],
        },
        "components": components,
        "dependencies": [{"ref": "ndlab", "dependsOn": [one["bom-ref"] for one in components]}],
    }  # fmt: skip


def advisories(folder: Path, locked: Mapping[str, str]) -> Iterator[str]:
    """A line for each known vulnerability of a locked version."""
    for path in sorted(folder.rglob("*.json")):
        one = json.loads(path.read_text())
        if one.get("withdrawn"):
            continue
        for affected in one.get("affected", ()):
            package = affected.get("package", {})
            name = canonicalize_name(package.get("name", ""))
            if package.get("ecosystem") == "PyPI" and name in locked and is_affected(locked[name], affected):
                yield f"{name} {locked[name]}: {one['id']} {one.get('summary', '')}".rstrip()
                break


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Whether a version is one of those, or in one of the ranges, that an advisory names."""
    if version in affected.get("versions", ()):
        return True
    return any(
        _in_range(Version(version), one["events"]) for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM"
    )


def _in_range(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    inside = False
    for event in events:
        try:
            if "introduced" in event and (event["introduced"] == "0" or version >= Version(event["introduced"])):
                inside = True
            elif ("fixed" in event and version >= Version(event["fixed"])) or (
                "last_affected" in event and version > Version(event["last_affected"])
            ):
                inside = False
        except InvalidVersion:
            continue
    return inside


def report(locked: Mapping[str, str], core: set[str], found: Mapping[str, str | None], known: list[str] | None) -> str:
    """The licences as a page."""
    order = sorted(locked, key=lambda name: (name not in core, name))
    part = {name: "core" if name in core else "extra" for name in order}
    rows = "".join(
        f"| {one} | {locked[one]} | {part[one]} | {found[one] or '(not installed here)'} |\n" for one in order
    )
    looked = (
        "No advisories were looked up: give a folder of OSV files with --advisories." if known is None
        else "Known vulnerabilities: none." if not known
        else "Known vulnerabilities:\n\n" + "".join(f"- {line}\n" for line in known)
    )  # fmt: skip
    return (
        "# Licences\n\n*Written by `make sbom`.* The core, and all that it needs, is permissive or it fails.\n\n"
        f"| package | version | | licence |\n|---|---|---|---|\n{rows}\n{looked}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
