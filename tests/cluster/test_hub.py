"""Volumes under a real JupyterHub: base URLs, logins of two users, and nothing that one sees of the other."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import nbformat
import numpy as np
import pytest

from tests.cluster.hub import Hub, hub
from tests.browser.lab import Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Response

pytestmark = pytest.mark.timeout(600)

_ROUTES = ("hello", "k/" + "0" * 32 + "/hello", "k/" + "0" * 32 + "/tiles?k=0,0,0", "k/x/y", "", "nothing")
_PATIENCE_MS = 90_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture(scope="module")
def tokens(running: Hub) -> dict[str, str]:
    """Return a token of each of two users whose servers run."""
    return {name: running.user(name) for name in ("ada", "ben")}


@pytest.mark.parametrize("route", _ROUTES)
def test_every_route_answers_403_without_a_token_and_to_the_other_user(
    running: Hub, tokens: dict[str, str], route: str
) -> None:
    path = f"user/ada/ndlab/v1/{route}"
    assert running.ask(path, token="")[0] == 403
    assert running.ask(path, token=tokens["ben"])[0] == 403
    status, said = running.ask(path, token=tokens["ada"])
    assert (status, said["v"]) == (200, 1) if route == "hello" else status == 404


# --- in a browser -----------------------------------------------------------------------------------------------------

STORE = """
import json
import numpy as np
import ndlab
from ndlab import explore, samples
raw = ndlab.ingest(samples.fibsem_slices(), "raw.ome.zarr", voxel_size=samples.FIBSEM_VOXEL_SIZE)
"""
SHOW = """
view = explore.image(em=ndlab.open("raw.ome.zarr"))
view
"""
KEEP = """
np.save("picture.npy", view.render()[..., :3])
print(json.dumps({"endpoint": view.endpoint["path"], "vol": view.tile_ids["em"]}))
"""


def login(running: Hub, browser: Browser, name: str) -> BrowserContext:
    """Log in by the hub's page, as a person does, and stay on the page of one's own server."""
    context = browser.new_context(viewport={"width": 1180, "height": 900})
    context.set_default_timeout(_PATIENCE_MS)
    page = context.new_page()
    page.goto(f"{running.url}hub/login?next=/hubbase/user/{name}/lab")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(running.password)
    page.locator("#login_submit").click()
    page.wait_for_url(f"**/hubbase/user/{name}/lab**")
    return context


@pytest.fixture(scope="module")
def ada(running: Hub, tokens: dict[str, str], browser: Browser) -> Iterator[BrowserContext]:
    with login(running, browser, "ada") as context:
        yield context


@pytest.fixture(scope="module")
def shown(running: Hub, ada: BrowserContext) -> tuple[Page, list[Response], dict[str, Any]]:
    """Return a page on which a view of a store in the user's home is drawn, what was answered, and where it is."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (STORE, SHOW, KEEP)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, running.homes / "ada" / "look.ipynb")
    page = ada.pages[0]
    answers: list[Response] = []
    failed: list[str] = []
    page.on("response", lambda answer: answers.append(answer))  # It wants a function of Python.
    # What was asked for ahead may be called off.
    page.on("requestfailed", lambda one: None if one.failure == "net::ERR_ABORTED" else failed.append(one.url))
    page.goto(f"{running.url}user/ada/doc/tree/look.ipynb")
    opened = Notebook(page)
    opened.ready()
    opened.run(0)
    opened.run(1)
    view(page).evaluate("v => v.idle()")
    facts = json.loads(opened.text(2))
    assert [url for url in failed if "/ndlab/" in url] == []
    return page, [one for one in answers if "/ndlab/v1/" in one.url], facts


def view(page: Page) -> Any:
    """The view on a page."""
    picture = page.locator(".ndl-picture")
    picture.wait_for()
    return picture.evaluate_handle("e => { while (e && !e.ndlabView) e = e.parentElement; return e.ndlabView; }")


def status(page: Page, path: str, *, token: bool) -> int:
    """Ask from within a page, with its cookies; with or without the header that only its own scripts can send."""
    return int(
        page.evaluate(
            """([path, token]) => {
                const found = /(?:^|;\\s*)_xsrf=([^;]*)/.exec(document.cookie)?.[1];
                const headers = token ? {"X-XSRFToken": decodeURIComponent(found)} : {};
                return fetch(path, {headers, redirect: "manual"}).then((answer) => answer.status);
            }""",
            [path, token],
        )
    )


def test_a_view_draws_a_store_of_the_users_home_over_http(
    running: Hub, shown: tuple[Page, list[Response], dict[str, Any]]
) -> None:
    page, answers, facts = shown
    assert view(page).evaluate("v => v.status.transport") == "http"
    assert {one.status for one in answers} == {200}
    asked = [re.sub(r"\?.*", "", one.url.removeprefix(running.url)) for one in answers]
    assert {f"user/ada/{facts['endpoint']}{op}" for op in ("hello", "tiles")} == set(asked)
    assert all(one.request.headers.get("x-xsrftoken") for one in answers)

    found = view(page).evaluate(
        """v => { const {width, height, data} = v.pixels(); let text = "";
            for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
            return {width, height, data: btoa(text)}; }"""
    )
    pixels = np.frombuffer(base64.b64decode(found["data"]), np.uint8).reshape(found["height"], found["width"], 4)
    want = np.load(running.homes / "ada" / "picture.npy")
    assert pixels.shape[:2] == want.shape[:2]
    assert np.abs(pixels[..., :3].astype(int) - want).max() <= 2
    assert want.std() > 5


def test_a_request_with_the_cookie_alone_is_refused(shown: tuple[Page, list[Response], dict[str, Any]]) -> None:
    page, _, facts = shown
    for op in ("hello", f"info?vol={facts['vol']}", f"tiles?vol={facts['vol']}&k=0,0,0"):
        path = f"/hubbase/user/ada/{facts['endpoint']}{op}"
        assert status(page, path, token=True) == 200
        assert status(page, path, token=False) == 403


def test_another_user_reaches_neither_the_server_nor_the_key(
    running: Hub, tokens: dict[str, str], browser: Browser, shown: tuple[Page, list[Response], dict[str, Any]]
) -> None:
    key = shown[2]["endpoint"]
    assert running.ask(f"user/ada/{key}hello", token=tokens["ada"])[0] == 200
    assert running.ask(f"user/ada/{key}hello", token=tokens["ben"])[0] == 403
    assert running.ask(f"user/ben/{key}hello", token=tokens["ben"])[0] == 404
    with login(running, browser, "ben") as context:
        page = context.pages[0]
        # Her key on his own server, where he is logged in: nothing of that name. On hers: refused.
        assert status(page, "/hubbase/user/ben/ndlab/v1/hello", token=True) == 200
        assert status(page, f"/hubbase/user/ben/{key}hello", token=True) == 404
        assert status(page, f"/hubbase/user/ada/{key}hello", token=True) == 403
