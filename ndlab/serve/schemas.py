"""What the answers of the server are made of, as JSON schemas: the components of the OpenAPI document."""

from __future__ import annotations

from typing import Any

__all__ = ["HEADERS", "MISTAKES", "SCHEMAS"]

MISTAKES = {
    "400": "The request makes no sense.",
    "403": "It needs a token, or is read-only.",
    "404": "Nothing is there, or the box leaves it.",
    "405": "The address takes other methods.",
    "409": "It contradicts what is there.",
    "413": "It asks for more than is answered at once.",
    "414": "It is too long.",
    "416": "The range lies beyond the value.",
    "429": "It came too soon after others.",
    "501": "ndlab does not have that.",
    "502": "The store contradicts itself, or its own server does not answer.",
}

_NUMBER, _COUNT, _TEXT, _FLAG = {"type": "number"}, {"type": "integer", "minimum": 0}, {"type": "string"}, {
    "type": "boolean"}  # fmt: skip


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(of: Any, least: int = 0, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": least} | ({} if most is None else {"maxItems": most})


def _map(of: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": of}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}]}


def _named(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _three(of: Any) -> dict[str, Any]:
    return _list(of, 3, 3)


_WINDOW = _or_null(_list(_NUMBER, 2, 2))
_LINKS = _object(info=_TEXT, cutout=_TEXT, zarr=_TEXT, precomputed=_TEXT)
_SCALE = _object(
    key=_TEXT,
    size=_three(_COUNT),
    voxel_offset=_three({"type": "integer"}),
    resolution=_three(_NUMBER),
    chunk_sizes=_list(_three({"type": "integer", "minimum": 1}), 1),
    encoding={"const": "raw"},
)

_ID = {"type": "integer", "minimum": 1, "maximum": (1 << 64) - 1}
_KIND = {"enum": ["generic", "synapse", "seed", "segment", "neuron", "organelle", "node", "skeleton", "roi"]}
_MODE = {"enum": ["overwrite", "preserve", "except", "reduce"]}
_PROPERTIES = _list(_object(name=_TEXT, type={"enum": ["bool", "int", "float", "str"]}, unit=_TEXT))
_PAINT = {"voxels": _list(_three(_COUNT)), "box": _list(_three(_COUNT), 2, 2)}

SCHEMAS: dict[str, dict[str, Any]] = {
    "Mistake": {
        "type": "object",
        "required": ["status", "asked", "exists", "remedy"],
        "properties": {
            "status": {"type": "integer"},
            "asked": {"type": "string", "description": "What was asked."},
            "exists": {"type": "string", "description": "What there is, or which limit was hit."},
            "remedy": {"type": "string", "description": "What to ask for next."},
        },
    },
    "Index": _object(service={"const": "ndlab"}, volumes=_TEXT, openapi=_TEXT,
                     routes=_list(_object(path=_TEXT, about=_TEXT), 1)),
    "Document": _object(openapi={"const": "3.1.0"}, info=_map({}), paths=_map({}), components=_map({})),
    "Volumes": _object(volumes=_list(_object(name=_TEXT, channels=_list(_TEXT)))),
    "Volume": _object(name=_TEXT, channels=_list(_TEXT, 1), links=_map(_LINKS)),
    "Level": _object(shape=_three(_COUNT), voxel_size=_or_null(_three(_NUMBER)), offset=_three(_NUMBER),
                     chunk=_three({"type": "integer", "minimum": 1}), missing=_or_null(_TEXT), stale=_FLAG),
    "Info": _object(id=_TEXT, name=_TEXT, kind={"enum": ["image", "labels"]}, dtype=_TEXT, axes=_list(_TEXT, 3),
                    times={"type": "integer", "minimum": 1}, levels=_list(_named("Level"), 1), calibrated=_FLAG,
                    channels=_list(_object(name=_TEXT, window=_WINDOW, color=_or_null(_TEXT))), window=_WINDOW,
                    version=_COUNT),
    "Channel": {"allOf": [_named("Info"), _object(links=_LINKS)]},
    "Hello": _object(v=_COUNT, stream=_FLAG, codecs=_list(_TEXT, 1)),
    "Precomputed": _object(**{"@type": {"const": "neuroglancer_multiscale_volume"}},
                           type={"enum": ["image", "segmentation"]}, data_type=_TEXT,
                           num_channels={"const": 1}, scales=_list(_SCALE, 1)),
    "Names": _list(_TEXT),
    "Sets": _object(annotations=_list(_object(name=_TEXT, channel=_TEXT))),
    "Set": _object(name=_TEXT, channel=_TEXT, readonly=_FLAG, version=_COUNT, counts=_map(_COUNT),
                   labels=_or_null(_object(shape=_three(_COUNT), dtype=_TEXT)), voxel_size=_list(_three(_NUMBER))),
    "Object": _object(id=_ID, kind=_KIND),
    "Objects": _object(objects=_list(_named("Object")), more=_FLAG, after=_or_null(_ID)),
    "Ids": _object(ids=_list(_ID, 1)),
    "Deleted": _object(deleted=_COUNT),
    "Bounds": _object(id=_ID, start=_three(_COUNT), stop=_three(_COUNT)),
    "Keys": _object(keys=_list(_object(key=_TEXT, count=_COUNT))),
    "Reserved": _object(first=_ID, count=_COUNT),
    "Merged": _object(id=_ID),
    "Done": _object(number=_COUNT, time=_TEXT, author=_TEXT, operation=_TEXT, objects=_COUNT, voxels=_COUNT,
                    undoes=_or_null(_COUNT), note=_TEXT),
    "History": _object(transactions=_list(_named("Done"))),
    "Undone": _object(undone=_or_null(_named("Done"))),
    "Graphs": _object(graphs=_list(_object(name=_TEXT, format=_TEXT, nbytes=_COUNT))),
    "Graph": _object(name=_TEXT, format=_TEXT, nbytes=_COUNT, nodes=_COUNT, edges=_COUNT, directed=_FLAG,
                     parallel_edges=_FLAG, loops=_COUNT, node_properties=_PROPERTIES, edge_properties=_PROPERTIES,
                     attributes=_map({}), lossless=_list(_TEXT), file=_TEXT),
    "Invariants": _object(name=_TEXT, graph=_map({}), nodes=_map(_list({}))),
    "NewObjects": {
        "type": "object", "required": ["objects"], "additionalProperties": False,
        "properties": {"objects": _list({"type": "object", "properties": {"kind": _KIND, "id": _ID, **_PAINT},
                                         "description": "Fields by their names; other names are free keys."}, 1),
                       "mode": _MODE, "note": _TEXT},
    },
    "Changes": {
        "type": "object", "properties": {**_PAINT, "mode": _MODE, "note": _TEXT},
        "description": "Fields by their names; other names, and what is in keys, are free keys; null takes one away.",
    },
    "Count": {"type": "object", "required": ["count"], "additionalProperties": False,
              "properties": {"count": {"type": "integer", "minimum": 1, "maximum": 10**9}}},
    "Merge": {"type": "object", "required": ["ids"], "additionalProperties": False,
              "properties": {"ids": _list(_ID, 2), "note": _TEXT}},
    "Transaction": {"type": "object", "additionalProperties": False,
                    "properties": {"transaction": {"type": "integer", "minimum": 1}}},
}  # fmt: skip


def _header(about: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": about, "required": True, "schema": schema or {"type": "string", "minLength": 1}}


# Headers that an answer of a route always has.
HEADERS: dict[str, dict[str, Any]] = {
    "cutout": {
        "X-Ndlab-Shape": _header("Voxels along each axis, parted by commas.", {"type": "string"}),
        "X-Ndlab-Dtype": _header("As numpy writes it, little-endian."),
    },
    "zarr": {
        "ETag": _header("Changes with the value."),
        "Accept-Ranges": _header("Parts may be asked for.", {"type": "string", "const": "bytes"}),
    },
    "206": {"Content-Range": _header("Which part it is.", {"type": "string", "pattern": r"^bytes [0-9]+-[0-9]+/"})},
    "405": {"Allow": _header("Methods that the address takes.")},
    "416": {"Content-Range": _header("How long the value is.", {"type": "string", "pattern": r"^bytes \*/[0-9]+$"})},
    "429": {"Retry-After": _header("Seconds after which to ask again.")},
}
