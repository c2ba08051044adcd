"""The routes of the server as one table, and the OpenAPI document that is made of it.

The table says what there is; `ndlab.serve.app` gives each row its handler. So the document cannot leave a route out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ndlab.graph.files import READABLE
from ndlab.serve.schemas import HEADERS, MISTAKES, SCHEMAS

__all__ = ["ROUTES", "Parameter", "Route", "document"]

_JSON = "application/json"
_BYTES = "application/octet-stream"
_ZIP = "application/zip"
_FRAMES = "application/x-ndlab-frames"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a route: part of the path where the path names it, else of the query, or a header."""

    name: str
    about: str
    type: str = "string"
    required: bool = False
    pattern: str | None = None
    least: int | None = 0
    most: int | None = None
    header: bool = False


@dataclass(frozen=True)
class Route:
    """One row: a path with ``{name}`` for its parameters, and what it answers.

    ``{name+}`` stands for the rest of the path, slashes included. `schema` names what a JSON answer is made of,
    `schemas` what that of a method is where it is something else, and `bodies` what is posted, bytes where that
    is empty.
    """

    name: str
    path: str
    about: str
    answers: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    methods: tuple[str, ...] = ("get", "head")
    schema: str = ""
    schemas: Mapping[str, str] = field(default_factory=dict)
    bodies: Mapping[str, str] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """The path as a regular expression, one group for each parameter in it."""
        parts = re.split(r"(\{\w+\+?\})", self.path)
        return "".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts)


def _group(part: str) -> str:
    return "(.*)" if part.endswith("+}") else "([^/]+)"


_NUMBERS = r"-?[0-9]+(\.[0-9]+)?,-?[0-9]+(\.[0-9]+)?"
_SLICE = "([0-9]{1,15}|[0-9]{0,15}:[0-9]{0,15})"
_KEY = "-?[0-9]{1,18}(,-?[0-9]{1,18}){2}"
_NAME = Parameter("name", "A name that /v1/volumes lists.", required=True)
_CHANNEL = Parameter("channel", "A channel of it.", required=True)
_VOL = Parameter("vol", "NAME or NAME/CHANNEL.", required=True, pattern="^.+$")
_LEVEL = Parameter("level", "Pyramid level; 0 is the finest.", "integer", most=10**9 - 1)
_T = Parameter("t", "Time point.", "integer", most=10**9 - 1)
_LOD = Parameter("lod", "Pyramid level.", "integer", most=1 << 53)
_C = Parameter("c", "Channel.", "integer", most=1 << 53)
_AXIS = Parameter("axis", "Columns, then rows.", pattern="^(xy|xz|yz|zy)$")
_Q = Parameter("q", "raw, or jpeg and a quality from 1 to 95.", pattern="^(raw|jpeg([1-9]|[1-8][0-9]|9[0-5]))$")
_WIN = Parameter("win", "lo,hi: the window of a JPEG of anything but uint8; lo below hi.", pattern=f"^{_NUMBERS}$")
_REST = Parameter("path", "The rest of the path.", required=True)
_PARTLY = (
    Parameter("Range", "bytes=FIRST-LAST, or bytes=-COUNT for the end; anything else is answered whole.", header=True),
    Parameter("If-None-Match", "The ETag of what the asker has.", header=True),
    Parameter("If-Range", "The ETag of what the asker has a part of; without it, the range holds.", header=True),
)
_READ = ("get", "head")
_WRITE = (*_READ, "post", "put", "delete")
_KIND = Parameter("kind", "One kind of objects.",
                  pattern="^(generic|synapse|seed|segment|neuron|organelle|node|skeleton|roi)$")  # fmt: skip
_ID = Parameter("id", "Id of an object.", required=True, pattern="^[1-9][0-9]{0,18}$")
_BOX = Parameter("box", "z0:z1,y0:y1,x0:x1, in voxels, half-open.", pattern="^[0-9]{1,15}:[0-9]{1,15}(,[0-9]{1,15}:"
                 "[0-9]{1,15}){2}$")  # fmt: skip
_GRAPH = Parameter("name", "Name of a graph file, ending included.", required=True)
_FORMAT = Parameter("format", "Format of a graph file.", pattern=f"^({'|'.join(READABLE)})$")
_LOSSY = Parameter("lossy", "1: leave out what the format cannot hold.", pattern="^[01]$")
_MATCH = Parameter("match", "Which names: * stands for anything, ? for one character.")
_SET = "/v1/annotations/{name}/{channel}"
_FOUNDING = (
    ("sd", "Cut-outs, planes, projections and ids of a token, as the Open Connectome Project spelled them.", _WRITE),
    ("ca", "The same under the older name.", _WRITE),
    ("ocp", "The same behind the oldest prefix: /ocp/ca/TOKEN/CHANNEL/xy/LEVEL/X0,X1/Y0,Y1/Z/.", _WRITE),
    ("nd", "The same behind NeuroData's prefix.", _WRITE),
    ("ramon", "Objects as JSON, by id, by a key, and the keys that most of them have.", (*_READ, "delete")),
    ("overlay", "Two planes over each other.", _READ),
    ("catmaid", "Tiles of 512 or 256 pixels, plain, in false colours, projected, or as Viking asks for them.", _READ),
    ("synaptogram", "Every slice of every channel of a box, or one picture of what lies around a point.", _READ),
    ("stats", "Histograms, means, deviations and percentiles.", (*_READ, "post")),
    ("resource", "Data sets, projects, channels and tokens: look, make, delete.", (*_READ, "post", "delete")),
)

ROUTES: tuple[Route, ...] = (
    Route("index", "/", "What this server is, and where to go on.", (_JSON,), schema="Index"),
    Route("index", "/v1/", "The routes.", (_JSON,), schema="Index"),
    Route("openapi", "/v1/openapi.json", "This document.", (_JSON,), schema="Document"),
    Route("volumes", "/v1/volumes", "Names, and the channels of each.", (_JSON,), schema="Volumes"),
    Route("volume", "/v1/volumes/{name}", "One name: its channels, and where each is served.", (_JSON,), (_NAME,),
          schema="Volume"),
    Route("channel", "/v1/volumes/{name}/{channel}", "One channel: axes, levels, voxel sizes [nm], window.",
          (_JSON,), (_NAME, _CHANNEL), schema="Channel"),
    Route("cutout", "/v1/volumes/{name}/{channel}/cutout", "Voxels of a box: (z, y, x) in voxels of the level, "
          "half-open, from 0 at the array's first voxel.", (_BYTES, "image/png"), (
              _NAME, _CHANNEL, Parameter("box", "z0:z1,y0:y1,x0:x1; one number for one plane; nothing for all.",
                                         pattern=f"^{_SLICE}(,{_SLICE}){{2}}$"),
              _LEVEL, _T, Parameter("format", "npy; raw: C order, little-endian, described by headers; png: one plane.",
                                    pattern="^(npy|raw|png)$"),
              Parameter("win", "lo,hi: values that a PNG draws black and white.", pattern=f"^{_NUMBERS}$"))),
    Route("view", "/v1/view/hello", "What the viewer's routes speak.", (_JSON,), schema="Hello"),
    Route("view", "/v1/view/info", "What the viewer has to know of a volume.", (_JSON,), (_VOL,), schema="Info"),
    Route("view", "/v1/view/tiles", "A stream of frames, one for each key.", (_FRAMES,), (
        _VOL, _LOD, _AXIS, _T, _C, Parameter("s", "Side of a tile [px].", "integer", least=16, most=2048), _Q, _WIN,
        Parameter("v", "Version."), Parameter("k", "d,r,c;d,r,c: plane, row and column of at most 64 tiles.",
                                              required=True, pattern=f"^{_KEY}(;{_KEY}){{0,63}}$"))),
    Route("view", "/v1/view/play", "A stream of frames, one for each plane and layer.", (_FRAMES,), (
        _VOL, _LOD, _AXIS, _T, _C, Parameter("from", "First plane.", "integer", True, least=-(1 << 53), most=1 << 53),
        Parameter("to", "Last plane.", "integer", True, least=-(1 << 53), most=1 << 53),
        Parameter("step", "Planes from one to the next; leads from the first to the last.", "integer",
                  least=-(1 << 53), most=1 << 53),
        Parameter("box", "row0,row1,col0,col1, half-open.", required=True, pattern="^[0-9]{1,15}(,[0-9]{1,15}){3}$"),
        _Q, _WIN, Parameter("v", "Version."))),
    Route("zarr", "/v1/zarr/{name}/{path+}", "A key of the store as it lies on disk; takes Range and If-None-Match.",
          (_BYTES, _JSON), (_NAME, _REST, *_PARTLY)),
    Route("precomputed", "/v1/precomputed/{name}/{path+}", "A Neuroglancer precomputed volume made on the fly: "
          "[CHANNEL/][t=N/]info, and its chunks.", (_JSON, _BYTES), (_NAME, _REST), schema="Precomputed"),
    Route("annotations", "/v1/annotations", "Channels that have annotations.", (_JSON,), schema="Sets"),
    Route("set", _SET, "The annotations of a channel: how many of each kind, and over which labels.", (_JSON,),
          (_NAME, _CHANNEL), schema="Set"),
    Route("objects", f"{_SET}/objects", "Objects that meet every condition; new ones, all or none; the end of some.",
          (_JSON,), (
              _NAME, _CHANNEL, _KIND,
              Parameter("where", 'Conditions on fields and free keys as a JSON object: {"confidence__gt":0.9}.'),
              _BOX, _LEVEL, Parameter("by", "What of an object lies in the box.", pattern="^(any|position|bounds)$"),
              Parameter("sort", "Fields or free keys, parted by commas; -name descending."),
              Parameter("limit", "Most objects of an answer.", "integer", most=10_000),
              Parameter("after", "Go on behind this id.", "integer", most=(1 << 63) - 1),
              Parameter("ids", "Which ones to delete, parted by commas.")),
          ("get", "head", "post", "delete"), "Objects", {"post": "Ids", "delete": "Deleted"}, {"post": "NewObjects"}),
    Route("object", f"{_SET}/objects/{{id}}", "One object with what is computed from others; changed; deleted.",
          (_JSON,), (_NAME, _CHANNEL, _ID), ("get", "head", "patch", "delete"), "Object", {"delete": "Deleted"},
          {"patch": "Changes"}),
    Route("form", f"{_SET}/objects/{{id}}/{{form}}", "Its voxels: bounds as JSON; a list of (z, y, x) or a cut-out as "
          "npy.", (_JSON, _BYTES), (
              _NAME, _CHANNEL, _ID, Parameter("form", "Which form.", required=True, pattern="^(bounds|voxels|cutout)$"),
              Parameter("box", "Of a cut-out, instead of the smallest one: z0:z1,y0:y1,x0:x1.")), schema="Bounds"),
    Route("keys", f"{_SET}/keys", "The free keys that most objects have.", (_JSON,),
          (_NAME, _CHANNEL, _KIND, Parameter("limit", "Most keys.", "integer", most=10_000)), schema="Keys"),
    Route("reserve", f"{_SET}/reserve", "Ids, one after another, that nobody else is given.", (_JSON,),
          (_NAME, _CHANNEL), ("post",), "Reserved", {}, {"post": "Count"}),
    Route("merge", f"{_SET}/merge", "Objects become the first of them, voxels and all.", (_JSON,), (_NAME, _CHANNEL),
          ("post",), "Merged", {}, {"post": "Merge"}),
    Route("history", f"{_SET}/history", "Who wrote what, when; the newest first.", (_JSON,),
          (_NAME, _CHANNEL, Parameter("limit", "Most transactions.", "integer", most=10_000)), schema="History"),
    Route("undo", f"{_SET}/undo", "A transaction is taken back: the one that is named, else the last.", (_JSON,),
          (_NAME, _CHANNEL), ("post",), "Undone", {}, {"post": "Transaction"}),
    Route("graphs", "/v1/graphs", "Graph files: names, formats, sizes. The same is at /graphs.", (_JSON,), (_MATCH,),
          schema="Graphs"),
    Route("graphs_zip", "/v1/graphs.zip", "All graphs as one zip, made as it is sent.", (_ZIP,),
          (_FORMAT, _LOSSY, _MATCH)),
    Route("graph", "/v1/graphs/{name}", "One graph: nodes, edges, properties; with a format, its file in it. A new "
          "one, read before it is stored.", (_JSON, _BYTES, _ZIP), (_GRAPH, _FORMAT, _LOSSY, Parameter(
              "overwrite", "Whether what is posted replaces what is there.", pattern="^[01]$")),
          (*_READ, "put", "post"), "Graph", {}, {"put": "", "post": ""}),
    Route("invariants", "/v1/graphs/{name}/invariants", "Numbers of a graph and of each of its nodes.", (_JSON,),
          (_GRAPH, Parameter("names", "Which, parted by commas.", required=True, pattern="^[a-z0-9_]+(,[a-z0-9_]+)*$"),
           Parameter("pairs", "How many eigenpairs, of names=eig.", "integer", least=1, most=1000)),
          schema="Invariants"),
    Route("ndgraph", "/ndgraph/{path+}", "The undirected graph of a channel's synapses: TOKEN/CHANNEL/"
          "[FORMAT/[X0,X1/Y0,Y1/Z0,Z1/]].", (_BYTES, _ZIP), (_REST,)),
    *(Route("founding", f"/{root}/{{path+}}", about, ("*/*",), (_REST,), methods)
      for root, about, methods in _FOUNDING),
    Route("founding", "/public_tokens/", "Names that anybody may read.", (_JSON,), schema="Names"),
    Route("founding", "/public_datasets/", "Data sets that anybody may read.", (_JSON,), schema="Names"),
)  # fmt: skip


def document(routes: Sequence[Route] = ROUTES, version: str = "", *, anybody: bool = True) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a table of routes; `anybody` says that some need no token.

    Examples
    --------
    >>> doc = document()
    >>> doc["openapi"], sorted(doc["paths"]["/v1/volumes/{name}/{channel}"])
    ('3.1.0', ['get', 'head'])
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "ndlab", "version": version or "1", "description": __doc__.splitlines()[0]},
        "paths": {_plain(one.path): _operations(one) for one in routes},
        "components": {
            "securitySchemes": {
                "header": {"type": "http", "scheme": "bearer"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
            "schemas": SCHEMAS,
        },
        "security": [{"header": []}, {"query": []}, *([{}] if anybody else [])],
    }


def _plain(path: str) -> str:
    return path.replace("+}", "}")


def _operations(route: Route) -> dict[str, Any]:
    return {method: _operation(route, method) for method in route.methods}


def _operation(route: Route, method: str) -> dict[str, Any]:
    posted = route.bodies.get(method)
    body = {"required": True, "content": {_JSON: {"schema": _reference(posted)}} if posted else {_BYTES: {}}}
    return {
        **({"requestBody": body} if method in route.bodies else {}),
        "operationId": f"{method}{re.sub(r'[^A-Za-z0-9]+', '_', route.path)}",
        "summary": route.about,
        "parameters": [_parameter(one, route) for one in route.parameters],
        "responses": {
            **{status: _answer(route, status, about, method) for status, about in _answered(route, method).items()},
            **{status: _mistake(status, about) for status, about in MISTAKES.items()},
        },
    }


def _answered(route: Route, method: str) -> dict[str, str]:
    """Return the statuses of what is no mistake."""
    found = {"200": route.about}
    if route.name == "zarr":
        return found | {"206": "A part of it.", "304": "It is still what the asker has."}
    if route.name == "objects" and method == "post":
        return {"201": "They were made."}
    if route.name == "graph" and method in ("put", "post"):
        return {"201": "It was stored."}
    if route.name == "founding" and method == "post":
        found["201"] = "It was made."
    if route.name == "founding" and method == "delete":
        found["204"] = "It is gone."
    return found


def _answer(route: Route, status: str, about: str, method: str) -> dict[str, Any]:
    described = {kind: _content(kind, route, method) for kind in route.answers}
    headers = HEADERS.get(route.name, {}) | HEADERS.get(status, {})
    return {"description": about, "content": described, **({"headers": headers} if headers else {})}


def _content(kind: str, route: Route, method: str) -> dict[str, Any]:
    schema = route.schemas.get(method, route.schema)
    return {"schema": _reference(schema)} if kind == _JSON and schema else {}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _mistake(status: str, about: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Mistake"}
    content = {_JSON: {"schema": schema}, "text/plain": {}}
    headers = {"headers": HEADERS[status]} if status in HEADERS else {}
    return {"description": about, "content": content, **headers}


def _parameter(one: Parameter, route: Route) -> dict[str, Any]:
    inside = f"{{{one.name}}}" in _plain(route.path)
    schema: dict[str, Any] = {"type": one.type}
    if one.pattern:
        schema["pattern"] = one.pattern
    if one.type == "integer":
        bounds = {"minimum": one.least, "maximum": one.most}
        schema |= {name: bound for name, bound in bounds.items() if bound is not None}
    where = "path" if inside else "header" if one.header else "query"
    return {"name": one.name, "in": where, "required": inside or one.required, "description": one.about,
            "schema": schema}  # fmt: skip
