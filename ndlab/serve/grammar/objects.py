"""The paths of RAMON objects, read and written.

After ``/sd/<token>/<channel>/`` come::

    <id,id,...>/[nodata/ | json/ | voxels/<level>/ | cutout/<level>/ | cutout/<cut> | boundingbox/<level>/ |
                 cuboids/<level>/]
    objects/[the same forms]        the body lists the ids
    query/<field>/<value>/...[confidence/<lt|gt>/<number>/][limit/<n>/]
    [overwrite/ | preserve/ | except/ | reduce/][update/ | dataonly/][json/]
    getField/<id>/<field>/      setField/<id>/<field>/<value>/
    reserve/<n>/                merge/<id,id,...>/[global/[<level>/]]
    exceptions/<cut>            csv/<id>/<level>/
    swc/[<id,id,...>/]          nii/[create/][annotations/]

and after ``/ramon/<token>/<channel>/``::

    <id,id,...>/[boundingbox/<level>/]      query/<key>/<value>/...      topkeys/[<n>/[type/<type>/]]
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal
from urllib.parse import quote

from ndlab.errors import BadRequest, NotFound
from ndlab.serve.grammar.calls import (
    FORMS,
    MODES,
    Call,
    Described,
    Exceptions,
    Field,
    Form,
    Listed,
    Merge,
    Mode,
    Nifti,
    Objects,
    Predicate,
    Query,
    Reserve,
    Skeletons,
    Table,
    TopKeys,
    Write,
)
from ndlab.serve.grammar.requests import SERVICES, Cut
from ndlab.serve.grammar.words import Words, cut_words, ids_of, name_word, shown

__all__ = ["CHANGING", "CHANNELLESS", "parse", "parse_ramon", "recognizes", "words_of"]

# These two stood behind the token alone in the founding service.
CHANNELLESS = ("exceptions", "csv")
# What is asked by GET and changes something all the same.
CHANGING = ("setField", "reserve", "merge", "setPropagate")

_IDS = re.compile(r"[0-9][0-9,]*", re.ASCII)
_OLD_WORDS = {"exception": "except"}
_OPTIONS = (*MODES, *_OLD_WORDS, "update", "dataonly", "json")
_MOST = 10**9


def recognizes(words: Words) -> bool:
    """Tell whether the words after ``/sd/`` ask for objects."""
    _, second, third = words.peek(), words.peek(1), words.peek(2)
    if second in CHANNELLESS and third not in _SERVICES:
        return bool(third)
    return bool(_IDS.fullmatch(third)) or third in _SERVICES or third in _OPTIONS


def parse(words: Words) -> Call:
    """Read what follows ``/sd/``."""
    token = words.name("a token")
    bare = words.peek() in CHANNELLESS and words.peek(1) not in _SERVICES
    channel = "" if bare else words.name("a channel")
    if _IDS.fullmatch(words.peek()):
        return _objects(words, token, channel)
    if words.peek() in _SERVICES:
        return _SERVICES[words.take("a service")](words, token, channel)
    return _write(words, token, channel)


def parse_ramon(words: Words) -> Call:
    """Read what follows ``/ramon/``."""
    token, channel = words.name("a token"), words.name("a channel")
    if words.skip("query"):
        return _query(words, token, channel, json=True)
    if words.skip("topkeys"):
        return _top_keys(words, token, channel)
    if words.peek() and not _IDS.fullmatch(words.peek()):
        raise NotFound(f"{shown(words.peek())} of the objects of {shown(token)}", "there are ids, query and topkeys",
                       "ask for /ramon/<token>/<channel>/<id>/")  # fmt: skip
    ids = ids_of(words.take("an id"))
    level = words.level() if words.skip("boundingbox") else None
    words.end()
    return Described(token, channel, ids, level)


def _objects(words: Words, token: str, channel: str) -> Objects:
    return Objects(token, channel, ids_of(words.take("ids")), *_form(words))


def _listed(words: Words, token: str, channel: str) -> Listed:
    return Listed(token, channel, *_form(words))


def _form(words: Words) -> tuple[Form, int | None, Cut | None]:
    """Read the form that objects are asked for in, to the end of the path."""
    word = words.take("a form") if words.peek() else "nodata"
    form = next((known for known in FORMS if known == word), None)
    if form is None:
        raise BadRequest(f"objects as {shown(word)}", f"the forms are {', '.join(FORMS)}", "ask for one of them")
    level, cut = None, None
    if form == "cutout" and "," in words.peek(1):
        cut = words.cut()
    elif form not in ("nodata", "json"):
        level = words.level()
    words.end()
    return form, level, cut


def _query(words: Words, token: str, channel: str, json: bool = False) -> Query:
    found: list[Predicate] = []
    limit: int | None = None
    while words.peek():
        field = words.name("a field")
        if field == "limit":
            limit = _count(words, "limit")
        elif field == "confidence":
            found.append(_compared(words, field))
        else:
            found.append(Predicate(field, words.name(f"the value of {shown(field)}")))
    return Query(token, channel, tuple(found), limit, json)


def _compared(words: Words, field: str) -> Predicate:
    operator: Literal["lt", "gt"] = "lt" if words.peek() == "lt" else "gt"
    if not words.skip("lt", "gt"):
        raise BadRequest(f"{field} {shown(words.peek())}", f"{field} is compared by lt or gt",
                         f"ask for {field}/gt/0.5/")  # fmt: skip
    return Predicate(field, words.name("a number"), operator)


def _count(words: Words, what: str) -> int:
    number = words.integer(what)
    if not 0 <= number <= _MOST:
        raise BadRequest(f"{what} {number}", f"it lies between 0 and {_MOST}")
    return number


def _top_keys(words: Words, token: str, channel: str) -> TopKeys:
    count = _count(words, "a number of keys") if words.peek() else 10
    kind = words.integer("a type") if words.skip("type") else None
    words.end()
    return TopKeys(token, channel, count, kind)


def _write(words: Words, token: str, channel: str) -> Write:
    options: list[str] = []
    while words.peek():
        word = words.take("an option")
        if word not in _OPTIONS:
            raise BadRequest(f"option {shown(word)}", f"objects are posted with {', '.join(_OPTIONS)}")
        options.append(_OLD_WORDS.get(word, word))
    modes = sorted({one for one in options if one in MODES})
    update, dataonly = "update" in options, "dataonly" in options
    if len(modes) > 1:
        raise BadRequest(f"options {' and '.join(modes)} together", "voxels meet others in one way", "give one of them")
    if update and (dataonly or "reduce" in modes):
        raise BadRequest("option update with dataonly or reduce", "those two leave what is no voxel alone",
                         "give one of them")  # fmt: skip
    mode: Mode = next((known for known in MODES if known in modes), "overwrite")
    return Write(token, channel, mode, update, dataonly, "json" in options)


def _get_field(words: Words, token: str, channel: str) -> Field:
    one, field = words.integer("an id"), words.name("a field")
    words.end()
    return Field(token, channel, _id(one), field)


def _set_field(words: Words, token: str, channel: str) -> Field:
    one, field, value = words.integer("an id"), words.name("a field"), words.name("a value")
    words.end()
    return Field(token, channel, _id(one), field, value)


def _id(number: int) -> int:
    return ids_of(str(number))[0]


def _reserve(words: Words, token: str, channel: str) -> Reserve:
    count = _count(words, "a number of ids")
    words.end()
    return Reserve(token, channel, count)


def _merge(words: Words, token: str, channel: str) -> Merge:
    ids = ids_of(words.take("ids"))
    level = None
    if words.peek():
        if not words.skip("global"):
            raise BadRequest(f"a merge {shown(words.peek())}", "objects are merged everywhere: global/<level>/")
        level = words.level() if words.peek() else None
    words.end()
    return Merge(token, channel, ids, level)


def _exceptions(words: Words, token: str, channel: str) -> Exceptions:
    cut = words.cut()
    words.end()
    return Exceptions(token, channel, cut)


def _table(words: Words, token: str, channel: str) -> Table:
    one, level = words.integer("an id"), words.level()
    words.end()
    return Table(token, channel, _id(one), level)


def _skeletons(words: Words, token: str, channel: str) -> Skeletons:
    ids = ids_of(words.take("ids")) if words.peek() else ()
    words.end()
    return Skeletons(token, channel, ids)


def _nifti(words: Words, token: str, channel: str) -> Nifti:
    create = words.skip("create")
    annotations = words.skip("annotations")
    words.end()
    return Nifti(token, channel, create, annotations)


_SERVICES: dict[str, Callable[[Words, str, str], Call]] = {
    "objects": _listed,
    "query": _query,
    "getField": _get_field,
    "setField": _set_field,
    "reserve": _reserve,
    "merge": _merge,
    "exceptions": _exceptions,
    "csv": _table,
    "swc": _skeletons,
    "nii": _nifti,
}


# --- and back -------------------------------------------------------------------------------------------------------


def words_of(call: Call) -> list[str]:
    """Write a call as the words of its path."""
    rest = _rest(call)
    root = "ramon" if isinstance(call, Described | TopKeys) or (isinstance(call, Query) and call.json) else "sd"
    if root == "sd":
        _check_channel(call)
    channel = [] if not call.channel and isinstance(call, Exceptions | Table) else [name_word(call.channel)]
    return [root, name_word(call.token), *channel, *rest]


def _check_channel(call: Call) -> None:
    """Refuse the names by which another call would be read."""
    if call.channel in SERVICES or call.channel in CHANNELLESS:
        raise BadRequest(f"objects of a channel named {call.channel!r} in a path", "that word is a service's",
                         "rename the channel")  # fmt: skip


def _rest(call: Call) -> list[str]:
    match call:
        case Objects(_, _, ids, form, level, cut):
            return [_ids(ids), form, *_where(level, cut)]
        case Listed(_, _, form, level, cut):
            return ["objects", form, *_where(level, cut)]
        case Described(_, _, ids, level):
            return [_ids(ids), *([] if level is None else ["boundingbox", str(level)])]
        case Query():
            return _query_words(call)
        case TopKeys(_, _, count, kind):
            return ["topkeys", str(count), *([] if kind is None else ["type", str(kind)])]
        case Write(_, _, mode, update, dataonly, json):
            flags = {"update": update, "dataonly": dataonly, "json": json}
            return [mode, *(name for name, on in flags.items() if on)]
        case Field(_, _, one, field, None):
            return ["getField", str(one), name_word(field)]
        case Field(_, _, one, field, str(value)):
            return ["setField", str(one), name_word(field), name_word(value)]
        case Reserve(_, _, count):
            return ["reserve", str(count)]
        case Merge(_, _, ids, level):
            return ["merge", _ids(ids), "global", *([] if level is None else [str(level)])]
        case Exceptions(_, _, cut):
            return ["exceptions", *cut_words(cut)]
        case Table(_, _, one, level):
            return ["csv", str(one), str(level)]
        case Skeletons(_, _, ids):
            return ["swc", *([_ids(ids)] if ids else [])]
        case Nifti(_, _, create, annotations):
            return ["nii", *(["create"] if create else []), *(["annotations"] if annotations else [])]
    raise AssertionError(call)


def _ids(ids: Sequence[int]) -> str:
    if not ids:
        raise BadRequest("objects without ids in a path", "ids are parted by commas", "name one at least")
    return ",".join(map(str, ids))


def _where(level: int | None, cut: Cut | None) -> list[str]:
    return cut_words(cut) if cut is not None else [] if level is None else [str(level)]


def _query_words(call: Query) -> list[str]:
    words = ["query"]
    for one in call.predicates:
        if (one.field == "confidence") != (one.operator != "eq") or one.field == "limit":
            raise BadRequest(f"predicate {one.field!r} by {one.operator}", "confidence is compared by lt or gt, "
                             "every other field by its value; limit is none")  # fmt: skip
        operator = [] if one.operator == "eq" else [one.operator]
        words += [quote(one.field, safe=""), *operator, name_word(one.value)]
    return words if call.limit is None else [*words, "limit", str(call.limit)]
