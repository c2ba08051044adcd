"""The widget's shell: what it sends to a page, and how a Run displays itself."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell

from ndlab import explore
from ndlab.explore.live import STATIC
from ndlab.explore.run import widget_of
from ndlab.geometry import Box, Grid
from ndlab.pipeline import Run, Step
from ndlab.volume import Volume


def size(block: Box) -> int:
    return block.size


def plain() -> Run:
    return Run(Step("size", size, inputs={"what": "nothing"}), Grid((4, 4, 8), (4, 4, 4)), workers=1)


def finished(shown: Any) -> int:
    """Wait for the Run of a widget, and return how many blocks are done."""
    done: int = shown.run.wait().done
    return done


def test_it_starts_at_once_and_leaves_the_caller_free() -> None:
    shown = explore.run(plain())
    assert finished(shown) == 2
    assert shown.facts["step"] == "size"


def test_it_waits_to_be_started_where_asked() -> None:
    run = plain()
    assert explore.run(run, start=False).status["phase"] == "ready"
    assert run.state.phase == "waiting"


def test_it_carries_its_own_module_and_asks_no_network() -> None:
    assert widget_of(plain())._esm == (STATIC / "run.js").read_text(encoding="utf-8")


def test_messages_of_a_page_reach_the_run() -> None:
    shown = widget_of(plain())
    sent: list[Any] = []
    shown.send = lambda content, buffers=None: sent.append((content["t"], len(buffers or [])))
    shown._handle_custom_msg({"t": "hello"}, [])
    assert sent == [("states", 1)]
    shown._handle_custom_msg({"t": "start"}, [])
    assert finished(shown) == 2


def test_the_plane_to_preview_can_be_chosen() -> None:
    volume = Volume.from_array(np.zeros((4, 4, 8), "u1"), (10, 10, 10))
    assert explore.run(plain(), start=False, preview=volume, z=3).facts["preview"]["label"] == "output, z 3 · 30 nm"


def test_pages_that_run_nothing_show_what_there_is_to_read() -> None:
    data, _ = widget_of(plain())._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"] == "<pre>Run of size: waiting, 0 of 2 blocks done</pre>"
    assert data["text/plain"] == "Run of size: waiting, 0 of 2 blocks done"


def test_a_run_displays_itself_as_a_widget_where_there_is_a_kernel() -> None:
    shell = InteractiveShell()
    shell.kernel = object()
    assert explore.register(shell)
    run = plain()
    data, _ = shell.display_formatter.format(run)
    assert "application/vnd.jupyter.widget-view+json" in data
    assert run.state.phase == "waiting"


def test_a_terminal_gets_no_widgets() -> None:
    shell = InteractiveShell()
    assert not explore.register(shell)
    assert "application/vnd.jupyter.widget-view+json" not in shell.display_formatter.format(plain())[0]


def test_without_anywidget_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from ndlab import explore; from ndlab.pipeline import Run, Step; from ndlab.geometry import Grid\n"
        "explore.run(Run(Step('size', len), Grid((1, 1, 1), (1, 1, 1))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "anywidget is not installed. pip install 'ndlab[lab]'" in done.stderr.replace("\n", " ")


def test_importing_explore_loads_no_widgets() -> None:
    code = "import ndlab.explore, sys; print(sorted({'anywidget', 'ipywidgets', 'IPython', 'dask'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", explore.__all__)
def test_the_public_names_are_functions(name: str) -> None:
    assert callable(getattr(explore, name))
