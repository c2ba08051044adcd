"""Draw docs/images/architecture.png: ndlab's parts beside those of the system that it re-imagines.

`python -m scripts.docs.drawing` writes the picture, which is committed, for pages of the repository show it, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "architecture.png"

INK, FAINT, ARROW = "#22333b", "#5b6b73", "#7a8a92"
FRONT, BACK, HARD = "#d7ecd9", "#d6e6f2", "#eee3d2"

Band = tuple[str, str, list[tuple[str, str]]]

# Each line is a band from the top: its name; then each box, a name and what it is made of.
THEN = """
front end | NDViz: browser viewer | Graph and Vector/Explorer: R, Shiny | CAJAL, ndio: MATLAB, Python
back end | tile cache: ndtilecache | RESTful store: Django, uWSGI | write cache: NDBlaze, on/Spark and Redis
back end | cuboid index: Morton order | RAMON: annotation rows | jobs: Celery, grid engines
hardware | database nodes: MySQL, Cassandra,/DynamoDB | cache nodes: Redis on SSD | object store: S3
"""
NOW = """
widgets | explore: image, graph, table;/WebGL2, in the wheel | notebook, CLI: verbs as functions/of volumes | other viewers: neuroglancer,/napari
serve | serve: Tornado. Tiles, cut-outs, Zarr, the founding URLs;/alone, in a kernel, inside Jupyter's server
engine | three nouns: Volume, Annotations,/Graph | pipeline: one task a block;/receipts, resume | cluster: Dask. Processes,/SLURM, gateway
store | OME-Zarr: chunks in shards;/TensorStore | SQLite + journal: or PostgreSQL | files, objects: disk, S3, GCS, http;/no server needed
"""  # noqa: E501
COLORS = {"front end": FRONT, "widgets": FRONT, "hardware": HARD, "store": HARD}


def bands(text: str) -> list[Band]:
    """Read bands of boxes; a slash is the end of a line."""
    found: list[Band] = []
    for line in text.strip().splitlines():
        name, *boxes = (part.strip().replace("/", "\n") for part in line.split(" | "))
        pairs = [(head.strip(), about.strip()) for head, _, about in (box.partition(": ") for box in boxes)]
        found.append((name, COLORS.get(name, BACK), pairs))
    return found


def draw() -> Any:
    """Return the figure."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(13, 7.6))
    for ax, title, text in (
        (axes[0], "2011 to 2018: Open Connectome Project, NeuroData", THEN),
        (axes[1], "ndlab", NOW),
    ):
        ax.set_xlim(0, 10)
        ax.set_ylim(0, 10)
        ax.axis("off")
        ax.set_title(title, fontsize=14, color=INK, loc="left", pad=10, fontweight="bold")
        _bands(ax, bands(text))
    note(axes[0], "Machines that a group of administrators keeps; the data are where the database is.")
    note(axes[1], "Processes of whoever looks; the data stay where they are; clusters come when asked.")
    figure.subplots_adjust(left=0.015, right=0.985, top=0.93, bottom=0.03, wspace=0.06)
    return figure


def _bands(ax: Any, found: list[Band]) -> None:
    from matplotlib.patches import FancyBboxPatch

    height, gap, top = 1.95, 0.38, 9.9
    for row, (band, color, boxes) in enumerate(found):
        y = top - (row + 1) * height - row * gap
        ax.add_patch(
            FancyBboxPatch((0.1, y), 9.8, height, boxstyle="round,pad=0,rounding_size=0.15", fc=color, ec="none")
        )
        ax.text(0.38, y + height / 2, band, rotation=90, ha="center", va="center", fontsize=11, color=FAINT)
        width = 9.1 / len(boxes)
        for column, (name, about) in enumerate(boxes):
            x = 0.75 + column * width
            ax.add_patch(FancyBboxPatch((x + 0.06, y + 0.15), width - 0.12, height - 0.3, fc="white", ec=ARROW, lw=0.8,
                                        boxstyle="round,pad=0,rounding_size=0.12"))  # fmt: skip
            middle, heads, lines = x + width / 2, name.count("\n") + 1, about.count("\n") + 1
            head = y + height / 2 + (0.26 * heads + 0.22 * lines + 0.12) / 2
            ax.text(middle, head, name, ha="center", va="top", fontsize=11, color=INK, fontweight="bold")
            ax.text(middle, head - 0.26 * heads - 0.12, about, ha="center", va="top", fontsize=9.5, color=FAINT)
        if row:
            for x in (2.5, 5.3, 8.1):
                ax.annotate("", (x, y + height + 0.02), (x, y + height + gap - 0.02),
                            arrowprops={"arrowstyle": "<->", "color": ARROW, "lw": 1.2})  # fmt: skip


def note(ax: Any, text: str) -> None:
    """Write a line under a column."""
    ax.text(0.1, 0.35, text, fontsize=10, color=FAINT, style="italic")


if __name__ == "__main__":
    import matplotlib as mpl

    mpl.use("Agg")
    draw().savefig(PICTURE, dpi=110, metadata={"Software": None})
    print(PICTURE)
