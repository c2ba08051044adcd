"""Judge synapses without knowing who found them: the truth of `vnc_larva_sstem` misses some.

    python bench/judge.py sheets FOLDER --models DETECT_MODELS   # pictures to look at, and a key to leave closed
    python bench/judge.py join FOLDER                            # once FOLDER/verdicts.csv (id,verdict) is written

Places are all objects of the truth, and what `bench/detect.py`'s models find out of fold where the truth has nothing;
shuffled, with nothing to tell them apart. A verdict is `synapse` (a dark density on a membrane, vesicles beside it),
`no` or `unsure`. Pictures are under the licence of the data (CC BY-NC-SA) and stay out of the repository; the joined
table has ids, places and verdicts. A second round keeps the places that were judged.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from detect import JUDGED, SMALL, quarters, stack

from ndlab import detect
from ndlab.detect import Rules

Array = np.ndarray[Any, Any]
LOOSE = Rules(threshold=0.35, min_area=0, max_area=10_000, min_size=200, min_sections=1)
NEAR = (2, 40, 40)  # voxels: closer than that, two places are one
SIDE, AROUND, ROWS = 144, 2, 6  # of a crop [voxels], sections above and below, rows of a sheet
FIELDS = ["id", "z", "y", "x", "source", "object", "verdict"]


def places(labels: Array, source: str) -> list[dict[str, Any]]:
    """One voxel of each object: in its middle section, the one nearest to its centre there."""
    from scipy.ndimage import find_objects

    found = []
    for number, box in enumerate(find_objects(labels), 1):
        if box is None:
            continue
        at = np.argwhere(labels[box] == number)
        if len(at) < SMALL:
            continue
        at = at[at[:, 0] == np.sort(at[:, 0])[len(at) // 2]]
        centre = at[np.argmin(((at - at.mean(0)) ** 2).sum(1))] + [one.start for one in box]
        found.append({"source": source, "object": number, **dict(zip("zyx", map(int, centre), strict=True))})
    return found


def out_of_fold(folder: Path, method: str, shape: tuple[int, ...]) -> Array | None:
    """What `bench/detect.py` kept of a method's probabilities."""
    files = [sorted(folder.glob(f"{method}-{k}-*.npy")) for k in range(4)]
    if not all(files):
        return None
    out = np.empty(shape, "f4")
    for (kept, *_), part in zip(files, quarters(shape), strict=True):
        out[part] = np.load(kept)
    return out


def candidates(folder: Path, truth: Array) -> list[dict[str, Any]]:
    """Objects of the truth, and detections of nothing, each place once."""
    found = places(truth, "truth")
    for method in ("network", "trees", "vesicle"):
        chance = out_of_fold(folder, method, truth.shape)
        if chance is None:
            continue
        labels = detect.objects(chance, LOOSE)
        touching = np.unique(labels[truth > 0])
        labels[np.isin(labels, touching)] = 0
        found += [one for one in places(labels, method) if not any(same(one, other) for other in found)]
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(abs(int(one[axis]) - int(other[axis])) <= far for axis, far in zip("zyx", NEAR, strict=True))


def strip(raw: Array, place: dict[str, Any]) -> Array:
    """Crops of a place through some sections side by side, ticks at its row and column."""
    half, rows = SIDE // 2, []
    wide = np.pad(raw, ((AROUND, AROUND), (half, half), (half, half)))
    z, y, x = (int(place[axis]) for axis in "zyx")
    for k in range(2 * AROUND + 1):
        crop = wide[z + k, y : y + SIDE, x : x + SIDE].repeat(2, 0).repeat(2, 1)
        crop[:8, SIDE] = crop[-8:, SIDE] = crop[SIDE, :8] = crop[SIDE, -8:] = 255
        rows.append(np.pad(crop, 2, constant_values=255 if k == AROUND else 90))
    return np.concatenate(rows, 1)


def sheets(folder: Path, models: Path, data: str | None, seed: int) -> None:
    from PIL import Image, ImageDraw

    raw, truth, _, _ = stack(data)
    judged = read(JUDGED)
    fresh = [one for one in candidates(models, truth) if not any(same(one, other) for other in judged)]
    np.random.default_rng(seed).shuffle(fresh)  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    first = max((int(one["id"]) for one in judged), default=0) + 1
    for number, one in enumerate(fresh, first):
        one["id"] = number
    for start in range(0, len(fresh), ROWS):
        some = fresh[start : start + ROWS]
        picture = Image.fromarray(np.concatenate([strip(raw, one) for one in some]))
        pen, high = ImageDraw.Draw(picture), picture.height // len(some)
        for row, one in enumerate(some):
            pen.text((6, row * high + 6), str(one["id"]), fill=255, font_size=26, stroke_width=2, stroke_fill=0)
        picture.save(folder / f"sheet-{start // ROWS:02d}.png")
    write(folder / "key.csv", [{**one, "verdict": ""} for one in fresh])
    print(f"{len(fresh)} places on {-(-len(fresh) // ROWS)} sheets")


def join(folder: Path) -> None:
    verdicts = {one["id"]: one["verdict"] for one in read(folder / "verdicts.csv")}
    known = read(JUDGED)
    key = [{**one, "verdict": verdicts[one["id"]]} for one in read(folder / "key.csv")]
    write(JUDGED, known + key)
    for source in sorted({one["source"] for one in known + key}):
        said = [one["verdict"] for one in known + key if one["source"] == source]
        print(source, {word: said.count(word) for word in ("synapse", "unsure", "no")})


def read(path: Path) -> list[dict[str, Any]]:
    """Rows of a table; none where there is no file."""
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def main() -> None:
    told = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    told.add_argument("what", choices=("sheets", "join"))
    told.add_argument("folder", type=Path)
    told.add_argument("--models", type=Path, default=Path("detect-models"))
    told.add_argument("--data")
    told.add_argument("--seed", type=int, default=0)
    chosen = told.parse_args()
    if chosen.what == "sheets":
        sheets(chosen.folder, chosen.models, chosen.data, chosen.seed)
    else:
        join(chosen.folder)


if __name__ == "__main__":
    main()
