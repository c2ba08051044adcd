"""Write docs/reference/scoreboard.md from the committed results of bench/detect.py."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "bench" / "results" / "detect.json", ROOT / "docs" / "reference" / "scoreboard.md"
JUDGED = RESULTS.with_name("detect_judged.csv")
NAMES = {
    "trees": "boosted trees, auto-context", "network": "2.5-D network", "vesicle": "VESICLE-RF",
    "smooth": "2.5-D network, sections weighted in", "together": "three such networks and trees together",
}  # fmt: skip

COLUMNS = (
    "data", "method", "objects", "F1", "F1, by rules", "F1, judged truth", "precision", "recall", "F1, IoU ≥ .1",
    "F1, IoU ≥ .3", "best F1 on the curve", "voxel AP", "Mvoxel a CPU s", "peak MiB",
)  # fmt: skip

HEAD = """# Scoreboard: synapse detection

*Written by `scripts/scoreboard.py` from `bench/results/detect.json`, which `make bench ONLY=detect` makes.*

Each quarter of the volume is looked at by a model of the other three. Which pieces are objects says a classifier that
has learnt from pieces of those three. Beside it stands F1 by rules, a threshold and sizes, that do best on those three
together with those next to them on the grid; VESICLE-RF has rules alone, as published. An object is found at 10 shared
voxels, a detection is used once; objects under 200 voxels do not count. Intervals (95 %) are from drawing tiles anew.
Speed is of a whole pass on one core, features included; memory is of that process.

"""

FOOT = """
Published, on other data and at the best point of the test curve: VESICLE-RF .79 to .80 (0.135 Mvoxel/s),
VESICLE-CNN .82 (0.006), a later network .869 (3.5, on a GPU).

## Judged blindly

{judged}

Places were shuffled, and nothing told objects of the truth from detections (`bench/judge.py`); one reader, who is no
anatomist, looked at each in five sections. Verdicts are in `bench/results/detect_judged.csv`. The judged truth has what
was judged a synapse; what is unsure counts for nothing. Candidates came from the network and the trees, so what all of
them and the truth miss stays missing.

Models that were trained on this volume are not shipped, for its licence (CC BY-NC-SA 3.0) does not allow it.
"""


def page() -> str:
    """Return the page as text."""
    found = json.loads(RESULTS.read_text())
    table = next(one for one in found["tables"] if one["title"].startswith("detection"))
    head = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|\n"
    rows = "".join(_row(row) for row in sorted(table["rows"].values(), key=lambda row: -row["f1"]))
    steps = [f"The network was trained for {row['steps']} steps. " for row in table["rows"].values()
             if row["method"] == "network"]  # fmt: skip
    of = f"\n{''.join(steps)}Data {table['data_sha256']}, code {found['code']['sha256']}.\n"
    aims = "".join(f"- {_verdict(one)}\n" for one in found["aims"])
    if not any(row["method"] == "vesicle" for row in table["rows"].values()):
        of += "\nVESICLE-RF has a row once `bench/detect.py --methods vesicle,...` has been run to its end.\n"
    return f"{HEAD}{head}{rows}{of}\n## Aims\n\n{aims}{FOOT.format(judged=_judged())}"


def _judged() -> str:
    """Say in a sentence what the verdicts were."""
    found = list(csv.DictReader(JUDGED.read_text().splitlines()))
    said = {who: [one["verdict"] for one in found if (one["source"] == "truth") is who] for who in (True, False)}
    of = {who: f"{all_.count('synapse')} synapses, {all_.count('unsure')} unsure, {all_.count('no')} none"
          for who, all_ in said.items()}  # fmt: skip
    return (f"Of {len(said[True])} objects of the truth: {of[True]}. Of {len(said[False])} detections where the truth "
            f"has nothing, at a loose threshold: {of[False]}.")  # fmt: skip


def _verdict(aim: dict[str, Any]) -> str:
    return f"{'met' if aim['met'] else 'not met'}: {aim['text']} is {aim['value']:.3g}, {_bound(aim)}"


def _bound(aim: dict[str, Any]) -> str:
    return f"at least {aim['least']:g}" if aim["least"] is not None else f"at most {aim['most']:g}"


def _row(row: dict[str, Any]) -> str:
    name = NAMES[str(row["method"])]
    scores = [f"{row[key]:.3f}".lstrip("0") for key in ("precision", "recall", "f1_iou_0.1", "f1_iou_0.3",
                                                         "best_f1_on_the_curve", "voxel_ap")]  # fmt: skip
    f1 = f"**{row['f1']:.3f}** [{row['f1_low']:.3f}, {row['f1_high']:.3f}]".replace("0.", ".")
    judged = f"{row['f1_judged']:.3f} [{row['f1_judged_low']:.3f}, {row['f1_judged_high']:.3f}]".replace("0.", ".")
    rules = f"{row['f1_by_rules']:.3f}".lstrip("0")
    rest = [f"{row['mvoxel_per_cpu_s']:.2f}", f"{row['peak_mib']:.0f}"]
    return "| " + " | ".join([str(row["data"]), name, str(row["objects"]), f1, rules, judged, *scores, *rest]) + " |\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
    print(PAGE)
