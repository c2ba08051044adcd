"""The routes of the server as one table, and the OpenAPI document that is made of it.

The table says what there is; `ndlab.serve.app` gives each row its handler. So the document cannot leave a route out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["ROUTES", "Parameter", "Route", "document"]

_JSON = "application/json"
_BYTES = "application/octet-stream"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a route: part of the path where the path names it, else of the query."""

    name: str
    about: str
    type: str = "string"
    required: bool = False
    pattern: str | None = None


@dataclass(frozen=True)
class Route:
    """One row: a path with ``{name}`` for its parameters, and what it answers.

    ``{name+}`` stands for the rest of the path, slashes included.
    """

    name: str
    path: str
    about: str
    answers: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    methods: tuple[str, ...] = ("get", "head")

    @property
    def pattern(self) -> str:
        """The path as a regular expression, one group for each parameter in it."""
        parts = re.split(r"(\{\w+\+?\})", self.path)
        return "".join(_group(part) if part.startswith("{") else re.escape(part) for part in parts)


def _group(part: str) -> str:
    return "(.*)" if part.endswith("+}") else "([^/]+)"


_NAME = Parameter("name", "A name that /v1/volumes lists.", required=True)
_CHANNEL = Parameter("channel", "A channel of it.", required=True)
_VOL = Parameter("vol", "NAME or NAME/CHANNEL.", required=True)
_LEVEL = Parameter("level", "Pyramid level; 0 is the finest.", "integer")
_T = Parameter("t", "Time point.", "integer")
_LOD = Parameter("lod", "Pyramid level.", "integer")
_AXIS = Parameter("axis", "Columns, then rows.", pattern="^(xy|xz|yz|zy)$")
_Q = Parameter("q", "raw, or jpeg and a quality.")
_WIN = Parameter("win", "lo,hi: the window of a JPEG of anything but uint8.")
_REST = Parameter("path", "The rest of the path.", required=True)
_FOUNDING = (
    ("sd", "Cut-outs, planes, projections and ids of a token, as the Open Connectome Project spelled them."),
    ("ca", "The same under the older name."),
    ("ocp", "The same behind the oldest prefix: /ocp/ca/TOKEN/CHANNEL/xy/LEVEL/X0,X1/Y0,Y1/Z/."),
    ("nd", "The same behind NeuroData's prefix."),
    ("overlay", "Two planes over each other."),
    ("catmaid", "Tiles of 512 or 256 pixels, plain, in false colours, projected, or as Viking asks for them."),
    ("synaptogram", "Every slice of every channel of a box."),
    ("stats", "Histograms, means, deviations and percentiles."),
    ("resource", "Data sets, projects, channels and tokens: look, make, delete."),
)

ROUTES: tuple[Route, ...] = (
    Route("index", "/", "What this server is, and where to go on.", (_JSON,)),
    Route("index", "/v1/", "The routes.", (_JSON,)),
    Route("openapi", "/v1/openapi.json", "This document.", (_JSON,)),
    Route("volumes", "/v1/volumes", "Names, and the channels of each.", (_JSON,)),
    Route("volume", "/v1/volumes/{name}", "One name: its channels, and where each is served.", (_JSON,), (_NAME,)),
    Route("channel", "/v1/volumes/{name}/{channel}", "One channel: axes, levels, voxel sizes [nm], window.",
          (_JSON,), (_NAME, _CHANNEL)),
    Route("cutout", "/v1/volumes/{name}/{channel}/cutout", "Voxels of a box: (z, y, x) in voxels of the level, "
          "half-open, from 0 at the array's first voxel.", (_BYTES, "image/png"), (
              _NAME, _CHANNEL, Parameter("box", "z0:z1,y0:y1,x0:x1; one number for one plane; nothing for all.",
                                         pattern=r"^[0-9]*(:[0-9]*)?(,[0-9]*(:[0-9]*)?){2}$"),
              _LEVEL, _T, Parameter("format", "npy; raw: C order, little-endian, described by headers; png: one plane.",
                                    pattern="^(npy|raw|png)$"),
              Parameter("win", "lo,hi: values that a PNG draws black and white."))),
    Route("view", "/v1/view/hello", "What the viewer's routes speak.", (_JSON,)),
    Route("view", "/v1/view/info", "What the viewer has to know of a volume.", (_JSON,), (_VOL,)),
    Route("view", "/v1/view/tiles", "A stream of frames, one for each key.", ("application/x-ndlab-frames",), (
        _VOL, _LOD, _AXIS, _T, Parameter("c", "Channel.", "integer"), Parameter("s", "Side of a tile.", "integer"),
        _Q, _WIN, Parameter("v", "Version."), Parameter("k", "d,r,c;d,r,c: plane, row and column of tiles.",
                                                       required=True)), ("get",)),
    Route("view", "/v1/view/play", "A stream of frames, one for each plane and layer.",
          ("application/x-ndlab-frames",), (
              _VOL, _LOD, _AXIS, _T, Parameter("c", "Channel.", "integer"),
              Parameter("from", "First plane.", "integer", True), Parameter("to", "Last plane.", "integer",
                                                                            True),
              Parameter("step", "Planes from one to the next.", "integer"),
              Parameter("box", "row0,row1,col0,col1.", required=True), _Q, _WIN), ("get",)),
    Route("zarr", "/v1/zarr/{name}/{path+}", "A key of the store as it lies on disk; takes Range and If-None-Match.",
          (_BYTES, _JSON), (_NAME, _REST)),
    Route("precomputed", "/v1/precomputed/{name}/{path+}", "A Neuroglancer precomputed volume made on the fly: "
          "[CHANNEL/][t=N/]info, and its chunks.", (_JSON, _BYTES), (_NAME, _REST)),
    *(Route("founding", f"/{root}/{{path+}}", about, ("*/*",), (_REST,), ("get", "head", "post", "put", "delete"))
      for root, about in _FOUNDING),
    Route("founding", "/public_tokens/", "Names that anybody may read.", (_JSON,)),
    Route("founding", "/public_datasets/", "Data sets that anybody may read.", (_JSON,)),
)  # fmt: skip

_MISTAKES = {
    "400": "The request makes no sense.",
    "403": "It needs a token, or is read-only.",
    "404": "Nothing is there, or the box leaves it.",
    "405": "The address takes other methods.",
    "409": "It contradicts what is there.",
    "413": "It asks for more than is answered at once.",
    "414": "It is too long.",
    "416": "The range lies beyond the value.",
    "429": "It came too soon after others; Retry-After says when to ask again.",
    "501": "ndlab does not have that.",
    "502": "The store contradicts itself, or its own server does not answer.",
}


def document(routes: Sequence[Route] = ROUTES, version: str = "") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a table of routes.

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
            "schemas": {"Mistake": _MISTAKE},
        },
        "security": [{"header": []}, {"query": []}, {}],
    }


_MISTAKE = {
    "type": "object",
    "required": ["status", "asked", "exists", "remedy"],
    "properties": {
        "status": {"type": "integer"},
        "asked": {"type": "string", "description": "What was asked."},
        "exists": {"type": "string", "description": "What there is, or which limit was hit."},
        "remedy": {"type": "string", "description": "What to ask for next."},
    },
}


def _plain(path: str) -> str:
    return path.replace("+}", "}")


def _operations(route: Route) -> dict[str, Any]:
    return {method: _operation(route, method) for method in route.methods}


def _operation(route: Route, method: str) -> dict[str, Any]:
    told = {"content": {_JSON: {"schema": {"$ref": "#/components/schemas/Mistake"}}}}
    return {
        "operationId": f"{method}{re.sub(r'[^A-Za-z0-9]+', '_', route.path)}",
        "summary": route.about,
        "parameters": [_parameter(one, route) for one in route.parameters],
        "responses": {
            "200": {"description": route.about, "content": {kind: {} for kind in route.answers}},
            **{status: {"description": about, **told} for status, about in _MISTAKES.items()},
        },
    }


def _parameter(one: Parameter, route: Route) -> dict[str, Any]:
    inside = f"{{{one.name}}}" in _plain(route.path)
    schema: dict[str, Any] = {"type": one.type}
    if one.pattern:
        schema["pattern"] = one.pattern
    if one.type == "integer":
        schema["minimum"] = 0
    where = "path" if inside else "query"
    return {"name": one.name, "in": where, "required": inside or one.required, "description": one.about,
            "schema": schema}  # fmt: skip
