"""Segment properties: what Neuroglancer shows beside an id, and by what it filters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ndlab.annotations import Annotations, Neuron, Segment
from ndlab.errors import BadMetadata, BadRequest, Conflict, Problems

pytestmark = pytest.mark.filterwarnings("ignore:.*what segment properties do not hold.*time")
BOUNDS = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
          "uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1), "float32": (-3.5e38, 3.5e38)}  # fmt: skip


def strict(folder: Path) -> tuple[list[int], dict[str, dict[str, Any]]]:
    """Read by the specification alone, and refuse what it forbids."""

    def no(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    info = json.loads((folder / "info").read_text(encoding="utf-8"), parse_constant=no)
    assert info["@type"] == "neuroglancer_segment_properties"
    inline = info["inline"]
    assert all(isinstance(one, str) and 0 < int(one) < 2**64 for one in inline["ids"])
    found = {one["id"]: one for one in inline["properties"]}
    kinds = [one["type"] for one in inline["properties"]]
    assert all(kinds.count(one) <= 1 for one in ("label", "description", "tags"))
    for one in inline["properties"]:
        assert len(one["values"]) == len(inline["ids"])
        assert (one["type"] == "number") == ("data_type" in one)
        assert (one["type"] == "tags") == ("tags" in one)
        if one["type"] == "tags":
            assert "description" not in one
            assert all(re.fullmatch(r"[^\s#]\S*", tag) for tag in one["tags"])
            assert len({tag.lower() for tag in one["tags"]}) == len(one["tags"])
            assert all(which == sorted(set(which)) for which in one["values"])
        elif one["type"] == "number":
            low, high = BOUNDS[one["data_type"]]
            assert all(low <= value <= high for value in one["values"])
        else:
            assert all(isinstance(value, str) for value in one["values"])
    return list(map(int, inline["ids"])), found


def test_neurons_with_a_name_a_side_and_a_size(tmp_path: Path) -> None:
    ann = Annotations.temporary(author="ada")
    ann.add([Neuron(id=2**64 - 1, keys={"name": "a b", "description": "large", "side": "left", "um": 1.5, "n": 7}),
             Neuron(id=3, keys={"name": "c", "side": "right", "um": 2.5, "n": 300}),
             Neuron(id=5, keys={"um": 0.0, "n": 1})])  # fmt: skip
    ids, found = strict(ann.where(kind="neuron").export(f"precomputed://{tmp_path}/cells", segments=True))
    assert ids == [3, 5, 2**64 - 1]
    assert found["name"] == {"id": "name", "type": "label", "values": ["c", "", "a b"]}
    assert found["description"]["values"] == ["", "", "large"]
    assert (found["um"]["data_type"], found["um"]["values"]) == ("float32", [2.5, 0.0, 1.5])
    assert (found["n"]["data_type"], found["n"]["values"]) == ("uint16", [300, 1, 7])
    tags = found["tags"]
    assert [[tags["tags"][i] for i in which] for which in tags["values"]] == [
        ["ada", "right"],
        ["ada"],
        ["ada", "left"],
    ]


words = st.sampled_from(["left", "Left", "LEFT side", "#1", "axon", "true", "größe"]) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=5
)
segments = st.builds(
    Segment, id=st.integers(1, 2**64 - 1), status=st.integers(0, 3), segmentclass=st.integers(0, 3),
    neuron=st.integers(0, 2**64 - 1), confidence=st.floats(0, 1, width=32),
    keys=st.fixed_dictionaries({}, optional={
        "name": words, "side": words, "type": words, "spiny": st.booleans(), "um": st.floats(-9, 9, width=32),
        "n": st.integers(0, 9), "description": words,
    }),
)  # fmt: skip


@settings(max_examples=40, phases=[Phase.generate], deadline=None)
@given(made=st.lists(segments, min_size=1, max_size=6, unique_by=lambda one: one.id))
def test_r57_segments_come_back(tmp_path_factory: Any, made: list[Segment]) -> None:
    folder = tmp_path_factory.mktemp("segments")
    ann, again = Annotations.temporary(author="ada"), Annotations.temporary(author="ben")
    ann.add(made)
    strict(ann.export(f"precomputed://{folder}/a", segments=True))
    again.load(f"precomputed://{folder}/a", "segment")
    for one in ann:
        other = again.get(one.id)
        for name in ("status", "segmentclass", "author", "confidence", "neuron"):
            assert getattr(other, name) == getattr(one, name), name
        assert other.keys == one.keys
    ann.close()
    again.close()


def test_words_that_differ_by_case_only_are_told_apart(tmp_path: Path) -> None:
    ann, again = Annotations.temporary(), Annotations.temporary()
    words = [("Left", "left"), ("left", "LEFT"), ("LEFT", "a"), ("type:left", "a~2")]
    ann.add([Segment(id=i, keys={"type": a, "side": b}) for i, (a, b) in enumerate(words, 1)])
    strict(ann.export(f"precomputed://{tmp_path}/a", segments=True))
    again.load(f"precomputed://{tmp_path}/a", "segment")
    assert [(again.get(i).keys["type"], again.get(i).keys["side"]) for i in range(1, 5)] == words


def test_what_does_not_fit_is_said_before_a_byte_is_written(tmp_path: Path) -> None:
    ann = Annotations.temporary()
    ann.add([Segment(keys={"a": "two words", "gap": 1, "mixed": 1, "status": "x"}), Segment(keys={"mixed": "b"})])
    with pytest.warns(UserWarning, match="mixed: it holds text and whole") as seen:
        ann.export(f"precomputed://{tmp_path}/a", segments=True)
    assert "free key status: a field has that name" in str(seen[0].message)
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"tags": ["a"]}, "tags have no spaces.*'two words'"),
        ({"numbers": ["gap"]}, "gap as number: it has gaps"),
        ({"numbers": ["a"]}, "no numbers"),
        ({"strings": ["mixed"]}, "mixed as string"),
    ]
    for options, said in wrong:
        with pytest.raises(Problems, match=said):
            ann.export(f"precomputed://{tmp_path}/b", segments=True, **options)
    with pytest.raises(BadRequest, match="segment properties of none"):
        ann.export(f"precomputed://{tmp_path}/b", segments=True, label="none")
    with pytest.raises(Conflict, match="overwrite=True"):
        ann.export(f"precomputed://{tmp_path}/a", segments=True)
    assert [one.name for one in tmp_path.iterdir()] == ["a"]
    ids, found = strict(ann.export(f"precomputed://{tmp_path}/a", segments=True, strings=["a"], overwrite=True))
    assert (ids, list(found)) == ([1, 2], ["a"])
    info = json.loads((tmp_path / "a" / "info").read_text())
    info["inline"]["properties"][0]["values"].pop()
    (tmp_path / "a" / "info").write_text(json.dumps(info))
    with pytest.raises(BadMetadata, match="1 values of a"):
        Annotations.temporary().load(f"precomputed://{tmp_path}/a", "segment")


def test_the_neurons_of_the_medulla(shared_data: Path, tmp_path: Path) -> None:
    table = json.loads((shared_data / "tables" / "fib25_neurons" / "neuronsinfo.json").read_text())
    ann = Annotations.temporary()
    ann.add([Neuron(id=int(one), keys={"name": said["Name"], "class": said["Class"]}) for one, said in table.items()])
    ids, found = strict(ann.export(f"precomputed://{tmp_path}/cells", segments=True, label="name", strings=["class"]))
    assert sorted(ids) == sorted(map(int, table))
    assert found["class"]["values"] == [table[str(one)]["Class"] for one in ids]
