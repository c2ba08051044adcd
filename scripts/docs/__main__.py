"""Build the documentation site into build/docs, strictly; `make docs` calls this.

The pages of docs/, the notebooks as they ran, the reference from docstrings and the command line, and what the
benchmarks found are staged into one folder, built by Sphinx with every warning an error, and then every link and
every asset of every page is followed: none may be broken, and none may come from another host.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from scripts.docs import links, notebooks, pages, reference, results

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Stage, build, follow; return 0 if all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", help="where the site goes")
    parser.add_argument(
        "--paper", type=Path, default=ROOT / "paper", help="what `make paper` made; runs are taken from it"
    )
    parser.add_argument("--without-notebooks", action="store_true", help="leave the tutorials out, for a quick look")
    options = parser.parse_args()
    began = time.monotonic()
    out, staged = options.out.resolve(), options.out.resolve().with_name("docs-source")
    for folder in (out, staged):
        shutil.rmtree(folder, ignore_errors=True)
    pages.stage(ROOT, staged)
    results.stage(ROOT, staged)
    names = reference.stage(staged)
    executed = notebooks.stage(
        ROOT / "notebooks", staged, options.paper.resolve(), wanted=not options.without_notebooks
    )
    status = sphinx(staged, out)
    if status:
        return status
    wrong = links.wrong(out) + reference.missing(out, names)
    for line in wrong:
        print(line, file=sys.stderr)
    count = len(list(out.rglob("*.html")))
    print(f"{out / 'index.html'}: {count} pages, {executed} notebooks, {time.monotonic() - began:.0f} s; "
          f"{len(wrong)} links or names are wrong")  # fmt: skip
    return 1 if wrong else 0


def sphinx(staged: Path, out: Path) -> int:
    """Build HTML, every warning an error, and name all of them."""
    from sphinx.cmd.build import main as build

    kept = out.with_name("docs-kept")
    return int(build(["-b", "html", "-W", "--keep-going", "-q", "-d", str(kept), str(staged), str(out)]))


if __name__ == "__main__":
    sys.exit(main())
