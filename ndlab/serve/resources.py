"""Data sets, projects, channels and tokens over HTTP: make, look at and delete them, by the founding store's paths.

``/resource/dataset/D/``, ``…/project/P/``, ``…/project/P/channel/C/`` or ``…/token/T/``. GET answers 200, POST 201,
DELETE 204; a bad name or field is 400, what is not there 404, what may not be changed 403.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ndlab.errors import BadRequest, NotFound, ReadOnly
from ndlab.serve import facts
from ndlab.serve.names import Folder

__all__ = ["public", "resource"]


def public(names: Folder, what: str) -> list[str]:
    """Return the names of public ``"tokens"`` or ``"datasets"``."""
    if what == "datasets":
        return list(names.public_datasets())
    return [token for token in names.tokens() if names.public(token)]


def resource(
    names: Folder, method: str, parts: Sequence[str], body: Mapping[str, Any] | None = None
) -> tuple[int, Any]:
    """Return the HTTP status and the JSON value, None without one.

    Parameters
    ----------
    names : Folder
    method : {"GET", "POST", "DELETE"}
    parts : sequence of str
        The path after ``resource``, e.g. ``("dataset", "toy", "project", "p")``.
    body : mapping, optional
        The fields of what is posted.

    Examples
    --------
    >>> import tempfile
    >>> names = Folder(tempfile.mkdtemp())
    >>> space = {"imagesize": [64, 64, 16], "voxelres": [4, 4, 40]}
    >>> resource(names, "POST", ("dataset", "toy"), space)[0]
    201
    >>> resource(names, "GET", ("dataset", "toy"))[1]["imagesize"]
    (64, 64, 16)
    """
    fields = dict(body or {})
    if method not in ("GET", "POST", "DELETE"):
        raise BadRequest(f"{method} of a resource", "there are GET, POST and DELETE", "use one of them")
    match list(parts):
        case ["public", ("dataset" | "token") as kind]:
            return 200, public(names, f"{kind}s")
        case ["dataset"] if method == "GET":
            return 200, list(names.datasets())
        case ["dataset", dataset]:
            return _dataset(names, method, dataset, fields)
        case ["dataset", dataset, "project"] if method == "GET":
            _dataset(names, "GET", dataset, {})
            found = names.register.entries().projects.values()
            return 200, [one.project_name for one in found if one.dataset == dataset]
        case ["dataset", dataset, "project", project]:
            return _project(names, method, dataset, project, fields)
        case ["dataset", dataset, "project", project, ("channel" | "token") as kind] if method == "GET":
            _project(names, "GET", dataset, project, {})
            entries = names.register.entries()
            if kind == "channel":
                return 200, [one.channel_name for one in entries.channels_of(project)]
            return 200, [one.token_name for one in entries.tokens.values() if one.project == project]
        case ["dataset", dataset, "project", project, "channel", channel]:
            _project(names, "GET", dataset, project, {})
            return _channel(names, method, project, channel, fields)
        case ["dataset", dataset, "project", project, "token", token]:
            _project(names, "GET", dataset, project, {})
            return _token(names, method, project, token, fields)
    raise NotFound(
        f"resource/{'/'.join(parts)}", "there are dataset/D, dataset/D/project/P, and below it channel/C and token/T",
        "check the path",
    )  # fmt: skip


def _dataset(names: Folder, method: str, name: str, fields: dict[str, Any]) -> tuple[int, Any]:
    entries = names.register.entries()
    if method == "POST":
        if name in names.datasets():
            raise BadRequest(f"data set {name!r} was to be made", "it is there already", "choose another name")
        return 201, asdict(names.register.add_dataset({**fields, "dataset_name": name}))
    if name not in entries.datasets:
        if name not in names.datasets():
            raise NotFound(f"data set {name!r}", f"there are {', '.join(names.datasets()) or 'none'}", "check the name")
        if method == "DELETE":
            raise ReadOnly(f"data set {name!r} was to be deleted", "it is a store that lies in the folder",
                           "delete it there; over HTTP only what was made over HTTP is deleted")  # fmt: skip
        return 200, {"dataset_name": name, **facts.info(names, name)["dataset"]}
    if method == "DELETE":
        names.register.remove_dataset(name)
        return 204, None
    return 200, asdict(entries.datasets[name])


def _project(names: Folder, method: str, dataset: str, name: str, fields: dict[str, Any]) -> tuple[int, Any]:
    if method == "POST":
        if name in names.tokens():
            raise BadRequest(f"project {name!r} was to be made", "a token has that name already", "choose another")
        return 201, asdict(names.register.add_project(dataset, {**fields, "project_name": name}))
    found = names.register.entries().projects.get(name)
    if found is None or found.dataset != dataset:
        there = [p.project_name for p in names.register.entries().projects.values() if p.dataset == dataset]
        raise NotFound(f"project {name!r} of data set {dataset!r}", f"it has {', '.join(there) or 'none'}",
                       "make it, or check the name")  # fmt: skip
    if method == "DELETE":
        names.register.remove_project(name)
        return 204, None
    return 200, asdict(found)


def _channel(names: Folder, method: str, project: str, name: str, fields: dict[str, Any]) -> tuple[int, Any]:
    if method == "POST":
        return 201, asdict(names.make_channel(project, {**fields, "channel_name": name}))
    found = names.register.entries().channels.get((project, name))
    if found is None:
        there = [one.channel_name for one in names.register.entries().channels_of(project)]
        raise NotFound(f"channel {name!r} of project {project!r}", f"it has {', '.join(there) or 'none'}",
                       "make it, or check the name")  # fmt: skip
    if method == "DELETE":
        names.delete_channel(project, name)
        return 204, None
    return 200, asdict(found)


def _token(names: Folder, method: str, project: str, name: str, fields: dict[str, Any]) -> tuple[int, Any]:
    if method == "POST":
        if name in names.tokens():
            raise BadRequest(f"token {name!r} was to be made", "it is there already", "choose another name")
        return 201, asdict(names.register.add_token(project, {**fields, "token_name": name}))
    found = names.register.entries().tokens.get(name)
    if found is None or found.project != project:
        raise NotFound(f"token {name!r} of project {project!r}", "the project has no token of that name",
                       "make it, or check the name")  # fmt: skip
    if method == "DELETE":
        names.register.remove_token(name)
        return 204, None
    return 200, asdict(found)
