"""Objects and paint beside one plain model: whatever is done to either, they are the same, now and at every time."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ndlab.annotations import Annotation, Annotations, Neuron, Segment, Synapse
from ndlab.errors import BadRequest, Conflict, NotFound
from ndlab.geometry import Box
from tests.annotations import places
from tests.annotations.model import Model, new_labels, sphere
from tests.annotations.together import Objects, Together

MODES = ["overwrite", "preserve", "except", "except", "reduce"]
NAMES = ["labels", "more"]


# Near a corner of four units of writing, so that they meet each other.
balls = st.tuples(
    st.tuples(st.integers(12, 19), st.integers(11, 20), st.integers(28, 35)), st.sampled_from([0.5, 1.5, 2.5])
).map(lambda drawn: sphere(*drawn))


class Both(RuleBasedStateMachine):
    """`told[n]` is what is known of transaction n; two people, each with a set of their own, write."""

    where = "sqlite"

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.model = Together(NAMES)
        volumes = {name: new_labels(self.folder / "labels" / name) for name in NAMES}
        with places.new(self.where, volumes["labels"], author="ada") as ann:
            for name, volume in volumes.items():
                ann.attach(volume, name, background=False)
        self.turns = 0
        self.made = ann  # a temporary set is there as long as this
        self.open()

    def open(self) -> None:
        self.people = {who: Annotations.open(self.made._database.address, author=who) for who in ("ada", "bob")}

    def teardown(self) -> None:
        if hasattr(self, "people"):
            for ann in self.people.values():
                ann.close()
            places.release(self.made)
            shutil.rmtree(self.folder)

    def some(self, data: st.DataObject) -> list[int]:
        every = sorted(self.model.ids())
        return data.draw(st.lists(st.sampled_from(every), min_size=1, max_size=3, unique=True))

    # --- writing ------------------------------------------------------------------------------------------------

    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]), count=st.integers(1, 3), name=st.sampled_from(NAMES))
    def add(self, data: st.DataObject, who: str, count: int, name: str) -> None:
        kinds = st.sampled_from([Neuron(), Segment(), Segment(keys={"a": 1}), Synapse()])
        made = [data.draw(kinds) for _ in range(count)]
        voxels = [data.draw(st.none() | balls) for _ in made]
        mode = data.draw(st.sampled_from(MODES))
        ids = self.people[who].add(made, voxels=voxels, mode=mode, volume=name).tolist()
        assert not {*ids} & self.model.ids()  # those that were only painted are in use, too
        self.model.put(who, self.filled(who, made, ids), name, dict(zip(ids, voxels, strict=True)), mode)

    def filled(self, who: str, made: list[Annotation], ids: list[int]) -> Objects:
        stored = self.people[who].get(ids)
        return self.model.now | {
            i: replace(one, id=i, author=one.author or who, time=again.time)
            for i, one, again in zip(ids, made, stored, strict=True)
        }

    @rule(
        who=st.sampled_from(["ada", "bob"]), name=st.sampled_from(NAMES),
        strokes=st.lists(st.tuples(st.integers(1, 6), balls, st.sampled_from(MODES)), min_size=1, max_size=4),
    )  # fmt: skip
    def paint(self, who: str, name: str, strokes: list[tuple[int, Any, str]]) -> None:
        for one, ball, mode in strokes:
            number = self.people[who].paints[name].write(one, ball, mode=mode)
            assert number == len(self.model.told)
            self.model.put(who, self.model.now, name, {one: ball}, mode)

    @precondition(lambda self: self.model.ids())
    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]), name=st.sampled_from(NAMES), join=st.booleans())
    def relabel(self, data: st.DataObject, who: str, name: str, join: bool) -> None:
        ids = self.some(data)
        paint = self.people[who].paints[name]
        number = paint.merge(ids) if join else paint.delete(ids)
        assert number == len(self.model.told)
        (self.model.merge if join else self.model.delete)(who, ids, [name])

    @precondition(lambda self: self.model.now)
    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]), status=st.integers(0, 3), name=st.sampled_from(NAMES))
    def update(self, data: st.DataObject, who: str, status: int, name: str) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.model.now)), min_size=1, max_size=2, unique=True))
        objects = self.model.now | {one: replace(self.model.now[one], status=status) for one in ids}
        if data.draw(st.booleans()):
            ball, mode = data.draw(balls), data.draw(st.sampled_from(MODES))
            self.people[who].update(ids, status=status, voxels={ids[0]: ball}, mode=mode, volume=name)
            self.model.put(who, objects, name, {ids[0]: ball}, mode)
        elif self.people[who].update(ids, status=status):
            self.model.put(who, objects)

    @precondition(lambda self: self.model.ids())
    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]))
    def delete(self, data: st.DataObject, who: str) -> None:
        ids = self.some(data)
        assert self.people[who].delete(ids) == len(ids)
        self.model.delete(who, ids)

    @rule(who=st.sampled_from(["ada", "bob"]))
    def refuse_what_is_not_there(self, who: str) -> None:
        ids = [*list(self.model.now)[:1], 2**40]
        for refused in (
            self.people[who].delete,
            self.people[who].merge,
            lambda given: self.people[who].update(given, voxels={}),
        ):
            with pytest.raises(NotFound, match=r"are not there: 1099511627776|no row"):
                refused(ids)

    @precondition(lambda self: self.model.ids())
    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]))
    def merge(self, data: st.DataObject, who: str) -> None:
        ids = self.some(data)
        if not self.model.can_merge(ids):
            with pytest.raises((BadRequest, NotFound), match=r"of one kind|no row as they have"):
                self.people[who].merge(ids)
            return
        assert self.people[who].merge(ids) == ids[0]
        if self.version() == len(self.model.told):
            self.model.merge(who, ids)
        else:
            assert len(ids) == 1

    def version(self) -> int:
        return self.people["ada"].version

    # --- undo ---------------------------------------------------------------------------------------------------

    @rule(who=st.sampled_from(["ada", "bob"]), of=st.sampled_from([None, None, "ada", "bob"]))
    def undo(self, who: str, of: str | None) -> None:
        left = self.model.standing(of)
        if not left:
            assert self.people[who].undo(author=of) is None
            return
        self.take_back(who, left[-1], {"author": of})

    @precondition(lambda self: self.model.standing())
    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]))
    def undo_one(self, data: st.DataObject, who: str) -> None:
        number = data.draw(st.sampled_from(self.model.standing()))
        self.take_back(who, number, {"number": number})

    def take_back(self, who: str, number: int, how: dict[str, Any]) -> None:
        if self.model.clashes(number):
            with pytest.raises(Conflict, match="was to be taken back"):
                self.people[who].undo(**how)
            return
        taken = self.people[who].undo(**how)
        assert taken is not None
        assert taken.number == number
        self.model.take_back(who, number)

    # --- keeping ------------------------------------------------------------------------------------------------

    @rule(who=st.sampled_from(["ada", "bob"]), name=st.sampled_from(NAMES))
    def flush(self, who: str, name: str) -> None:
        self.people[who].paints[name].flush(levels=False)

    @rule()
    def reopen(self) -> None:
        for ann in self.people.values():
            ann.close()
        self.open()

    # --- what has to hold ---------------------------------------------------------------------------------------

    @invariant()
    def is_the_same(self) -> None:
        if not hasattr(self, "people"):
            return
        # Of the two in turn, so that each meets what it wrote itself and what the other did.
        self.turns += 1
        ann = list(self.people.values())[self.turns % 2]
        assert {one.id: one for one in ann} == self.model.now
        for name, model in self.model.models.items():
            assert np.array_equal(ann.paints[name].read(), model.labels)
        assert ann.version == len(self.model.told) - 1

    @rule(data=st.data(), who=st.sampled_from(["ada", "bob"]))
    def an_earlier_state_is_what_it_was(self, data: st.DataObject, who: str) -> None:
        number = data.draw(st.integers(0, len(self.model.told) - 1))
        then, said = self.people[who].as_of(number), self.model.told[number]
        assert {one.id: one for one in then} == said.objects
        for name, (labels, exceptions) in said.labels.items():
            paint = then.paints[name]
            assert np.array_equal(paint.read(), labels)
            assert paint.exceptions() == sorted((v, tuple(ids)) for v, ids in exceptions.items())
            model = Model()
            model.labels, model.exceptions = labels, exceptions
            assert paint.ids() == model.ids()
            for one in model.ids()[:3]:
                assert [tuple(v) for v in paint.voxels(one).tolist()] == model.voxels(one)
                assert paint.size(one) == len(model.voxels(one))

    @rule(who=st.sampled_from(["ada", "bob"]))
    def the_history_tells_it(self, who: str) -> None:
        listed = self.people[who].history()
        assert [one.number for one in listed] == list(range(len(self.model.told) - 1, 0, -1))
        for one in listed:
            said = self.model.told[one.number]
            assert (one.author, one.undoes) == (said.author, said.undoes or None)
        times = [one.time for one in listed]
        assert times == sorted(times, reverse=True)

    @rule(who=st.sampled_from(["ada", "bob"]), ball=balls)
    def objects_are_found_by_their_voxels(self, who: str, ball: Any) -> None:
        box = Box(ball.min(0).tolist(), (ball.max(0) + 1).tolist())
        inside = {
            one for model in self.model.models.values() for one in model.ids()
            if any(all(a <= c < b for a, b, c in zip(box.start, box.stop, v, strict=True)) for v in model.voxels(one))
        }  # fmt: skip
        assert self.people[who].within(box, by="paint").ids().tolist() == sorted(inside & self.model.now.keys())


class ServerBoth(Both):
    """The same on a server."""

    where = "postgresql"


TestBoth = Both.TestCase
TestBoth.settings = settings(max_examples=10, stateful_step_count=60, deadline=None, phases=[Phase.generate])
TestServerBoth = ServerBoth.TestCase
TestServerBoth.settings = settings(max_examples=3, stateful_step_count=60, deadline=None, phases=[Phase.generate])
