"""A store beside a plain dictionary: whatever is done to both, they hold the same, now and at every earlier time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ndlab.annotations import (
    KINDS,
    ROI,
    Annotation,
    Neuron,
    Node,
    Organelle,
    Seed,
    Segment,
    Skeleton,
    Synapse,
)  # fmt: skip
from ndlab.annotations.kinds import holds
from ndlab.errors import BadRequest, Conflict, NotFound
from ndlab.geometry import Box, NmBox
from tests.annotations.objects import any_object, keys, objects, values
from tests.annotations.places import Fresh, new, release

State = dict[int, Annotation]
REFERENCES = {"parent", "parentseed", "neuron", "segment", "skeleton", "rootnode", "source"}


def merged(made: list[Annotation]) -> Annotation:
    first = made[0]
    new: dict[str, Any] = {}
    for name, what in holds(first.kind).items():
        have = [getattr(one, name) for one in made]
        if what.sort in ("ids", "flows"):
            flat = [part for one in have for part in one]
            new[name] = tuple(part for i, part in enumerate(flat) if part not in flat[:i])
        elif what.sort == "keys":
            new[name] = {}
            for one in have:
                new[name].update({k: v for k, v in one.items() if k not in new[name]})
        elif what.sort == "box":
            boxes = [one for one in have if one is not None]
            if boxes:
                start = [min(b.start[i] for b in boxes) for i in range(3)]
                new[name] = NmBox(start, [max(b.stop[i] for b in boxes) for i in range(3)])
        elif name not in ("id", "status", "confidence", "author", "time"):
            new[name] = next((one for one in have if one), have[0])
    return replace(first, **new)


def renamed(one: Annotation, gone: set[int], into: int) -> Annotation:
    new: dict[str, Any] = {}
    for name, what in holds(one.kind).items():
        have = getattr(one, name)
        if name in REFERENCES:
            new[name] = into if have in gone else have
            if name == "parent" and new[name] == one.id:
                new[name] = 0
        elif what.sort == "ids" and gone & set(have):
            new[name] = tuple(dict.fromkeys(into if i in gone else i for i in have))
        elif what.sort == "flows" and gone & {i for i, _ in have}:
            new[name] = tuple(dict.fromkeys((into if i in gone else i, flow) for i, flow in have))
    return replace(one, **new)


# Objects that name each other in every way that there is.
BEGIN: list[Annotation] = [
    Neuron(id=1, keys={"tracer": "AB"}), Neuron(id=2, keys={"tracer": 5, "roi": True}),
    Segment(id=3, neuron=1), Segment(id=4, neuron=2, parentseed=13), Segment(id=5, neuron=1, keys={"roi": "LH"}),
    Synapse(id=6, presegments=(3,), postsegments=(4, 5), segments=((3, 1), (4, 2)), seeds=(13, 14)),
    Synapse(id=7, presegments=(5, 4), segments=((5, 3),), keys={"tracer": "CD"}, bounds=Box.nm((0, 0, 0), (9, 9, 9))),
    Node(id=8), Node(id=9, parent=8, skeleton=11), Node(id=10, parent=9, skeleton=11), Skeleton(id=11, rootnode=8),
    Organelle(id=12, segment=4, parentseed=13, seeds=(14,)), Seed(id=13), Seed(id=14, parent=13, source=13),
    ROI(id=15), ROI(id=16, parent=15), ROI(id=17, parent=16),
]  # fmt: skip


class Machine(RuleBasedStateMachine):
    """`states[n]` is what the store held after transaction n; `stack` what can be taken back."""

    where = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.ann = new(self.where, author="ada")
        self.ann.add(BEGIN)
        self.states: list[State] = [{}, {one.id: one for one in self.ann}]
        self.stack: list[int] = [1]

    def teardown(self) -> None:
        release(self.ann)

    @property
    def now(self) -> State:
        return self.states[-1]

    def wrote(self, state: State, undone: int | None = None) -> None:
        """Note a transaction; one that changed nothing is none."""
        if self.ann.version == len(self.states):
            self.states.append(state)
            if undone is None:
                self.stack.append(len(self.states) - 1)
        else:
            assert state == self.now

    def some(self, data: st.DataObject) -> list[int]:
        return data.draw(st.lists(st.sampled_from(sorted(self.now)), min_size=1, max_size=3, unique=True))

    @rule(made=st.lists(any_object, min_size=1, max_size=2))
    def add(self, made: list[Annotation]) -> None:
        own = [one.id for one in made if one.id]
        if len(set(own)) < len(own) or set(own) & set(self.now):
            with pytest.raises((Conflict, ValueError)):
                self.ann.add(made)
            return
        ids = self.ann.add(made).tolist()
        assert len(set(ids)) == len(ids)
        assert all(one.id in (0, i) for one, i in zip(made, ids, strict=True))
        assert not set(ids) & set(self.now)
        stored = self.ann.get(ids)
        filled = [
            replace(one, id=i, author=one.author or "ada", time=one.time or again.time)
            for one, i, again in zip(made, ids, stored, strict=True)
        ]
        self.wrote(self.now | dict(zip(ids, filled, strict=True)))

    @precondition(lambda self: self.now)
    @rule(data=st.data(), new=keys)
    def set_fields(self, data: st.DataObject, new: dict[str, Any]) -> None:
        ids = self.some(data)
        status = data.draw(st.integers(0, 3))
        drop = data.draw(st.sampled_from(["tracer", "roi", "none"]))
        self.ann.update(ids, status=status, keys=new | {drop: None})
        state = dict(self.now)
        for one in ids:
            kept = {k: v for k, v in {**state[one].keys, **new}.items() if k != drop}
            state[one] = replace(state[one], status=status, keys=kept)
        self.wrote(state)

    @precondition(lambda self: self.now)
    @rule(data=st.data())
    def replace_objects(self, data: st.DataObject) -> None:
        ids = self.some(data)
        made = [data.draw(objects(self.now[one].kind, id=one)) for one in ids]
        self.ann.update(made)
        state = dict(self.now)
        for one in made:
            old = state[one.id]
            state[one.id] = replace(one, author=one.author or old.author, time=one.time or old.time)
        self.wrote(state)

    @precondition(lambda self: self.now)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        ids = self.some(data)
        assert self.ann.delete(ids) == len(ids)
        self.wrote({i: one for i, one in self.now.items() if i not in ids})

    @rule(lacking=st.integers(1, 2**64 - 1))
    def refuse_what_is_not_there(self, lacking: int) -> None:
        if lacking in self.now:
            return
        ids = [*list(self.now)[:1], lacking]
        for refused in (
            lambda: self.ann.delete(ids),
            lambda: self.ann.update(ids, status=1),
            lambda: self.ann.get(ids),
        ):
            with pytest.raises(NotFound, match="are not there"):
                refused()
        self.wrote(self.now)

    @precondition(lambda self: len(self.now) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from([*sorted({one.kind for one in self.now.values()}), "any"]))
        of = sorted(i for i, one in self.now.items() if kind in (one.kind, "any"))
        ids = data.draw(st.lists(st.sampled_from(of), min_size=1, max_size=3, unique=True))
        made = [self.now[one] for one in ids]
        if len({one.kind for one in made}) > 1:
            with pytest.raises(BadRequest, match="of one kind"):
                self.ann.merge(ids)
            return
        assert self.ann.merge(ids) == ids[0]
        if len(ids) == 1:
            return
        gone = set(ids[1:])
        state = {i: one for i, one in self.now.items() if i not in gone} | {ids[0]: merged(made)}
        self.wrote({i: renamed(one, gone, ids[0]) for i, one in state.items()})

    @rule()
    def undo(self) -> None:
        taken = self.ann.undo()
        if not self.stack:
            assert taken is None
            return
        number = self.stack.pop()
        assert taken is not None
        assert taken.number == number
        self.wrote(self.states[number - 1], undone=number)

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "ann"):
            return
        assert {one.id: one for one in self.ann} == self.now
        assert self.ann.version == len(self.states) - 1

    @rule(data=st.data())
    def an_earlier_state_is_what_it_was(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.states) - 1))
        assert {one.id: one for one in self.ann.as_of(number)} == self.states[number]

    @rule(data=st.data(), value=values, kind=st.sampled_from(sorted(KINDS)))
    def queries_agree_in_every_state(self, data: st.DataObject, value: Any, kind: str) -> None:
        number = data.draw(st.integers(0, len(self.states) - 1))
        state, then = self.states[number], self.ann.as_of(number)
        present = [v for one in state.values() for k, v in one.keys.items() if k == "tracer"]
        value = data.draw(st.sampled_from(present)) if present else value

        def same(have: Any) -> bool:
            return have == value and isinstance(have, bool) == isinstance(value, bool)

        found = then.where(keys={"tracer": value}).ids().tolist()
        assert found == sorted(i for i, one in state.items() if "tracer" in one.keys and same(one.keys["tracer"]))
        assert then.where(kind=kind, confidence__ge=0.5).ids().tolist() == sorted(
            i for i, one in state.items() if one.kind == kind and one.confidence >= 0.5
        )
        counts: dict[str, int] = {}
        for one in state.values():
            for key in one.keys:
                counts[key] = counts.get(key, 0) + 1
        assert then.top_keys() == sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    @precondition(lambda self: self.now)
    @rule(data=st.data())
    def lists_are_found_backwards_in_every_state(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.states) - 1))
        state, then = self.states[number], self.ann.as_of(number)
        named = [i for one in state.values() for i in getattr(one, "presegments", ())]
        target = data.draw(st.sampled_from(named)) if named else 1
        found = then.where(presegments=target).ids().tolist()
        assert found == sorted(i for i, one in state.items() if target in getattr(one, "presegments", ()))

    @rule()
    def rows_and_what_is_made_of_them_agree(self) -> None:
        """Objects here name what never was and what is gone, as they like; nothing else may be found."""
        assert {one.what for one in self.ann.check(volumes=False).findings} <= {"references"}

    @precondition(lambda self: self.now)
    @rule(data=st.data())
    def the_changes_of_an_object_tell_its_life(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted({i for state in self.states for i in state})))
        life = [
            (n, self.states[n - 1].get(one), self.states[n].get(one))
            for n in range(1, len(self.states))
            if self.states[n - 1].get(one) != self.states[n].get(one)
        ]
        told = [(c.transaction.number, c.before, c.after) for c in self.ann.changes(one)]
        assert [t for t in told if t[1] != t[2]] == life


PAIRS = [(a.id, b.id) for a in BEGIN for b in BEGIN if a.kind == b.kind and a is not b]


@pytest.mark.parametrize(("into", "gone"), PAIRS)
def test_r48_what_named_the_others_names_the_first_and_undo_restores_it(fresh: Fresh, into: int, gone: int) -> None:
    ann = fresh(author="ada")
    ann.add(BEGIN)
    before = {one.id: one for one in ann}
    ann.merge([into, gone])
    state = {i: one for i, one in before.items() if i != gone} | {into: merged([before[into], before[gone]])}
    assert {one.id: one for one in ann} == {i: renamed(one, {gone}, into) for i, one in state.items()}
    assert gone not in ann
    with pytest.raises(NotFound, match=f"are not there: {gone}"):
        ann.get(gone)
    for name in sorted(REFERENCES):
        asked: dict[str, Any] = {name: gone}
        assert ann.where(**asked).count() == 0
    assert ann.where(presegments=gone).count() == ann.where(segments=gone).count() == 0
    told = ann.changes(gone)
    assert (told[-1].transaction.operation, told[-1].before, told[-1].after) == ("merge", before[gone], None)
    ann.undo()
    assert {one.id: one for one in ann} == before


def test_r48_only_different_objects_of_one_kind_that_are_there_are_merged(fresh: Fresh) -> None:
    ann = fresh()
    ann.add(BEGIN)
    with pytest.raises(BadRequest, match=r"merge of neuron 1, segment 3. objects of one kind"):
        ann.merge([1, 3])
    with pytest.raises(ValueError, match="id 1 is given twice"):
        ann.merge([1, 1])
    with pytest.raises(NotFound, match="are not there: 99"):
        ann.merge([1, 99])
    assert ann.version == 1
    assert ann.merge([1, 2]) == 1
    assert ann.get(1).keys == {"tracer": "AB", "roi": True}
    assert ann.get(1).segments == (3, 4, 5)


class ServerMachine(Machine):
    """The same, on a server."""

    where = "postgresql"


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, phases=[Phase.generate, Phase.shrink]
)
TestServerMachine = ServerMachine.TestCase
TestServerMachine.settings = settings(TestMachine.settings, max_examples=8)
