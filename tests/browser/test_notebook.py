"""The Image Explorer in Notebook 7: a cell shows the picture that the kernel computes, and keys move it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.browser.lab import Lab, serve
from tests.browser.test_image import alike, start, told

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with serve(tmp_path_factory.mktemp("notebook"), "notebook") as found:
        yield found


def test_a_cell_shows_the_picture_and_keys_move_it(notebook7: Lab, browser: Browser, tmp_path: Path) -> None:
    where = "print([int(v) for v in em.calibration.index(view.position)])"
    notebook, shown = start(notebook7, browser, "seven", tmp_path, "keep(view)", where)
    assert "/notebooks/seven.ipynb" in notebook.page.url
    assert notebook.page.title().startswith("seven")
    assert shown.ask("v => v.status.transport") == "http"
    alike(shown, 2, tmp_path)
    before = shown.pixels()
    told(notebook, 3, "[25, 50, 100]")
    shown.press(".")
    told(notebook, 3, "[26, 50, 100]")
    alike(shown, 2, tmp_path)
    assert (shown.pixels() != before).any(axis=-1).mean() > 0.1
    shown.press(",")
    told(notebook, 3, "[25, 50, 100]")
    np.testing.assert_array_equal(shown.pixels(), before)
