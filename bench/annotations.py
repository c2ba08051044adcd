"""Annotations: rows stored and found, against bare SQLite and against one object at a time.

Baselines: Python's sqlite3 with one table of the same values in one transaction (what no bookkeeping costs), and
ndlab itself one object at a time. `past`, indexes, links and checks are the difference. The same on a PostgreSQL server
that is started for it, on this machine and waiting for the disk at each commit; CPU is that of the client alone there.
Over HTTP the founding system's client asks a server in the same process, so CPU is that of both.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from harness import Bench, arguments, clock, scratch

from ndlab.annotations import Annotations, Synapse
from ndlab.geometry import Box
from ndlab.serve import client as ramon
from ndlab.serve.client import Client as RamonClient

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.postgres import Postgres
from tests.serve.ramon_client import served
from tests.serve.sites import TOKEN

SIDE = 100_000.0


def table(count: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, SIDE, (count, 3))
    ends = rng.integers(1, 100_000, (2, count))
    return {"presegments": ends[0], "postsegments": ends[1], "confidence": rng.uniform(0, 1, count),
            "z": points[:, 0], "y": points[:, 1], "x": points[:, 2]}  # fmt: skip


def objects(values: dict[str, Any]) -> list[Synapse]:
    rows = zip(*(values[n].tolist() for n in ("presegments", "postsegments", "confidence", "z", "y", "x")), strict=True)
    return [Synapse(presegments=(a,), postsegments=(b,), confidence=c, centroid=(z, y, x)) for a, b, c, z, y, x in rows]


def bare(path: Path, values: dict[str, Any]) -> None:
    """Insert into one table without index, in one durable transaction."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, pre, post, confidence, z, y, x)")
    columns = [values[n].tolist() for n in ("presegments", "postsegments", "confidence", "z", "y", "x")]
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO rows VALUES (NULL,?,?,?,?,?,?)", zip(*columns, strict=True))
    connection.execute("COMMIT")
    connection.close()


def rate(run: Callable[[], Any], count: int, repeats: int) -> dict[str, float]:
    times = [clock(run) for _ in range(repeats)]
    cpu, wall = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
    return {"per cpu s": count / cpu, "per s": count / wall}


def storing(bench: Bench, folder: Path, count: int, repeats: int) -> None:
    values, made = table(count), objects(table(count))
    ann = Annotations.create(folder / "store", voxel_size=(40, 4, 4))
    few = 200

    def by_500() -> None:
        for i in range(0, count, 500):
            ann.add_table({name: column[i : i + 500] for name, column in values.items()}, "synapse")

    rows = {
        "bare sqlite3, one table": rate(lambda: bare(folder / "bare.sqlite", values), count, repeats),
        "add_table, one transaction": rate(lambda: ann.add_table(values, "synapse"), count, repeats),
        "add_table by 500": rate(by_500, count, 1),
        "add objects, one transaction": rate(lambda: ann.add(made), count, repeats),
        "add one by one": rate(lambda: [ann.add([one]) for one in made[:few]], few, 1),
    }
    bench.table(f"{count} synapses of two segments stored, rows", rows)
    bench.aim("rows a CPU second, one transaction", rows["add_table, one transaction"]["per cpu s"], least=50_000)
    ratio = rows["add_table, one transaction"]["per cpu s"] / rows["add one by one"]["per cpu s"]
    bench.aim("times as many as one by one, CPU", ratio, least=10)
    finding(bench, ann, repeats, int(values["presegments"][0]))


def on_a_server(bench: Bench, count: int, repeats: int) -> None:
    values, made = table(count), objects(table(count))
    server = Postgres(durable=True)
    try:
        ann = Annotations.create(server.url(), voxel_size=(40, 4, 4))
        few = 200

        def by_500() -> None:
            for i in range(0, count, 500):
                ann.add_table({name: column[i : i + 500] for name, column in values.items()}, "synapse")

        rows = {
            "PostgreSQL, add_table, one transaction": rate(lambda: ann.add_table(values, "synapse"), count, repeats),
            "PostgreSQL, add_table by 500": rate(by_500, count, 1),
            "PostgreSQL, add objects, one transaction": rate(lambda: ann.add(made), count, repeats),
            "PostgreSQL, add one by one": rate(lambda: [ann.add([one]) for one in made[:few]], few, 1),
        }
        ids = ann.where().limit(3945).ids()
        some = ids[:300].tolist()
        rows |= {
            "PostgreSQL, get, a batch of 3945": rate(lambda: ann.get(ids), len(ids), repeats),
            "PostgreSQL, get, one by one": rate(lambda: [ann.get(one) for one in some], len(some), repeats),
            "PostgreSQL, update 3945": rate(lambda: ann.update(ids, seen=time.time_ns()), len(ids), repeats),
            "PostgreSQL, undo it": rate(ann.undo, len(ids), 1),
        }
        bench.table(f"the same {count} synapses on a server, rows", rows)
        whole = rows["PostgreSQL, add_table, one transaction"]
        bench.aim("PostgreSQL: rows a CPU second of the client, one transaction", whole["per cpu s"], least=50_000)
        ratio = whole["per s"] / rows["PostgreSQL, add one by one"]["per s"]
        bench.aim("PostgreSQL: times as many as one by one, waiting", ratio, least=50)
        read = rows["PostgreSQL, get, a batch of 3945"]["per s"] / rows["PostgreSQL, get, one by one"]["per s"]
        bench.aim("PostgreSQL: batch get, times as many as one by one, waiting", read, least=10)
        ann.close()
    finally:
        server.stop()


def over_http(bench: Bench, folder: Path, count: int) -> None:
    """The founding client against a server in this process: a batch, and some of it one by one."""
    with served(folder) as ask:
        nd = RamonClient(TOKEN, ask.server.url.removeprefix("http://"))
        made = [ramon.RAMONSynapse(weight=i / 8, kvpairs={"i": str(i)}, centroid=[10, 10, 10]) for i in range(count)]
        some = made[:60]
        ids = nd.post_ramon("p", "cells", some)
        rows = {
            "post, a batch": rate(lambda: nd.post_ramon("p", "cells", made), count, 3),
            "post, one by one": rate(lambda: [nd.post_ramon("p", "cells", one) for one in some], len(some), 3),
        }
        every = nd.post_ramon("p", "cells", made)
        rows |= {
            "get, a batch": rate(lambda: nd.get_ramon("p", "cells", every), count, 3),
            "get, one by one": rate(lambda: [nd.get_ramon("p", "cells", one) for one in ids], len(ids), 3),
        }
        bench.table(f"{count} synapses over HTTP, client and server", rows)
        for call in ("post", "get"):
            ratio = rows[f"{call}, a batch"]["per cpu s"] / rows[f"{call}, one by one"]["per cpu s"]
            bench.aim(f"HTTP: batch {call}, times as many as one by one, CPU", ratio, least=10)


def finding(bench: Bench, ann: Annotations, repeats: int, end: int) -> None:
    count = len(ann)
    ids = ann.where().limit(3945).ids()
    some = ids[:300].tolist()
    rows = {
        "get, a batch of 3945": rate(lambda: ann.get(ids), len(ids), repeats),
        "get, one by one": rate(lambda: [ann.get(one) for one in some], len(some), repeats),
        "iterate all": rate(lambda: sum(1 for _ in ann), count, 1),
        "to_arrow": rate(ann.to_arrow, count, 1),
        "update 3945": rate(lambda: ann.update(ids, note="bench", seen=time.time_ns()), len(ids), repeats),
        "undo it": rate(ann.undo, len(ids), 1),
    }
    bench.table("objects found and changed", rows)
    ratio = rows["get, a batch of 3945"]["per cpu s"] / rows["get, one by one"]["per cpu s"]
    bench.aim("batch get, times as many as one by one, CPU", ratio, least=10)
    tenth = Box.nm((0, 0, 0), (SIDE / 10,) * 3)
    questions = {
        "confidence__gt": ann.where(confidence__gt=0.99),
        "presegments": ann.where(presegments=end),
        "a tenth of each side": ann.within(tenth, "position"),
        "as_of the first write": ann.as_of(1).where(presegments=end),
    }
    bench.table(
        f"ids found among {count}",
        {
            name: {"ms cpu": 1e3 / rate(q.ids, 1, repeats)["per cpu s"], "found": len(q)}
            for name, q in questions.items()
        },
    )


def main() -> int:
    options = arguments(__doc__)
    bench = Bench("annotations", options)
    count, repeats = (5_000, 1) if options.quick else (100_000, 3)
    with scratch() as folder:
        storing(bench, folder, count, repeats)
        (folder / "served").mkdir()
        over_http(bench, folder / "served", 400 if options.quick else 3945)
    on_a_server(bench, count, repeats)
    bench.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
