"""Annotations in a shell: import, export, query, history, undo, check."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndlab.cli import conditions, words
from ndlab.cli.command import Command, add_json, say
from ndlab.errors import BadRequest

if TYPE_CHECKING:
    from ndlab.annotations import Annotations, Query, Transaction

__all__ = ["COMMANDS"]

_ADDRESS = "the folder, or postgresql://user@host/database (its password in PGPASSWORD)"
_SHOWN = 20
# No option's value looks so, and no address: that has a slash before any sign of equality.
_CONDITION = re.compile(r"[^-/=?][^/=?]*=")


def _opened(args: argparse.Namespace, readonly: bool = True) -> Annotations:
    from ndlab.annotations import Annotations

    ann = Annotations.open(args.address, author=getattr(args, "author", None), readonly=readonly)
    return ann if getattr(args, "as_of", None) is None else ann.as_of(_moment(args.as_of))


def _moment(text: str) -> Any:
    return int(text) if text.isdecimal() else conditions.moment(text, f"--as-of {text}")


# --- which objects ------------------------------------------------------------------------------------------------


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help=_ADDRESS)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "conditions", nargs="*", metavar="NAME=VALUE",
        help="all have to hold: kind=synapse confidence__gt=0.9 presegments=7 tracer=AB; the operators are __lt, __le, "
        "__gt, __ge, __ne, __in (a,b), __contains, __startswith, __isnull; key:status=x is a free key named as a field",
    )  # fmt: skip
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--box", metavar="Z,Y,X", help="in voxels, half-open: 0:16,0:512,: (: is all of an axis)")
    where.add_argument("--nm", metavar="Z,Y,X", help="in nm, half-open: 0:4000,:,1000:3000")
    parser.add_argument("--level", type=int, default=0, help="level in whose voxels --box counts (0)")
    parser.add_argument("--by", choices=("any", "position", "bounds"), default="any",
                        help="what of an object is in the box (any)")  # fmt: skip
    parser.add_argument("--sort", metavar="NAME", help="by a field or key; --sort=-confidence descending")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N")
    parser.add_argument("--columns", metavar="A,B", help="of a table, instead of all")
    parser.add_argument("--as-of", metavar="WHEN", help="the state after a transaction, by number, or at a time")


def _chosen(args: argparse.Namespace, ann: Annotations) -> Query:
    query = conditions.chosen(ann, args.conditions, args.box, args.nm, args.level, args.by)
    if args.sort is not None:
        query = query.sort(*args.sort.split(","))
    if args.limit is not None:
        query = query.limit(args.limit)
    return query if args.columns is None else query.columns(*args.columns.split(","))


# --- query and export ---------------------------------------------------------------------------------------------


def _query_arguments(parser: argparse.ArgumentParser) -> None:
    _add_address(parser)
    _add_choice(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--count", action="store_true", help="print their number alone")
    form.add_argument("--ids", action="store_true", help="print their ids alone, one a line")
    form.add_argument("--csv", action="store_true", help="print CSV")
    form.add_argument("--json", action="store_true", help="print JSON, an object a line within brackets")


def _query(args: argparse.Namespace) -> int:
    with _opened(args) as ann:
        query = _chosen(args, ann)
        if args.count:
            print(query.count())
        elif args.ids:
            sys.stdout.writelines(f"{one}\n" for one in query.ids())
        elif args.csv or args.json:
            _copy_out(query, ".csv" if args.csv else ".json")
        else:
            _show(query, limited=args.limit is not None)
    return 0


def _copy_out(query: Query, suffix: str) -> None:
    """Print what a file would hold, in bounded memory."""
    with tempfile.TemporaryDirectory(prefix="ndlab-") as folder:
        path = query.export(Path(folder) / f"query{suffix}")
        with path.open(encoding="utf-8", newline="") as file:
            shutil.copyfileobj(file, sys.stdout)


def _show(query: Query, limited: bool) -> None:
    from ndlab.annotations.columnar import to_pandas

    table = (query if limited else query.limit(_SHOWN)).to_arrow()
    if not table.num_rows:
        print("no object fits all that was asked", file=sys.stderr)
        return
    if query.names is None:
        table = table.select([name for name in table.column_names if _told(name, table.column(name).to_pylist())])
    print(to_pandas(table).to_string(index=False, na_rep="", max_colwidth=48))
    count = table.num_rows if limited else query.count()
    more = f"; --limit shows more than {_SHOWN}, --json and --csv print all" if count > table.num_rows else ""
    print(f"{count:,} object{'s' if count != 1 else ''}{more}", file=sys.stderr)


def _told(name: str, values: list[Any]) -> bool:
    """Tell whether a column says anything: 0 is a place, but no weight that anybody gave."""
    return any(value is not None for value in values) if name[0] in "zyx" else any(values)


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    _add_address(parser)
    parser.add_argument(
        "dest", metavar="FILE", help="its name says the format: .csv .json .jsonl .parquet .swc precomputed://"
    )
    _add_choice(parser)
    layer = parser.add_argument_group("of a precomputed:// folder for Neuroglancer")
    layer.add_argument("--geometry", choices=("point", "line", "box", "ellipsoid", "segments"),
                       help="points unless said; segments: the properties of segments, without places")  # fmt: skip
    layer.add_argument("--properties", nargs="+", metavar="NAME[:TYPE]", help="columns and keys, e.g. size:uint32")
    parser.add_argument("--scale", metavar="Z,Y,X", help="of SWC: the file's unit in nm")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    add_json(parser)


def _export(args: argparse.Namespace) -> int:
    with _opened(args) as ann:
        query = _chosen(args, ann)
        path = query.export(args.dest, overwrite=args.force, **_scale(args), **_layer(args))
        count = query.count()
    size = sum(one.stat().st_size for one in [path, *path.rglob("*")] if one.is_file())
    say(args, {"file": str(path), "objects": count}, f"{path}: {count:,} objects, {size:,} bytes")
    return 0


def _layer(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if args.geometry is not None:
        found |= {"segments": True} if args.geometry == "segments" else {"geometry": args.geometry}
    if args.properties is not None:
        # NAME=TYPE would be read as a condition.
        parts = [text.rpartition(":") for text in args.properties]
        found["properties"] = {name or type_: type_ if name else None for name, _, type_ in parts}
    return found


def _scale(args: argparse.Namespace) -> dict[str, Any]:
    return {} if args.scale is None else {"scale": words.lengths(args.scale, "--scale")}


# --- import -------------------------------------------------------------------------------------------------------


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", metavar="FILE", help=".csv[.gz] .json .jsonl .parquet .feather .swc .nii precomputed://"
    )
    _add_address(parser)
    parser.add_argument("--kind", help="of its rows, where no column kind says so")
    parser.add_argument("--rename", nargs="+", default=(), metavar="COLUMN=FIELD", help="columns that are fields")
    parser.add_argument("--delimiter", help="of CSV, where it is no comma; 'tab' for one")
    parser.add_argument("--scale", metavar="Z,Y,X", help="of SWC: the file's unit in nm")
    parser.add_argument("--unit", help="of flat synapse tables: nm, um, or voxels Z,Y,X in nm")
    parser.add_argument("--rows", type=int, metavar="N", help="of flat tables: how many there have to be")
    parser.add_argument("--note", default="", help="for the history")
    parser.add_argument("--author", help="who writes; without it NDLAB_AUTHOR, else the user")
    made = parser.add_argument_group("where there are no annotations yet")
    made.add_argument("--create", action="store_true", help="make them")
    made.add_argument("--voxel-size", metavar="Z,Y,X", help="in nm, or with a unit: 40,4,4 or 4x4x4um")
    made.add_argument("--space", metavar="URL", help="the volume whose voxels they lie in, instead of --voxel-size")
    add_json(parser)


def _import(args: argparse.Namespace) -> int:
    options, renames = _scale(args), _renames(args.rename)
    with _opened(args, readonly=False) if not args.create else _made(args) as ann:
        if args.delimiter is not None:
            options["delimiter"] = "\t" if args.delimiter == "tab" else args.delimiter
        if args.unit is not None:
            options["unit"] = words.lengths(args.unit, "--unit") if args.unit[:1].isdigit() else args.unit
        if args.rows is not None:
            options["rows"] = args.rows
        ids = ann.load(args.file, args.kind, rename=renames or None, note=args.note, **options)
        number, url = ann.version, ann.url
    facts = {"url": url, "objects": len(ids), "transaction": number, "first": int(ids[0]) if len(ids) else None}
    say(args, facts, f"{url}: {len(ids):,} objects of {args.file}, transaction {number}")
    return 0


def _made(args: argparse.Namespace) -> Annotations:
    from ndlab.annotations import Annotations

    if args.space is not None and args.voxel_size is not None:
        raise BadRequest("--space and --voxel-size", "each says where voxels are", "leave one of them out")
    space = None
    if args.space is not None:
        from ndlab.volume import open as open_volume

        space = open_volume(args.space)
    size = None if args.voxel_size is None else words.lengths(args.voxel_size, "--voxel-size")
    return Annotations.create(args.address, space, voxel_size=size, author=args.author)


def _renames(texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        column, mark, name = text.partition("=")
        if not mark or not column or not name:
            raise BadRequest(f"--rename {text}", "it is COLUMN=FIELD", "type e.g. --rename pre_seg=presegments")
        found[column] = name
    return found


# --- history and undo ---------------------------------------------------------------------------------------------


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    _add_address(parser)
    parser.add_argument("--id", type=int, metavar="ID", help="what happened to one object, the oldest first")
    parser.add_argument("--by", dest="writer", metavar="AUTHOR", help="only of this author")
    parser.add_argument("--limit", type=int, metavar="N", help="the last N transactions")
    add_json(parser)


def _history(args: argparse.Namespace) -> int:
    with _opened(args) as ann:
        if args.id is not None:
            return _changes(args, ann)
        listed = ann.history(author=args.writer, limit=args.limit)
    say(args, [_plain(one) for one in listed], "\n".join(_line(one) for one in listed) or "nothing was written yet")
    return 0


def _changes(args: argparse.Namespace, ann: Annotations) -> int:
    from ndlab.annotations.exchange.documents import to_plain

    listed = [one for one in ann.changes(args.id) if args.writer in (None, one.transaction.author)]
    listed = listed if args.limit is None else listed[-args.limit :]
    told = []
    for one in listed:
        before = {} if one.before is None else to_plain(one.before)
        after = {} if one.after is None else to_plain(one.after)
        told.append({"transaction": _plain(one.transaction), "before": before or None, "after": after or None})
    lines = [
        _line(one.transaction) + "".join(f"\n    {text}" for text in _differences(entry["before"], entry["after"]))
        for one, entry in zip(listed, told, strict=True)
    ]
    say(args, told, "\n".join(lines) or f"there never was an object {args.id}")
    return 0


def _differences(before: Any, after: Any) -> Iterator[str]:
    if before is None or after is None:
        yield "taken away" if after is None else "made"
        return
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"


def _plain(one: Transaction) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in ("number", "author", "operation", "objects", "note", "undoes")}
    return plain | {"time": one.time.isoformat()}


def _line(one: Transaction) -> str:
    undone = f" of {one.undoes}" if one.undoes is not None else ""
    what = f"{one.operation}{undone}, {one.objects:,} object{'s' if one.objects != 1 else ''}"
    return f"{one.number:>6}  {one.time:%Y-%m-%d %H:%M:%S}  {one.author or '-'}: {what}" + (
        one.note and f"  {one.note}"
    )


def _undo_arguments(parser: argparse.ArgumentParser) -> None:
    _add_address(parser)
    parser.add_argument("number", nargs="?", type=int, metavar="N", help="the transaction; without it the last one")
    parser.add_argument("--by", dest="writer", metavar="AUTHOR", help="the last one of this author")
    parser.add_argument("--author", help="who takes it back; without it NDLAB_AUTHOR, else the user")
    add_json(parser)


def _undo(args: argparse.Namespace) -> int:
    with _opened(args, readonly=False) as ann:
        taken = ann.undo(args.number, author=args.writer)
    text = "nothing is left to take back" if taken is None else f"taken back:\n{_line(taken)}"
    say(args, None if taken is None else _plain(taken), text)
    return 0 if taken is not None else 1


# --- check --------------------------------------------------------------------------------------------------------


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    _add_address(parser)
    parser.add_argument("--repair", action="store_true", help="mend what can be made of the rest")
    parser.add_argument("--quick", action="store_true", help="leave the voxels of label volumes unread")
    parser.add_argument("--author", help="whom a repair is noted under; without it NDLAB_AUTHOR, else the user")
    add_json(parser)


def _check(args: argparse.Namespace) -> int:
    with _opened(args, readonly=not args.repair) as ann:
        report = ann.check(args.repair, volumes=not args.quick)
    text = str(report).replace("ann.check(repair=True) mends it", f"ndlab annotations check {report.subject} --repair")
    say(args, report.as_dict(), text)
    return 0 if report.ok else 1


# --- the command --------------------------------------------------------------------------------------------------

_BELOW = (
    Command("import", "store the objects of a file, all or none",
            "ndlab annotations import synapses.csv brain/synapses --create --voxel-size 40,4,4 --kind synapse",
            _import_arguments, _import,
            about="Columns that are no fields become free keys; --rename says which are fields by another name."),
    Command("export", "write objects to a file",
            "ndlab annotations export brain/synapses sure.parquet kind=synapse confidence__gt=0.9",
            _export_arguments, _export),
    Command("query", "print the objects that meet every condition",
            "ndlab annotations query brain/synapses kind=synapse confidence__gt=0.9 --sort=-confidence --limit 5\n"
            "ndlab annotations query brain/synapses --nm 0:4000,:,: tracer=AB --json",
            _query_arguments, _query),
    Command("history", "say who wrote what and when, the newest first",
            "ndlab annotations history brain/synapses --limit 10\nndlab annotations history brain/synapses --id 7",
            _history_arguments, _history),
    Command("undo", "take a transaction back; the history keeps both",
            "ndlab annotations undo brain/synapses 12", _undo_arguments, _undo,
            about="Ends with status 1 if there is none, 2 if others changed its objects since."),
    Command("check", "see that rows, indexes, paint and levels agree, and mend what can be mended",
            "ndlab annotations check brain/synapses --repair", _check_arguments, _check,
            about="Ends with status 1 at a problem. The history has what a repair did to the database."),
)  # fmt: skip


class _Parser(argparse.ArgumentParser):
    """Takes conditions wherever they stand; argparse's own wants them in one piece behind the address."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        takes = any(action.dest == "conditions" for action in self._actions)
        words = list(args or ())
        apart = [word for word in words if takes and _CONDITION.match(word)]
        found, strange = super().parse_known_args([word for word in words if word not in apart], namespace)
        if takes:
            found.conditions = [*apart, *found.conditions]
        return found, strange


def _arguments(parser: argparse.ArgumentParser) -> None:
    width = max(len(one.name) for one in _BELOW)
    listed = "\n".join(f"  {one.name:{width}}  {one.summary}" for one in _BELOW)
    parser.description = f"{parser.description}\n\n{listed}"
    below: Any = parser.add_subparsers(
        metavar="COMMAND", required=True, help=argparse.SUPPRESS, parser_class=_Parser
    )  # fmt: skip
    for one in _BELOW:
        one.add_to(below)


def _none(args: argparse.Namespace) -> int:  # argparse asks for a command before it comes here
    raise BadRequest("ndlab annotations", f"its commands are {', '.join(one.name for one in _BELOW)}")


COMMANDS = (
    Command("annotations", "ask and change annotations: import, export, query, history, undo, check",
            "\n".join(one.example for one in _BELOW), _arguments, _none),
)  # fmt: skip
