"""Many who change the same objects at once: what is there is what one alone would have made, in some order."""

from __future__ import annotations

import threading
from pathlib import Path

from ndlab.annotations import Annotations
from ndlab.errors import NotFound
from tests.annotations.killing import Writer, change_it, change_on, changed, new_objects, same_objects


def some(place: str, seed: int, count: int) -> int:
    """Make the first changes of a seed, and return how many of them were possible."""
    done = 0
    with Annotations.open(place) as ann:
        for number in range(count):
            try:
                change_it(ann, seed, number)
            except NotFound:
                continue
            done += 1
    return done


def is_serial(place: str, expected: int) -> None:
    with Annotations.open(place) as ann:
        objects, done = changed(ann)
        assert len(set(done)) == len(done) == expected
        for seed in {seed for seed, _ in done}:
            numbers = [number for one, number in done if one == seed]
            assert numbers == sorted(numbers)  # each writer's in its own order
        same_objects(ann, objects)
        # And so is every state on the way.
        for transaction in ann.history()[:: max(1, expected // 5)]:
            earlier, _ = changed(ann.as_of(transaction.number))
            same_objects(ann.as_of(transaction.number), earlier)


def test_threads_and_processes(place: str) -> None:
    """Three threads and two processes; on a server, too."""
    new_objects(place)
    writers = [Writer(change_on, place, seed, 0, 30) for seed in (1, 2)]
    told: list[int] = []
    threads = [threading.Thread(target=lambda seed=seed: told.append(some(place, seed, 20))) for seed in (3, 4, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [writer.told() for writer in writers]
    assert [writer.process.exitcode for writer in writers] == [0, 0]
    is_serial(place, sum(told) + sum(map(len, numbers)))


def test_workers_of_a_dask_cluster(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    place = str(tmp_path / "set")
    new_objects(place)
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        told = client.gather([client.submit(some, place, seed, 20, pure=False) for seed in range(1, 7)])
    is_serial(place, sum(told))
