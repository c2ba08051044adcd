"""Pipeline cells: fields by type and unit, a preview that writes nothing, a run, and code that repeats it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from ndlab import explore, volume
from ndlab.errors import BadRequest
from ndlab.explore.fields import Field, fields_of, parsed
from ndlab.explore.trial import attempt
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Step
from ndlab.volume import Volume

SHAPE = (6, 8, 10)


class Shade(Enum):
    DARK = 1
    LIGHT = 2


def scale(
    block: Box,
    source: Volume,
    target: Volume,
    by: Annotated[float, "times"],
    shift: int = 0,
    reach: Annotated[tuple[float, float, float], "nm"] = (0.0, 0.0, 0.0),
    mode: Literal["clip", "wrap"] = "clip",
    shade: Shade = Shade.DARK,
    again: bool = False,
    limit: Annotated[float | None, "grey level"] = None,
) -> None:
    values = source.read(block).astype(float) * by + shift
    target.write(block, np.clip(values, 0, 255 if limit is None else limit).astype("u1"))


@pytest.fixture
def source() -> Volume:
    return Volume.from_array(np.random.default_rng(0).integers(0, 100, SHAPE, "u1"), (40, 8, 8), name="brain")


@pytest.fixture
def target() -> Volume:
    return Volume.from_array(np.zeros(SHAPE, "u1"), (40, 8, 8), name="scaled")


@pytest.fixture
def step(source: Volume, target: Volume) -> Step:
    return Step("scale", scale, {"source": source, "target": target, "by": 2.0}, identity="scale")


# ------------------------------------------------------------------------------------------------ fields
def test_each_parameter_has_its_type_unit_and_value(step: Step) -> None:
    found = {field.name: (field.kind, field.unit, field.value) for field in fields_of(step)}
    assert {name: found[name] for name in found if name not in ("source", "target")} == {
        "by": (float, "times", 2.0),
        "shift": (int, "", 0),
        "reach": (float, "nm", (0.0, 0.0, 0.0)),
        "mode": (("clip", "wrap"), "", "clip"),
        "shade": ((Shade.DARK, Shade.LIGHT), "", Shade.DARK),
        "again": (bool, "", False),
        "limit": (float, "grey level", None),
    }
    assert found["source"][0] is object


def test_what_has_no_annotation_is_typed_by_its_value() -> None:
    def plain(block, sigma, size, name="x", **more): ...  # type: ignore[no-untyped-def]

    step = Step("plain", plain, {"sigma": 1.5, "size": (1, 2, 3), "extra": True})
    assert [(f.name, f.kind, f.length) for f in fields_of(step)] == [
        ("sigma", float, 0),
        ("size", int, 3),
        ("name", str, 0),
        ("extra", bool, 0),
    ]


def test_time_points_and_channels_are_the_runs_and_no_fields() -> None:
    def one(block: Box, t: int, c: int, by: float) -> None: ...

    assert [field.name for field in fields_of(Step("one", one, {"by": 1.0}))] == ["by"]


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (Field("n", int), "12", 12),
        (Field("n", float), "1e-3", 0.001),
        (Field("n", float, length=3), "(40, 8.5, 8)", (40.0, 8.5, 8.0)),
        (Field("n", float, optional=True), " ", None),
        (Field("n", str), "text", "text"),
        (Field("n", bool), True, True),
    ],
)
def test_text_becomes_the_type(field: Field, text: Any, value: Any) -> None:
    assert parsed(field, text) == value


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        (Field("n", int), "1.5", r"n was '1.5'. it is a whole number"),
        (Field("sigma", float, "nm"), "", r"sigma was ''. it is a number \[nm\]"),
        (Field("size", float, "nm", length=3), "1, 2", r"size was '1, 2'. it is 3 numbers with commas between \[nm\]"),
    ],
)
def test_what_is_none_is_refused_with_its_unit(field: Field, text: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parsed(field, text)


# ------------------------------------------------------------------------------------------------ trials
def test_a_trial_shows_what_would_be_written_and_writes_nothing(step: Step, source: Volume, target: Volume) -> None:
    box = Box((1, 2, 3), (4, 6, 9))
    values, kind = attempt(step, box)
    assert np.array_equal(values, 2 * source.read(box))
    assert kind == "image"
    assert not target.read().any()


@pytest.mark.parametrize(
    "write", [lambda target, block: target.write(block, 9), lambda target, block: target.write(None, 9)]
)
def test_a_trial_keeps_only_its_box(target: Volume, write: Callable[[Any, Box], None]) -> None:
    def more(block: Box, target: Volume) -> None:
        write(target, block.grow(2, within=target.shape))

    values, _ = attempt(Step("more", more, {"target": target}), Box((1, 2, 3), (3, 4, 5)))
    assert values.tolist() == np.full((2, 2, 2), 9).tolist()
    assert not target.read().any()


def test_a_step_that_returns_voxels_can_be_tried_too() -> None:
    values, _ = attempt(Step("ones", lambda block: np.ones(block.shape)), Box((0, 0, 0), (1, 2, 3)))
    assert values.shape == (1, 2, 3)


def test_a_step_that_makes_no_voxels_cannot() -> None:
    with pytest.raises(BadRequest, match="wrote to no volume among its parameters and returned int"):
        attempt(Step("size", lambda block: block.size), Box((0, 0, 0), (1, 2, 3)))


# ------------------------------------------------------------------------------------------------ the form
def test_what_is_entered_runs(step: Step, source: Volume, target: Volume) -> None:
    form = explore.cell(step, Grid(SHAPE, (3, 4, 5)), workers=2)
    form.inputs["by"].value = "1.5"
    form.inputs["shift"].value = "10"
    form.run_button.click()
    assert form.run is not None
    form.run.wait()
    assert form.run.state.progress.done == 8
    assert np.array_equal(target.read(), (source.read() * 1.5 + 10).astype("u1"))
    assert form.shown.children[0].run is form.run
    assert step.params["by"] == 2.0


def test_the_code_it_writes_does_the_same(step: Step, source: Volume, target: Volume) -> None:
    form = explore.cell(step, Grid(SHAPE, (3, 4, 5)), workers=1)
    form.inputs["by"].value = "0.5"
    form.inputs["limit"].value = "20"
    form.inputs["mode"].value = "wrap"
    names: dict[str, Any] = {"step": step, "blocks": Grid(SHAPE, (3, 4, 5))}
    code = form.code.replace("explore.run(", "shown = explore.run(")
    assert "{**step.params, 'by': 0.5, 'mode': 'wrap', 'limit': 20.0}" in code
    exec(code, names)
    names["shown"].run.wait()
    assert np.array_equal(target.read(), np.clip(source.read() * 0.5, 0, 20).astype("u1"))


def test_the_code_calls_things_as_the_notebook_does(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = InteractiveShell()
    grid = Grid(SHAPE, (3, 4, 5))
    shell.user_ns |= {"my_step": step, "my_grid": grid}
    monkeypatch.setattr("ndlab.explore.form.shell", lambda: shell)
    form = explore.cell(step, grid)
    assert form.code.endswith("explore.run(Run(my_step, my_grid))")
    form.write()
    assert shell.rl_next_input == form.code


def test_without_a_notebook_there_is_no_cell_to_write_into(step: Step) -> None:
    with pytest.raises(BadRequest, match=r"there is no notebook\. use form\.code"):
        explore.cell(step, Grid(SHAPE, (3, 4, 5))).write()


def test_what_cannot_be_read_is_said_and_blocks_the_buttons(step: Step) -> None:
    form = explore.cell(step, Grid(SHAPE, (3, 4, 5)))
    form.inputs["by"].value = "much"
    assert "by was &#x27;much&#x27;. it is a number [times]" in form.message.value
    assert form.run_button.disabled
    assert form.preview_button.disabled
    form.inputs["by"].value = "3"
    assert form.message.value == ""
    assert not form.run_button.disabled


def test_a_preview_is_the_middle_plane_of_its_box(step: Step, source: Volume, target: Volume) -> None:
    form = explore.cell(step, Grid(SHAPE, (3, 4, 5)), box=Box((0, 0, 0), (2, 8, 10)))
    form.preview().join()
    picture = np.asarray(Image.open(io.BytesIO(form.picture.children[0].value)))
    assert picture.shape == (8, 10)
    assert np.corrcoef(picture.ravel(), source.read()[1].ravel())[0, 1] > 0.99
    assert "section 1 of the box; nothing was written" in form.message.value
    assert not target.read().any()
    assert form.run is None


@pytest.mark.parametrize(
    ("box", "message"), [("0:2", "it is three spans of voxels"), ("0:2, 0:4, 0:99", "OutOfBounds|outside|99")]
)
def test_a_preview_that_cannot_be_says_why(step: Step, box: str, message: str) -> None:
    form = explore.cell(step, Grid(SHAPE, (3, 4, 5)))
    form.box_input.value = box
    form.preview().join()
    assert re.search(message, form.message.value)
    assert form.picture.children == ()
    assert not form.preview_button.disabled


# ------------------------------------------------------------------------------------------------ steps over volumes
def brighten(image: Any, window: Any, by: Annotated[int, "grey levels"]) -> Any:
    assert window is not None
    return image + np.uint8(by)


def test_a_step_over_volumes_needs_no_blocks(source: Volume, tmp_path: Path) -> None:
    step = BlockStep("brighten", brighten, {"by": 1}, inputs=source, output=tmp_path / "made.ome.zarr")
    form = explore.cell(step, block=(3, 4, 5), workers=2)
    assert list(form.inputs) == ["by"]
    form.inputs["by"].value = "7"
    assert form.code.endswith("explore.run(step.plan(block=(3, 4, 5), workers=2))")
    form.preview().join()
    assert "nothing was written" in form.message.value
    assert not (tmp_path / "made.ome.zarr").exists()
    form.start()
    assert form.run is not None
    form.run.wait()
    assert np.array_equal(volume.open(str(tmp_path / "made.ome.zarr")).read(), source.read() + 7)


def test_inputs_by_name_are_no_fields(source: Volume) -> None:
    def blend(first: Any, second: Any, share: float = 0.5) -> Any:
        return first * share + second * (1 - share)

    step = BlockStep("blend", blend, inputs={"first": source, "second": source})
    assert [field.name for field in fields_of(step)] == ["share"]


def test_other_steps_need_blocks(step: Step) -> None:
    with pytest.raises(BadRequest, match=r"nobody knows its blocks\. pass them"):
        explore.cell(step)
