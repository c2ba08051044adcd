"""Follow every link, anchor and asset of a built site; nothing may be broken, and nothing fetched from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["wrong"]

_ASSETS = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("object", "data"),
}
# What a <link> may name without a browser fetching it.
_NOT_FETCHED = {"canonical", "next", "prev", "index", "search", "alternate"}


class _Page(HTMLParser):
    """The anchors of a page and what it points to."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.assets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if found.get(name)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        for name in ("src", "href", "data"):
            if found.get(name) and (tag, name) in _ASSETS and found.get("rel") not in _NOT_FETCHED:
                self.assets.append(found[name])


def wrong(out: Path) -> list[str]:
    """Return a line for each link that leads nowhere and each asset that is missing or comes from another host."""
    pages = {path.resolve(): _read(path) for path in sorted(out.rglob("*.html"))}
    return [line for path, page in pages.items() for line in _of_page(path, page, pages, out.resolve())]


def _of_page(path: Path, page: _Page, pages: dict[Path, _Page], out: Path) -> list[str]:
    name, found = path.relative_to(out), []
    for asset in page.assets:
        parts = urlsplit(asset)
        if parts.scheme == "data":
            continue
        if parts.scheme or parts.netloc:
            found.append(f"{name}: {asset} comes from another host")
        elif not (path.parent / unquote(parts.path)).exists():
            found.append(f"{name}: the asset {asset} is missing")
    for link in page.links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        if not target.exists():
            found.append(f"{name}: {link} leads nowhere")
        elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
            found.append(f"{name}: {link} names no place of that page")
    return found


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page
