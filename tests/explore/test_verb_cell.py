"""A verb as a pipeline cell: fields from its signature, a preview that costs little, a run that leaves a receipt."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ndlab import analyze, explore, measure, samples
from ndlab.errors import BadRequest, Conflict, RunFailed
from ndlab.explore.fields import Field, parsed
from ndlab.geometry import Box, Grid
from ndlab.pipeline import BlockStep, Lineage, Run, Step, describe, looking_on
from ndlab.samples.toy import toy
from ndlab.volume import Volume
from ndlab.volume import open as open_volume

SHAPE = (20, 30, 40)


def shift(image: Any, by: int) -> Any:
    return np.clip(image.astype(int) + by, 0, 255).astype("u1")


def brighten(
    volume: Volume,
    mask: Volume | None = None,
    *,
    out: str | Path | None = None,
    by: Annotated[int, "grey levels"] = 5,
    sigma: Annotated[float, "nm"] | None = None,
    size: Annotated[tuple[float, float, float] | None, "nm"] = None,
    sides: int | Sequence[int] = 4,
    mode: Literal["clip", "wrap"] | None = None,
    again: bool = False,
    label: str | None = None,
    client: Any = None,
    workers: int | None = None,
    progress: Any = None,
) -> Any:
    """As verbs over volumes are: in memory without an output, else block by block into one."""
    if out is None:
        return Volume.from_array(shift(volume.read(), by), volume.voxel_size)
    step = BlockStep("brighten", shift, {"by": by}, inputs=volume, output=out, dtype="u1")
    step.plan(block=(10, 15, 20), workers=1, client=client, progress=None).run()
    return open_volume(str(out))


@pytest.fixture
def volume() -> Volume:
    values = np.random.default_rng(0).integers(0, 200, SHAPE, "u1")
    return Volume.from_array(values, (40, 8, 8), name="brain")


@pytest.fixture
def touches() -> pd.DataFrame:
    return pd.DataFrame({"site": [1, 1, 2, 2, 3, 3], "axon": [8, 9, 8, 9, 7, 9], "target": [5, 5, 5, 5, 6, 6]})


# ------------------------------------------------------------------------------------------------ fields
def test_fields_come_from_the_signature_and_the_output_is_the_last(volume: Volume) -> None:
    form = explore.cell(brighten, volume, by=9)
    found = {f.name: (f.kind, f.unit, f.value, f.length, f.optional) for f in form._fields}
    assert found == {
        "by": (int, "grey levels", 9, 0, False),
        "sigma": (float, "nm", None, 0, True),
        "size": (float, "nm", None, 3, True),
        "sides": (int, "", 4, -1, False),
        "mode": (("clip", "wrap"), "", None, 0, True),
        "again": (bool, "", False, 0, False),
        "label": (str, "", None, 0, True),
        "out": (str, "", None, 0, True),
    }
    assert list(found)[-1] == "out"
    assert form.inputs["sigma"].placeholder == "found from the data"
    assert form.inputs["mode"].options[0] == ("found from the data", None)


@pytest.mark.parametrize(("text", "value"), [("8", 8), ("8, 16", (8, 16)), ("8, 16, 16", (8, 16, 16))])
def test_one_number_may_stand_for_several(text: str, value: Any) -> None:
    assert parsed(Field("sides", int, length=-1, single=True), text) == value


def test_types_that_only_a_checker_sees_do_not_hide_the_others(touches: pd.DataFrame) -> None:
    form = explore.cell(analyze.peters_rule, touches, touches.iloc[[0, 2]])
    kinds = {f.name: (f.kind, f.optional) for f in form._fields}
    assert kinds == {
        "draws": (int, False), "seed": (int, False), "weight": (str, True), "most_touches": (int, False),
    }  # fmt: skip


def test_inputs_are_shown_as_what_they_are(volume: Volume, touches: pd.DataFrame) -> None:
    shown = " ".join(row.children[1].value for row in explore.cell(brighten, volume, mask=volume)._given())
    assert shown.count("brain, 20 × 30 × 40") == 2
    (row, _) = explore.cell(analyze.peters_rule, touches, touches)._given()
    assert row.children[0].value == "touches"
    assert "table of 6 rows: site, axon, target" in row.children[1].value


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda v: explore.cell(brighten, v, byte=3), "unexpected keyword argument 'byte'"),
        (
            lambda v: explore.cell(brighten),
            r"it needs volume, which no form can hold\. pass it: cell\(brighten, volume",
        ),
        (
            lambda v: explore.cell(3),  # type: ignore[call-overload]
            "neither a step nor a function",
        ),
    ],
)
def test_what_cannot_be_a_form_is_refused(volume: Volume, ask: Any, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        ask(volume)


def test_a_value_that_no_field_can_show_stays_as_it_was_given(volume: Volume) -> None:
    """A parameter may take an address or a model, one number or a table of them."""

    def detect(volume: Volume, *, model: str | Path | object | None = None, sigma: float | None = None) -> object:
        return model

    model = object()
    form = explore.cell(detect, volume, model=model)
    assert list(form.inputs) == ["sigma"]
    assert list(form.call.named_inputs) == ["volume", "model"]
    form.start()
    assert form.wait() is model
    assert explore.cell(detect, volume, model=Path("kept.npz")).inputs["model"].value == "kept.npz"


def test_bars_of_the_verb_are_silent_where_the_form_has_its_own(volume: Volume) -> None:
    def verb(volume: Volume, *, progress: Any = None) -> bool:
        return callable(progress) and progress(None) is None

    form = explore.cell(verb, volume)
    form.start()
    assert form.wait() is True


# ------------------------------------------------------------------------------------------------ preview
@pytest.mark.parametrize("pack", [lambda v: (v, {"shift": 1}), lambda v: SimpleNamespace(volume=v)])
def test_a_preview_finds_the_volume_among_the_results(volume: Volume, pack: Any) -> None:
    form = explore.cell(lambda volume: pack(volume), volume)
    form.preview().join()
    assert len(form.picture.children[0].children) == 2


def test_a_preview_shows_the_middle_section_of_the_box_and_writes_nothing(volume: Volume, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    form = explore.cell(brighten, volume, out=str(out), by=50, box=Box((4, 0, 0), (8, 30, 40)))
    form.preview().join()
    before, after = (np.asarray(Image.open(io.BytesIO(one.value))) for one in form.picture.children[0].children)
    assert before.shape == after.shape == (30, 40)
    truth = volume.read()[6]
    assert np.corrcoef(after.ravel(), shift(truth, 50).ravel())[0, 1] > 0.99
    assert "middle section of the box (4, 0, 0) to (8, 30, 40); nothing was written" in form.message.value
    assert not out.exists()
    assert form.result is None


def test_a_preview_of_draws_takes_few_and_shows_a_table(touches: pd.DataFrame) -> None:
    form = explore.cell(analyze.peters_rule, touches, touches.iloc[[0, 2, 5]], draws=100_000)
    assert not form.boxed
    form.preview().join()
    assert "200 draws of 100000; nothing was written" in form.message.value
    table = form.picture.children[0].value
    assert "<table" in table
    assert "touches that are synapses" in table


def test_a_preview_that_fails_says_why(volume: Volume) -> None:
    def broken(volume: Volume) -> None:
        raise ValueError("the sections are upside down")

    form = explore.cell(broken, volume)
    form.preview().join()
    assert "ValueError: the sections are upside down" in form.message.value
    assert "in broken" in form.message.value  # Its traceback, folded away.
    assert form.picture.children == ()


# ------------------------------------------------------------------------------------------------ running
def test_what_is_entered_runs_and_leaves_result_and_receipt(volume: Volume, tmp_path: Path) -> None:
    out = tmp_path / "out.ome.zarr"
    form = explore.cell(brighten, volume, out=str(out))
    form.inputs["by"].value = "30"
    form.run_button.click()
    result = form.wait()
    assert np.array_equal(result.read(), shift(volume.read(), 30))
    assert result is form.result
    receipt = form.receipt
    assert receipt is not None
    assert receipt.made_by.endswith("test_verb_cell.brighten")
    assert receipt.params["by"] == 30
    assert receipt.inputs["volume"] == describe(volume)
    assert receipt.state == "done"
    (run,) = receipt.runs
    assert (run["step"], run["blocks"], run["state"]) == ("brighten", 8, "done")
    assert "numpy" in receipt.environment["packages"]
    assert receipt.found["made"]["params"] == {"by": 30}  # What the output says of itself.
    assert "done in" in form.message.value
    assert form.shown.children[0].value.count("20 × 30 × 40")
    assert Lineage.from_json(receipt.to_json()) == receipt


def test_the_code_makes_the_same_call(volume: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns |= {"em": volume}
    monkeypatch.setattr("ndlab.explore.form.shell", lambda: shell)
    form = explore.cell(brighten, volume)
    form.inputs["by"].value = "30"
    form.inputs["size"].value = "40, 8, 8"
    lines = form.code.splitlines()
    assert lines[-1] == "result = brighten(em, by=30, size=(40.0, 8.0, 8.0))"
    names: dict[str, Any] = {"em": volume, "brighten": brighten}
    exec(lines[-1], names)
    form.start()
    assert np.array_equal(form.wait().read(), names["result"].read())
    form.write()
    assert shell.rl_next_input == form.code


def test_verbs_of_rooms_are_called_by_their_room() -> None:
    labels = toy().volume("labels")
    form = explore.cell(analyze.touch, labels, distance=120.0)
    assert form.code == "from ndlab import analyze\n\nresult = analyze.touch(labels, distance=120.0)"
    names: dict[str, Any] = {"labels": labels}
    exec(form.code, names)
    form.start()
    assert form.wait() == names["result"]
    assert explore.cell(measure.regions, labels).code.endswith("result = measure.regions(labels)")


def test_a_method_is_a_verb_of_what_it_belongs_to() -> None:
    blocks = analyze.count_in_blocks(toy().volume("labels"), (5, 10, 15))
    form = explore.cell(analyze.BlockCounts.density, blocks, tile_um=0.5, draws=50)
    assert form.code.endswith("result = analyze.BlockCounts.density(self, tile_um=0.5, draws=50)")
    form.start()
    assert form.wait() == blocks.density(tile_um=0.5, draws=50)
    assert form.inputs["tile_um"].value == "0.5"


def test_runs_inside_are_seen_while_the_kernel_is_free_and_can_be_stopped(volume: Volume, tmp_path: Path) -> None:
    gate, begun = threading.Event(), threading.Event()

    def slow(block: Box) -> None:
        begun.set()
        gate.wait(20)

    def twice(volume: Volume) -> str:
        for name in ("first", "second"):
            Run(Step(name, slow), Grid(SHAPE, (20, 15, 20)), workers=1, group=1).run()
        return "never"

    form = explore.cell(twice, volume)
    form.start()
    assert begun.wait(20)
    with pytest.raises(Conflict, match="twice is running"):
        form.start()
    end = time.monotonic() + 20
    while not form.shown.children[0].children:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert "first: 0 of 4 blocks" in form.shown.children[0].children[0].children[1].value
    assert form.run_button.disabled
    form.stop_button.click()
    gate.set()
    with pytest.raises(RunFailed):
        form.wait()
    assert form.message.value.count("stopped after")
    assert form.result is None
    assert form.receipt is not None
    assert form.receipt.state == "stopped"
    assert [run["step"] for run in form.receipt.runs] == ["first"]
    assert not form.run_button.disabled


def test_a_failed_block_is_a_failed_form(volume: Volume) -> None:
    def bad(block: Box) -> None:
        if block.start == (0, 15, 20):
            raise ValueError("the detector saturated here")

    def verb(volume: Volume) -> None:
        Run(Step("bad", bad), Grid(SHAPE, (20, 15, 20)), workers=1).run()

    form = explore.cell(verb, volume)
    form.start()
    with pytest.raises(RunFailed, match="saturated"):
        form.wait()
    assert "failed after" in form.message.value
    assert "the detector saturated here" in form.message.value
    assert "1 failed" in form.shown.children[0].children[0].children[1].value
    assert form.receipt is not None
    assert form.receipt.state == "failed"
    assert "saturated" in form.receipt.error


def test_a_form_that_was_not_started_has_nothing_to_wait_for(volume: Volume) -> None:
    with pytest.raises(BadRequest, match=r"was not started\. call form\.start"):
        explore.cell(brighten, volume).wait()


# ------------------------------------------------------------------------------------------------ the science
def test_peters_rule_gives_the_same_as_a_cell(touches: pd.DataFrame) -> None:
    synapses = touches.iloc[[0, 2, 5]]
    form = explore.cell(analyze.peters_rule, touches, synapses, draws=600, seed=3)
    form.start()
    found, truth = form.wait(), analyze.peters_rule(touches, synapses, draws=600, seed=3)
    assert found.conversion == truth.conversion
    for name, null in truth.null_b.items():
        assert np.array_equal(found.null_b[name].draws, null.draws)
    assert form.receipt is not None
    assert form.receipt.seed == 3
    assert form.receipt.inputs["touches"] == describe(touches) != describe(synapses)


# ------------------------------------------------------------------------------------------------ below it
def test_every_run_inside_is_announced_and_none_outside() -> None:
    seen: list[Run] = []
    labels = toy().volume("labels")
    with looking_on(seen.append):
        analyze.touch(labels, distance=120.0)
    analyze.touch(labels)
    assert [run.step.name for run in seen] == ["contacts", "near"]
    assert all(run.state.phase == "done" for run in seen)


def test_tables_are_described_by_what_they_hold(touches: pd.DataFrame) -> None:
    one = describe(touches)
    assert one["table"] == ["site", "axon", "target"]
    assert one == describe(touches.copy())
    assert one != describe(touches.assign(axon=touches.axon + 1))
    assert one != describe(touches.rename(columns={"axon": "neuron"}))
    assert describe(samples.kasthuri_synapses())["rows"] == 1700
