"""The catalogue of published data: datasets."""

from __future__ import annotations

import argparse
import sys

from ndlab.cli.command import Command, add_json, say
from ndlab.errors import BadRequest

__all__ = ["COMMANDS"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="NAME", help="show all that is known of one")
    parser.add_argument("--table", help="1A images, 1B annotations, 1C graphs, or public: where data are today")
    parser.add_argument("--kind", help="image, labels, annotation or graph")
    parser.add_argument("--species", help="part of its common or scientific name")
    parser.add_argument("--search", metavar="TEXT", help="words that must all occur")
    parser.add_argument("--probe", metavar="NAME", help="ask whether it answers with data (a name, or any address)")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="longest wait of a probe (30)")
    add_json(parser)


def _run(args: argparse.Namespace) -> int:
    from ndlab.store.catalog import dataset, datasets, probe

    filters = {"table": args.table, "kind": args.kind, "species": args.species, "text": args.search}
    if sum(map(bool, (args.name, args.probe, any(filters.values())))) > 1:
        raise BadRequest("a name together with --probe, --table, --kind, --species or --search",
                         "a name stands for one dataset", "leave one of them out")  # fmt: skip
    if args.probe:
        found = probe(args.probe, timeout=args.timeout)
        say(args, found.as_dict(), str(found))
        return 0 if found.ok else 1
    if args.name:
        one = dataset(args.name)
        say(args, one.as_dict(), str(one))
        return 0
    rows = datasets(**filters)
    say(args, rows.as_dict(), rows.to_text() if len(rows) else "no dataset fits all that was asked")
    if not args.json:
        print(f"{len(rows)} datasets; ndlab datasets NAME says more", file=sys.stderr)
    return 0


COMMANDS = (
    Command("datasets", "list published data with voxel size, citation, licence and address, and probe them",
            "ndlab datasets --table 1A --search mouse\nndlab datasets kasthuri11\nndlab datasets --probe kasthuri11",
            _arguments, _run, about="A probe that finds no data ends with status 1."),
)  # fmt: skip
