"""Serve a folder, or a mirror of a remote store, over HTTP: serve."""

from __future__ import annotations

import argparse
import os
import re
import sys
import warnings

from ndlab.cli.command import Command
from ndlab.errors import BadRequest, StaleLevelWarning

__all__ = ["COMMANDS"]

_TOKEN = "NDLAB_TOKEN"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="DIR", help="a folder of stores, one store, or a remote one with --cache")
    parser.add_argument("--port", type=int, default=8765, help="port to listen on; 0: any that is free (8765)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1: this machine alone)")
    parser.add_argument("--writable", action="store_true", help="take voxels and graphs that are posted")
    who = parser.add_argument_group("who may ask")
    who.add_argument(
        "--token",
        help=f"what opens everything; better in {_TOKEN}, where no list of processes shows it. "
        "Beyond this machine one is made unless given",
    )
    who.add_argument("--public", nargs="+", default=(), metavar="NAME", help="names that anybody may read")
    who.add_argument("--rate", type=float, default=50, help="requests a second of a client without the token (50)")
    who.add_argument("--cors", nargs="+", default=(), metavar="ORIGIN", help="sites whose pages may read, or '*'")
    kept = parser.add_argument_group("a mirror of a remote store")
    kept.add_argument("--cache", metavar="FOLDER", help="keep what was read there")
    kept.add_argument("--cache-size", default="50GB", metavar="SIZE", help="most bytes kept (50GB)")


def _size(text: str) -> int:
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *([kMGT]?i?)B?", text)
    if not found:
        raise BadRequest(f"--cache-size {text!r}", "a size is a number of bytes, or of kB, MB, GB, TB, GiB",
                         "pass --cache-size 50GB")  # fmt: skip
    number, unit = found.groups()
    base = 1024 if unit.endswith("i") else 1000
    return int(float(number) * base ** " kMGT".index(unit[:1] or " "))


def _run(args: argparse.Namespace) -> int:
    import asyncio

    from ndlab.analyze.services import graph_services
    from ndlab.serve.app import Server, access_for, make_site

    token = args.token or os.environ.get(_TOKEN) or None
    access = access_for(args.host, token, args.public, args.rate, args.cors)
    mirror = None
    if args.cache is not None:
        from ndlab.serve.mirror import Mirror

        mirror = Mirror(args.url, args.cache, _size(args.cache_size))
    site = make_site(args.url, access, writable=args.writable, mirror=mirror, services=graph_services())
    server = Server(site, args.host, args.port)
    # The answer says so; a line for each request would hide what else there is to say.
    warnings.simplefilter("ignore", StaleLevelWarning)

    async def serve() -> None:
        server.listen()
        _say(
            server.url, access.token if not token else None, (*site.names.tokens(), *site.graphs.names()), access.public
        )
        await asyncio.Event().wait()

    try:
        asyncio.run(serve())
    finally:
        server.stop()
    return 0


def _say(url: str, made: str | None, names: tuple[str, ...], public: object) -> None:
    listed = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
    print(f"serving {listed or 'an empty folder'}")
    print(f"{url}/" + (f"?token={made}" if made else ""))
    if public:
        print(f"anybody may read {', '.join(public)}")  # type: ignore[arg-type]
    print("Ctrl-C ends it", file=sys.stderr)
    sys.stdout.flush()


COMMANDS = (
    Command(
        "serve",
        "serve volumes over HTTP: viewer, cut-outs, Zarr, precomputed",
        "ndlab serve data/\nndlab serve data/ --host 0.0.0.0 --public kasthuri11\n"
        "ndlab serve https://example.org/em.zarr --cache kept/ --cache-size 50GB",
        _arguments,
        _run,
        "Every store in the folder is served under its name: kasthuri11.zarr as kasthuri11.",
    ),
)
