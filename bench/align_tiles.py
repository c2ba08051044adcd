"""Tiles of two sections, placed by us and by their authors, measured on the same matches.

`NDLAB_TEST_DATA` names the folder with `array_tomo_tiles`. The authors state what their affine maps leave of points of
their own, none of which is more than 2.9 pixels off. Whether a weight is right no residual says: it falls for whatever
weighs more. So each overlap is left out in turn, and foretold by the others.
"""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments

from ndlab.preprocess import Montage, place_tiles
from ndlab.preprocess.alignment.montage import settled


def tiles(bench: Bench, folder: Path) -> None:
    """Tiles of two sections, placed by us and by their authors."""
    stage = {}
    for line in (folder / "layout_initial.txt").read_text().split("\n"):
        if line.strip():
            path, x, y, z = line.split()
            stage[Path(path).stem] = (int(z), float(y), float(x))
    pictures = {path.stem: path for path in sorted((folder / "TIF").glob("*.tif"))}
    began = time.process_time()
    found = place_tiles(pictures, stage)
    spent = time.process_time() - began
    theirs = {}
    for tag in re.findall(r"<t2_patch\s(.*?)>", (folder / "Affine_final_trakem2.xml").read_text(), re.DOTALL):
        if "file_path=" in tag:
            a, b, c, d, e, f = map(float, re.findall(r"matrix\(([^)]*)\)", tag)[0].split(","))
            theirs[Path(re.findall(r'file_path="([^"]*)"', tag)[0]).stem] = np.array([[d, b, f], [c, a, e]])
    named = {name: theirs[name] for name in pictures}
    published = found.judged(named)
    rows = {
        who: {"in plane A": one.rms("same", 0), "in plane B": one.rms("same", 1), "A to B": one.rms("down")}
        for who, one in (("ndlab", found), ("the authors' maps", published))
    }
    rows["as the authors state"] = {"in plane A": 0.47, "in plane B": 0.43, "A to B": 1.04}
    rows["without stage positions"] = _rms(
        place_tiles(pictures, {name: one[0] for name, one in stage.items() if name in pictures})
    )
    bench.table(
        "Tiles: rms distance of the same matched points [pixels]; the authors state theirs of other points", rows
    )
    bench.table(
        "Tiles between sections: rms of each overlap's points from the affine map that fits them best", _freely(found)
    )
    bench.table("Tiles: rms of an overlap that was left out, where the others have it", _left_out(found))
    alike = _trusted_by_both(found, published)
    bench.table(
        "Tiles: rms between sections over points within 3 deviations (by MAD) under both, each weighed alike", alike
    )
    corners = np.array([(y, x) for y in np.linspace(0, 1039, 5) for x in np.linspace(0, 1375, 5)])
    mine = np.concatenate([found.points(name, corners) for name in pictures])
    other = np.concatenate([published.points(name, corners) for name in pictures])
    ones = np.column_stack([mine, np.ones(len(mine))])
    apart = np.linalg.norm(ones @ np.linalg.lstsq(ones, other, rcond=None)[0] - other, axis=1)
    bench.aim("in plane, rms over both sections [px]", found.rms("same") or np.inf, most=0.47)
    bench.aim("between sections, rms [px]", found.rms("down") or np.inf, most=1.04)
    ratio = (found.rms("down") or np.inf) / (published.rms("down") or 1)
    bench.aim("between sections, as a multiple of the authors' on the same matches", ratio, most=1.0)
    mine_of, theirs_of = alike["ndlab"]["A to B"], alike["the authors' maps"]["A to B"]
    bench.aim("between sections, rms over points that both trust [px]", mine_of, most=1.04)
    bench.aim("between sections, the same as a multiple of the authors'", mine_of / theirs_of, most=1.0)
    both = float(np.sqrt((apart**2).mean()))
    bench.aim("our placements from theirs after one affine map of all, rms [px]", both, most=1.04)
    bench.aim("CPU seconds per Mpx of eight tiles", spent / (8 * 1.43), most=3.0)


def _freely(found: Montage) -> dict[str, dict[str, float]]:
    """What no placement of tiles by affine maps can get below: each overlap has its own, and nothing to agree with."""
    rows, squares, total = {}, 0.0, 0.0
    for match in found.matches:
        if match.same or len(match.points) < 8:
            continue
        ones, root = np.column_stack([match.points, np.ones(len(match.points))]), np.sqrt(match.trust)[:, None]
        fitted = ones @ np.linalg.lstsq(ones * root, match.targets * root, rcond=None)[0]
        far = match.trust @ ((fitted - match.targets) ** 2).sum(1)
        name = f"{found.tiles[match.a].name} to {found.tiles[match.b].name}"
        rows[name] = {"rms px": float(np.sqrt(far / match.trust.sum()))}
        squares, total = squares + far, total + float(match.trust.sum())
    return rows | {"all four": {"rms px": float(np.sqrt(squares / total))}}


def _left_out(found: Montage) -> dict[str, dict[str, float]]:
    """How well the other overlaps foretell each: by weights that follow from the noise, and by others."""
    rows = {}
    for name, weight in (("as chosen", None), ("between sections 0.3", 0.3), ("between sections 1", 1.0)):
        far: dict[bool, list[float]] = {True: [], False: []}
        for match in found.matches:
            if len(match.points) < 8:
                continue
            rest = settled(found.tiles, [one for one in found.matches if one is not match], "affine", down=weight)
            ends = [rest.points(found.tiles[i].name, at) for i, at in
                    ((match.a, match.points), (match.b, match.targets))]  # fmt: skip
            square = match.trust @ ((ends[0] - ends[1]) ** 2).sum(1) / match.trust.sum()
            far[match.same].append(float(square))
        rows[name] = {"in plane": float(np.sqrt(np.mean(far[True]))), "A to B": float(np.sqrt(np.mean(far[False])))}
    return rows


def _trusted_by_both(found: Montage, published: Montage) -> dict[str, dict[str, float]]:
    """The authors filtered their points: here one cut is made for both, and both are held to what is left."""
    names = [tile.name for tile in found.tiles]
    down = [match for match in found.matches if not match.same]
    apart = {}
    for who, one in (("ndlab", found), ("the authors' maps", published)):
        gaps = [one.points(names[m.a], m.points) - one.points(names[m.b], m.targets) for m in down]
        far = np.linalg.norm(np.concatenate(gaps), axis=1)
        apart[who] = far
    trusted = np.concatenate([match.trust for match in down]) > 0.05
    kept = trusted.copy()
    for far in apart.values():
        middle = np.median(far[trusted])
        kept &= far <= middle + 3 * 1.4826 * np.median(np.abs(far[trusted] - middle))
    return {
        who: {"A to B": float(np.sqrt((far[kept] ** 2).mean())), "median": float(np.median(far[kept])),
              "points": int(kept.sum()), "of": int(trusted.sum())}
        for who, far in apart.items()
    }  # fmt: skip


def _rms(found: Any) -> dict[str, Any]:
    return {"in plane A": found.rms("same", 0), "in plane B": found.rms("same", 1), "A to B": found.rms("down")}


def main() -> int:
    options = arguments(__doc__)
    folder = Path(options.data or "none", "array_tomo_tiles")
    if not folder.is_dir():
        sys.exit("no --data: give the folder that holds array_tomo_tiles")
    bench = Bench("align_tiles", options)
    tiles(bench, folder)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
