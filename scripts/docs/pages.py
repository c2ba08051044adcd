"""The pages of docs/, the changes and the contributor's page, with links that lead to pages of the site."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

__all__ = ["rewritten", "stage"]

# Pages that stand elsewhere in the repository, and notebooks, by the name that they have in the site.
_MOVED = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md", "notebooks": "tutorials/index.md",
          "README.md": "index.md"}  # fmt: skip
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def stage(root: Path, staged: Path) -> None:
    """Copy docs/ and the two pages of the top level."""
    for path in sorted((root / "docs").rglob("*")):
        if path.is_dir():
            continue
        inside = path.relative_to(root / "docs")
        if path.suffix != ".md":
            _put(path.read_bytes(), staged / inside)
            continue
        name = inside.with_name("index.md") if inside.name == "README.md" else inside
        text = rewritten(path.read_text(), path, root, name)
        _put((text + _tree(text, path) if inside.name == "README.md" else text).encode(), staged / name)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        _put(
            rewritten((root / name).read_text(), root / name, root, Path(_MOVED[name])).encode(), staged / _MOVED[name]
        )


def rewritten(text: str, page: Path, root: Path, name: Path) -> str:
    """Turn links of a page of the repository into links of the site; what is no page of it becomes plain text."""

    def turned(found: re.Match[str]) -> str:
        mark, words, link = found.groups()
        where, _, anchor = link.partition("#")
        if "://" in link or not where:
            return found.group()
        target = Path(os.path.normpath(page.parent / where)).relative_to(root)
        moved = _site_path(target)
        if moved is None or not (root / target).exists():
            return f"`{words.strip('`')}`"
        there = os.path.relpath(moved, name.parent)
        if words == target.name and target.suffix == ".md":
            words = (root / target).read_text().splitlines()[0].lstrip("# ")
        return f"{mark}[{words}]({there}{'#' + anchor if anchor else ''})"

    return _LINK.sub(turned, text)


def _tree(text: str, page: Path) -> str:
    """Return the table of contents of a folder: its pages in the order in which its first page links to them."""
    linked = [link for _, _, link in _LINK.findall(text) if re.fullmatch(r"[\w-]+\.md", link)]
    pages = [one.name for one in sorted(page.parent.glob("*.md")) if one.name != "README.md"]
    order = dict.fromkeys([*(link for link in linked if link in pages), *pages])
    listed = "\n".join(name.removesuffix(".md") for name in order)
    return f"\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def _site_path(target: Path) -> Path | None:
    if str(target) in _MOVED:
        return Path(_MOVED[str(target)])
    if target.parts[0] == "notebooks":
        return Path("tutorials", *target.parts[1:])
    if target.parts[0] == "docs":
        inside = Path(*target.parts[1:])
        return inside.with_name("index.md") if inside.name == "README.md" else inside
    return None


def _put(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    shutil.copymode(Path(__file__), path)
