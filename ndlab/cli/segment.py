"""Below `ndlab detect`: segments, partners, graph, streamlines, agreement."""

from __future__ import annotations

import argparse
from typing import Any

from ndlab.cli import words
from ndlab.cli.command import Command, add_json, add_opening, opening, say

__all__ = ["BELOW"]


def _add_run(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("the run")
    run.add_argument("--workers", type=int, help="threads; else as many as cores")
    run.add_argument("--block", metavar="Z,Y,X", help="voxels of one task; the result is the same for any")
    run.add_argument("--overwrite", action="store_true", help="remove what is there first")
    run.add_argument("--quiet", action="store_true", help="no bar")


def _how(args: argparse.Namespace) -> dict[str, Any]:
    return {"workers": args.workers, "progress": False if args.quiet else None, "overwrite": args.overwrite,
            "block": words.shape(args.block, "--block")}  # fmt: skip


# --- segments -----------------------------------------------------------------------------------------------------


def _segments_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", metavar="VOLUME", help="grey values, or membrane probabilities (floating-point)")
    parser.add_argument("out", metavar="OUT", help="where the labels go")
    parser.add_argument("--model", metavar="FILE", help="of membranes; without it the one that ndlab ships")
    parser.add_argument("--membranes", metavar="STORE", help="where the membranes of a grey volume are kept; else OUT "
                        "with .membranes")  # fmt: skip
    parser.add_argument("--threshold", type=float, help="of merging, 0 to 1 (0.8)")
    parser.add_argument("--gap", type=float, metavar="NM", help="holes in membranes up to this wide are closed (140)")
    parser.add_argument("--small", type=float, metavar="NM3", help="what is smaller is merged more readily (1e6)")
    parser.add_argument("--sections", choices=("auto", "alone", "together"), default="auto",
                        help="whether sections are cut one by one; else where they are thick")  # fmt: skip
    _add_run(parser)
    add_json(parser)
    add_opening(parser)


def _segments(args: argparse.Namespace) -> int:
    from ndlab.detect import membranes, segments
    from ndlab.volume import open as open_volume

    volume = open_volume(args.volume, **opening(args))
    if volume.dtype.kind != "f":
        where = args.membranes or f"{args.out.rstrip('/')}.membranes"
        volume = membranes(volume, model=args.model, out=where, **_how(args))
    given = {name: getattr(args, name) for name in ("threshold", "gap", "small") if getattr(args, name) is not None}
    found = segments(volume, out=args.out, sections=args.sections, **given, **_how(args))
    made = found.provenance
    facts = {"url": args.out, "segments": made["segments"], "fragments": made["fragments"]}
    say(args, facts, f"{args.out}: {made['segments']:,} segments of {made['fragments']:,} fragments")
    return 0


# --- partners -----------------------------------------------------------------------------------------------------


def _partners_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("synapses", metavar="ANNOTATIONS", help="synapses; their partners are written to them")
    parser.add_argument("segments", metavar="SEGMENTS", help="labels")
    parser.add_argument("--objects", metavar="STORE", help="the probability that they were found in, or their labels")
    parser.add_argument("--threshold", type=float, default=0.5, help="of that probability (0.5)")
    parser.add_argument("--vesicles", metavar="STORE", help="where vesicles are, to tell the direction")
    parser.add_argument("--lies-in", choices=("post", "pre", "cleft"), default="post",
                        help="where detections lie: a density (post), a T-bar (pre), the cleft")  # fmt: skip
    parser.add_argument("--reach", type=float, default=40.0, metavar="NM", help="how far around they are looked for")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    add_json(parser)


def _partners(args: argparse.Namespace) -> int:
    from ndlab.annotations import Annotations
    from ndlab.detect import partners
    from ndlab.volume import open as open_volume

    with Annotations.open(args.synapses) as synapses:
        found = partners(
            synapses, open_volume(args.segments), objects=_opened(args.objects), vesicles=_opened(args.vesicles),
            threshold=args.threshold, lies_in=args.lies_in, reach=args.reach, write=not args.dry_run,
        )  # fmt: skip
    both = int(((found["pre_id"] != 0) & (found["post_id"] != 0)).sum())
    directed = int(found["directed"].sum())
    facts = {"synapses": len(found), "with_both": both, "directed": directed}
    say(
        args,
        facts,
        f"{args.synapses}: {both:,} of {len(found):,} synapses have both partners, {directed:,} a direction",
    )
    return 0


def _opened(url: str | None) -> Any:
    from ndlab.volume import open as open_volume

    return None if url is None else open_volume(url)


# --- graph --------------------------------------------------------------------------------------------------------


def _graph_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volume", metavar="VOLUME", help="grey values")
    parser.add_argument("out", metavar="FOLDER", help="for membranes, segments, synapses, and graph.graphml")
    parser.add_argument("--membrane-model", metavar="FILE", help="without it the one that ndlab ships")
    parser.add_argument("--synapse-model", metavar="FILE", help="without it one that has seen the phantom only")
    parser.add_argument("--lies-in", choices=("post", "pre", "cleft"), default="post", help="as for partners")
    _add_run(parser)
    add_json(parser)
    add_opening(parser)


def _graph(args: argparse.Namespace) -> int:
    from ndlab.detect import graph
    from ndlab.volume import open as open_volume

    found = graph(
        open_volume(args.volume, **opening(args)), out=args.out, membrane_model=args.membrane_model,
        synapse_model=args.synapse_model, lies_in=args.lies_in, **_how(args),
    )  # fmt: skip
    facts = {"folder": args.out, "segments": found.segments.provenance["segments"], "synapses": len(found.partners),
             "nodes": found.graph.n_nodes, "edges": found.graph.n_edges}  # fmt: skip
    say(args, facts, f"{args.out}: {found!r}")
    return 0


# --- streamlines --------------------------------------------------------------------------------------------------


def _streamlines_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tracts", metavar="TRACTS", help="a .trk or .tck file")
    parser.add_argument("parcellation", metavar="REGIONS", help="labels of regions, e.g. a NIfTI file")
    parser.add_argument("out", metavar="GRAPH", help="a graph file, e.g. .graphml")
    parser.add_argument("--reach", type=float, default=0.0, metavar="NM", help="ends this near a region belong to it")
    parser.add_argument("--loops", action="store_true", help="keep streamlines that end where they began")
    add_json(parser)
    add_opening(parser)


def _streamlines(args: argparse.Namespace) -> int:
    from ndlab.detect import streamlines
    from ndlab.volume import open as open_volume

    regions = open_volume(args.parcellation, **opening(args))
    found = streamlines(args.tracts, regions, reach=args.reach, loops=args.loops)
    found.write(args.out)
    facts = {"graph": args.out, "regions": found.n_nodes, "edges": found.n_edges, **found.attributes}
    total, outside = found.attributes["streamlines"], found.attributes["outside"]
    say(args, facts, f"{args.out}: {found.n_nodes:,} regions, {found.n_edges:,} edges of {total:,} streamlines, "
        f"{outside:,} of which end outside")  # fmt: skip
    return 0


# --- agreement ----------------------------------------------------------------------------------------------------


def _agreement_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("segments", metavar="SEGMENTS", help="labels")
    parser.add_argument("truth", metavar="TRUTH", help="ids of the true cells; 0 does not count")
    add_json(parser)


def _agreement(args: argparse.Namespace) -> int:
    from ndlab.detect import score_segmentation
    from ndlab.volume import open as open_volume

    found = score_segmentation(open_volume(args.segments), open_volume(args.truth))
    say(args, found.to_json(), f"VI {found.vi:.3f} bits (split {found.split:.3f}, merge {found.merge:.3f}), "
        f"ARI {found.ari:.4f}, adapted Rand error {found.rand_error:.4f}")  # fmt: skip
    return 0


BELOW = (
    Command("segments", "cut a volume into cells", "ndlab detect segments em.zarr cells.zarr --model walls.npz",
            _segments_arguments, _segments),
    Command("agreement", "hold segments against the truth", "ndlab detect agreement cells.zarr truth.zarr --json",
            _agreement_arguments, _agreement),
    Command("partners", "find the cells before and after each synapse",
            "ndlab detect partners em.zarr/annotations/synapses cells.zarr --objects probability.zarr",
            _partners_arguments, _partners),
    Command("graph", "read the graph out of a picture: membranes, segments, synapses, partners",
            "ndlab detect graph em.zarr reading/ --membrane-model walls.npz --synapse-model synapses.npz",
            _graph_arguments, _graph),
    Command("streamlines", "make a graph of streamlines and regions",
            "ndlab detect streamlines tracts.trk regions.nii.gz brain.graphml --reach 2e6",
            _streamlines_arguments, _streamlines),
)  # fmt: skip
