"""Writers killed at random moments, many seeds: how many were killed, what they had acknowledged, what was found.

The runs of `make soak`, with what they came to: `python bench/crashes.py --seeds 500 --save`. A write that
was acknowledged and is lost, is there twice or half, stops it with an error. Nothing is timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import RESULTS, code, machine

from tests.annotations.killing import Outcome, killed_changers, killed_painters, quick_folder

FIRST, KILLS = 100, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument(
        "--first", type=int, default=FIRST, help="the first seed; another than the usual is added to the results"
    )
    parser.add_argument("--quick", action="store_true", help="two seeds: does it run at all?")
    parser.add_argument("--data", help="not used")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no seed after that long")
    parser.add_argument("--save", action="store_true", help="write bench/results/crashes.json")
    options = parser.parse_args()
    seeds = range(options.first, options.first + (2 if options.quick else options.seeds))
    until, outcomes = time.monotonic() + options.seconds, dict[str, list[Outcome]](paint=[], objects=[])
    for seed in seeds:
        if time.monotonic() > until:
            break
        with quick_folder() as folder:
            outcomes["paint"].append(killed_painters(folder, seed, KILLS))
        with quick_folder() as folder:
            outcomes["objects"].append(killed_changers(str(folder / "set"), seed, KILLS))
        if seed % 25 == 0:
            print(seed, flush=True)
    told = {name: summed(several) for name, several in outcomes.items()}
    print(json.dumps(told, indent=1))
    if options.save:
        path = RESULTS / "crashes.json"
        earlier = json.loads(path.read_bytes())["runs"] if path.exists() and options.first != FIRST else []
        runs = [*earlier, {"code": code(), "first seed": options.first, "found": told}]
        path.write_text(json.dumps({"machine": machine(), "runs": runs}, indent=1) + "\n")


def summed(several: list[Outcome]) -> dict[str, object]:
    """Return the totals of runs, and one hash of all that was there in the end."""
    return {
        "seeds": len(several),
        "processes killed": sum(one.kills for one in several),
        "writes acknowledged": sum(one.acknowledged for one in several),
        "writes found": sum(one.found for one in several),
        "sha256 of what was there": hashlib.sha256("".join(one.digest for one in several).encode()).hexdigest(),
    }


if __name__ == "__main__":
    main()
