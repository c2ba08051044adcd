"""ndlab under a real JupyterHub, on the configuration that ships: two users, and nothing that one sees of the other."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import nbformat
import numpy as np
import pytest
from hypothesis import strategies

from ndlab.cli import main
from ndlab.doctor import Finding, installation
from ndlab.errors import NotFound
from ndlab.serve.jupyter import routes
from tests.browser.lab import Notebook
from tests.cluster.hub import Hub, hub
from tests.cluster.processes import free_port
from tests.serve.jupyter_server import Jupyter

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page, Response

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

_ROOT = Path(__file__).resolve().parents[2]
_USERS = ("ada", "ben")
_PATIENCE_MS = 90_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with hub(tmp_path_factory.mktemp("hub")) as found:
        yield found


@pytest.fixture(scope="module")
def tokens(running: Hub) -> dict[str, str]:
    """Return a token of each of two users whose servers run."""
    return {name: running.user(name) for name in _USERS}


def server(running: Hub, tokens: dict[str, str], name: str) -> Jupyter:
    """The server of a user, as its own scripts reach it."""
    return Jupyter(f"{running.url}user/{name}/", tokens[name], running.homes)


# --- logins -----------------------------------------------------------------------------------------------------------


def _any_path(pattern: str) -> str:
    """The shortest address that a route takes."""
    found: str = hypothesis.find(strategies.from_regex(re.compile(pattern), fullmatch=True), lambda _: True)
    return found


_ROUTES = [(_any_path(route[0]), route[1]) for route in routes("/hubbase/user/ada/", Path())]


@pytest.mark.parametrize(("path", "handler"), _ROUTES, ids=[path for path, _ in _ROUTES])
def test_every_route_of_the_extension_answers_403_without_a_token_and_to_the_other_user(
    running: Hub, tokens: dict[str, str], path: str, handler: Any
) -> None:
    """The routes come from the code, so one that is added is asked as well, whatever it is decorated with."""
    path = path.removeprefix("/hubbase/")
    for method in handler.SUPPORTED_METHODS:
        if method != "OPTIONS":
            assert running.ask(path, method, token="")[0] == 403, method
            assert running.ask(path, method, token="wrong")[0] == 403, method
            assert running.ask(path, method, token=tokens["ben"])[0] == 403, method
    assert running.ask(path, "OPTIONS", token="")[1] == b"", "a preflight says nothing"
    status, said = running.ask(path, token=tokens["ada"])
    assert (status, said["v"]) == (200, 1) if path.endswith("v1/hello") else status == 404


_OTHERS = (
    "api/status", "api/contents", "api/kernels", "files/raw.ome.zarr/zarr.json", "dask/clusters", "proxy/8787/status",
    "dask/dashboard-check/http%3A%2F%2F127.0.0.1%3A8787", "lab/api/settings", "api/kernels/" + "0" * 8 + "/channels",
)  # fmt: skip


@pytest.mark.parametrize("path", _OTHERS)
def test_the_rest_of_a_server_asks_for_its_owner_too(running: Hub, tokens: dict[str, str], path: str) -> None:
    for token in ("", "wrong", tokens["ben"]):
        # Pages send to the login instead, of the hub and not of a stranger's choosing.
        assert running.ask(f"user/ada/{path}", token=token)[0] in (302, 403), token


def test_the_strict_switch_is_in_the_file_that_ships() -> None:
    text = (_ROOT / "deploy" / "hub" / "jupyterhub_config.py").read_text()
    assert '"--ServerApp.allow_unauthenticated_access=False"' in text


# --- through the hub's API --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _USERS)
def test_each_user_runs_the_first_notebook(running: Hub, tokens: dict[str, str], name: str) -> None:
    notebook = nbformat.read(_ROOT / "notebooks" / "00_start.ipynb", 4)
    assert running.ask(f"user/{name}/api/contents/00_start.ipynb", "PUT", {"type": "notebook", "content": notebook},
                       token=tokens[name])[0] == 201  # fmt: skip
    assert (running.homes / name / "00_start.ipynb").exists()
    theirs = server(running, tokens, name)
    kernel = theirs.kernel()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            theirs.execute(kernel, cell.source)  # An error is a failure; the last cell checks every number.
    checked = theirs.execute(kernel, "print(len(results.numbers), str(Path.cwd()))").split()
    assert int(checked[0]) >= 10
    assert checked[1].endswith(f"homes/{name}")
    seen = theirs.execute(kernel, "print([one.name for one in Path.cwd().parent.iterdir()])")
    assert seen.strip() == str([name]), "nobody's home but one's own is there"
    assert running.ask(f"user/{name}/api/kernels/{kernel}", "DELETE", token=tokens[name])[0] == 204


# --- as the doctor sees it --------------------------------------------------------------------------------------------


def findings(address: str, token: str | None) -> dict[str, Finding]:
    """What the doctor finds of each thing that it looks at, in order."""
    report = installation(address, token=token)
    assert report is not None
    return {one.what: one for one in report.findings}


def test_the_doctor_finds_a_hub_that_is_well(running: Hub, tokens: dict[str, str]) -> None:
    found = findings(running.url, tokens["ada"])
    assert list(found) == ["JupyterHub", "users", "token", "login", "routes", "kernels", "extension"]
    assert {one.status for one in found.values()} == {"ok"}, found
    assert found["JupyterHub"].detail == f"version {version('jupyterhub')} answers"
    assert found["token"].detail == "it is ada's"
    assert found["users"].detail.endswith("refused without a token (403)")
    assert found["kernels"].detail == "python3"


def test_the_doctor_looks_no_further_than_a_token_opens(
    running: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NDLAB_TOKEN", raising=False)
    bare = findings(running.url, None)
    assert {what: one.status for what, one in bare.items()} == {"JupyterHub": "ok", "users": "ok", "token": "note"}
    assert "--token" in bare["token"].remedy
    wrong = findings(running.url, "wrong")
    assert (wrong["token"].status, wrong["token"].detail) == ("problem", "the hub answers 403 to it")
    assert main(["doctor", running.url, "--token", "wrong"]) == 1
    assert "-> make a new one on the hub's page" in capsys.readouterr().out
    dead = f"http://127.0.0.1:{free_port()}/hubbase/"
    with pytest.raises(NotFound, match="nothing answers"):
        installation(dead, token="wrong")
    assert main(["doctor", dead]) == 2
    assert "check the address, and that it runs" in capsys.readouterr().err


def test_the_doctor_says_what_a_users_server_lacks(running: Hub) -> None:
    off = {"ServerApp": {"jpserver_extensions": {"ndlab.serve.jupyter": False}}}
    config = running.homes / "dan" / ".config" / "jupyter" / "jupyter_server_config.json"
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(off))
    assert running.ask("hub/api/users/dan", "POST")[0] == 201
    token = running.ask("hub/api/users/dan/tokens", "POST", {"expires_in": 3600})[1]["token"]
    assert findings(running.url, token)["server"].detail.startswith("none runs")
    running.start("dan")
    found = findings(running.url, token)
    assert "server" not in found
    assert {what for what, one in found.items() if one.status == "problem"} == {"extension"}
    assert "ndlab[lab]" in found["extension"].remedy
    assert running.ask("hub/api/users/dan/server", "DELETE")[0] in (202, 204)


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


Shown = tuple["Page", list["Response"], dict[str, Any]]


@pytest.fixture(scope="module")
def shown(running: Hub, tokens: dict[str, str], browser: Browser) -> Iterator[dict[str, Shown]]:
    """Return, of each user, a page with a view of a store in the own home, what was answered, and where it is."""
    with login(running, browser, "ada") as ada, login(running, browser, "ben") as ben:
        yield {"ada": show(running, "ada", ada), "ben": show(running, "ben", ben)}


def show(running: Hub, name: str, context: BrowserContext) -> Shown:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in (STORE, SHOW, KEEP)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, running.homes / name / "look.ipynb")
    page = context.pages[0]
    answers: list[Response] = []
    failed: list[str] = []
    page.on("response", lambda answer: answers.append(answer))  # It wants a function of Python.
    # What was asked for ahead may be called off.
    page.on("requestfailed", lambda one: None if one.failure == "net::ERR_ABORTED" else failed.append(one.url))
    page.goto(f"{running.url}user/{name}/doc/tree/look.ipynb")
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


@pytest.mark.parametrize("name", _USERS)
def test_a_view_draws_a_store_of_the_users_home_over_http(running: Hub, shown: dict[str, Shown], name: str) -> None:
    page, answers, facts = shown[name]
    assert view(page).evaluate("v => v.status.transport") == "http"
    assert {one.status for one in answers} == {200}
    asked = [re.sub(r"\?.*", "", one.url.removeprefix(running.url)) for one in answers]
    assert {f"user/{name}/{facts['endpoint']}{op}" for op in ("hello", "tiles")} == set(asked)
    assert all(one.request.headers.get("x-xsrftoken") for one in answers)

    found = view(page).evaluate(
        """v => { const {width, height, data} = v.pixels(); let text = "";
            for (let i = 0; i < data.length; i += 32768) text += String.fromCharCode(...data.subarray(i, i + 32768));
            return {width, height, data: btoa(text)}; }"""
    )
    pixels = np.frombuffer(base64.b64decode(found["data"]), np.uint8).reshape(found["height"], found["width"], 4)
    want = np.load(running.homes / name / "picture.npy")
    assert pixels.shape[:2] == want.shape[:2]
    assert np.abs(pixels[..., :3].astype(int) - want).max() <= 2
    assert want.std() > 5


def test_a_request_with_the_cookie_alone_is_refused(shown: dict[str, Shown]) -> None:
    page, _, facts = shown["ada"]
    for op in ("hello", f"info?vol={facts['vol']}", f"tiles?vol={facts['vol']}&k=0,0,0"):
        path = f"/hubbase/user/ada/{facts['endpoint']}{op}"
        assert status(page, path, token=True) == 200
        assert status(page, path, token=False) == 403


def test_another_user_reaches_neither_the_server_nor_the_tiles_nor_the_store(
    running: Hub, tokens: dict[str, str], shown: dict[str, Shown]
) -> None:
    key = shown["ada"][2]["endpoint"]
    assert running.ask(f"user/ada/{key}hello", token=tokens["ada"])[0] == 200
    assert running.ask(f"user/ada/{key}hello", token=tokens["ben"])[0] == 403
    assert running.ask(f"user/ben/{key}hello", token=tokens["ben"])[0] == 404
    # Her key on his own server, where he is logged in: nothing of that name. On hers: refused.
    page = shown["ben"][0]
    assert status(page, "/hubbase/user/ben/ndlab/v1/hello", token=True) == 200
    assert status(page, f"/hubbase/user/ben/{key}hello", token=True) == 404
    assert status(page, f"/hubbase/user/ada/{key}hello", token=True) == 403
    # Her store, by the contents of her server: hers alone.
    store = "user/ada/api/contents/raw.ome.zarr"
    assert running.ask(store, token=tokens["ada"])[0] == 200
    assert running.ask(store, token=tokens["ben"])[0] == 403
    # And from his kernel: her home is not there, and the port of her kernel, which it may find by trying all, says no
    # without the secret of her runtime folder.
    secret = next((running.homes / "ada").rglob(f"ndlab-{key.split('/')[-2]}.json"))
    port = json.loads(secret.read_text())["port"]
    tries = f"""
import http.client, os
print(os.path.exists({str(running.homes / "ada" / "raw.ome.zarr")!r}), os.path.exists({str(secret)!r}))
for headers in ({{}}, {{"X-Ndlab-Secret": "guess"}}):
    there = http.client.HTTPConnection("127.0.0.1", {port}, timeout=10)
    there.request("GET", "/k/{key.split("/")[-2]}/info?vol={shown["ada"][2]["vol"]}", headers=headers)
    print(there.getresponse().status)
    there.close()
"""
    his = server(running, tokens, "ben")
    assert his.execute(his.kernel(), tries).split() == ["False", "False", "403", "403"]


# --- a scheduler of Dask behind the hub -------------------------------------------------------------------------------

DASK = """
import distributed
client = distributed.Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0")
print(client.dashboard_link)
"""


def test_the_dashboard_is_linked_where_the_owner_alone_sees_it(running: Hub, tokens: dict[str, str]) -> None:
    hers = server(running, tokens, "ada")
    kernel = hers.kernel()
    link = hers.execute(kernel, DASK).strip()
    assert re.fullmatch(r"/hubbase/user/ada/proxy/\d+/status", link)
    path = link.removeprefix("/hubbase/")
    answered, page = running.ask(path, token=tokens["ada"])
    assert answered == 200
    assert b"Bokeh" in page
    assert running.ask(path, token="")[0] in (302, 403)
    assert running.ask(path, token=tokens["ben"])[0] == 403
    hers.execute(kernel, "client.close()")


def test_the_panel_of_jupyterlab_starts_a_cluster_as_it_is_configured(
    running: Hub, tokens: dict[str, str], shown: dict[str, Shown]
) -> None:
    page = shown["ada"][0].context.new_page()
    asked: list[Response] = []
    page.on("response", lambda answer: asked.append(answer))
    # In a workspace of its own: that of the page which is open already would send it elsewhere.
    page.goto(f"{running.url}user/ada/lab/workspaces/panel")
    page.wait_for_function("() => window.jupyterapp?.shell")
    page.evaluate("() => window.jupyterapp.restored.then(() => null)")
    page.evaluate("() => window.jupyterapp.shell.activateById('dask-dashboard-launcher')")
    page.locator("[data-command='dask:launch-cluster']").click()
    listed = page.locator(".dask-ClusterListingItem")
    listed.wait_for()
    assert "tcp://127.0.0.1:" in listed.inner_text()
    (cluster,) = running.ask("user/ada/dask/clusters", token=tokens["ada"])[1]
    dashboard = cluster["dashboard_link"].partition("/hubbase/")[2]
    assert re.fullmatch(r"user/ada/proxy/\d+/status", dashboard)
    assert running.ask(dashboard, token=tokens["ada"])[0] == 200
    # Its buttons open plots, by the link.
    listed.click()
    page.locator(".dask-DashboardListing-item button[value='Workers']").click()
    page.frame_locator("iframe[src*='/proxy/']").locator("canvas").first.wait_for()
    # The panel has a way of its own to a dashboard, for links that do not lead through this server. It goes to the host
    # of the link and forgets the path, so under this link it ends nowhere, and the panel does not take it.
    own = f"user/ada/dask/dashboard/{cluster['id']}/"
    assert running.ask(f"{own}status", token=tokens["ada"])[0] == 404
    assert not [one.url for one in asked if "/dask/dashboard/" in one.url]
    assert not [one.url for one in asked if one.status == 404 and ("/proxy/" in one.url or "/dask/" in one.url)]
    # Its handler has no decorator, so only the strict switch guards it.
    for path in (dashboard, f"{own}status"):
        assert running.ask(path, token="")[0] in (302, 403)
        assert running.ask(path, token=tokens["ben"])[0] == 403
    assert running.ask(f"user/ada/dask/clusters/{cluster['id']}", "DELETE", token=tokens["ada"])[0] == 204
    page.close()


# --- a server that is ended because nobody uses it --------------------------------------------------------------------

WRITE = """
import threading, time
import ndlab
from ndlab.annotations import Segment
image = ndlab.Volume.from_array(ndlab.samples.toy().image, (40, 4, 4)).like("brain.zarr")
ann = ndlab.Annotations.create("brain.zarr/annotations/cells", image, labels=True, author="cid")
(cell,) = ann.add([Segment()], voxels=[ndlab.Box((0, 0, 0), (1, 1, 1))])

def go_on():
    told = open("told.txt", "w", buffering=1)
    for number in range(1, 10**6):
        z, y, x = number % 8, number // 8 % 16, number // 128 % 16
        ann.paint.write(cell, [(z, y, x)], note=str(number))
        told.write(f"{number}\\n")  # acknowledged
        time.sleep(0.005)

threading.Thread(target=go_on, daemon=True).start()
time.sleep(2)
print("writing")
"""

READ = """
import json
import ndlab
ann = ndlab.Annotations.open("brain.zarr/annotations/cells")
(cell,) = ann.where().ids().tolist()
notes = [int(one.note) for one in ann.history() if one.note]
problems = [one.what for one in ann.check(repair=True).problems]
print(json.dumps({"notes": notes, "voxels": len(ann.voxels(cell)), "problems": problems}))
"""


def test_a_server_that_is_culled_with_a_journal_open_loses_nothing(running: Hub, tokens: dict[str, str]) -> None:
    tokens["cid"] = running.user("cid")
    his = server(running, tokens, "cid")
    assert his.execute(his.kernel(), WRITE).strip() == "writing"
    told = running.homes / "cid" / "told.txt"
    # As in the file that ships, with less patience. Its kernel writes all the time and says nothing, so it is idle.
    command = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3", "--cull-every=1",
               f"--url={running.url}hub/api"]  # fmt: skip
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=running.environment(), stdout=quiet, stderr=quiet) as culler:
        try:
            running.wait("cid", lambda one: not one, 90)
        finally:
            culler.terminate()
    # The hub says that the server is gone a little before the last of its kernels has ended.
    last, end = "", time.monotonic() + 30
    while (now := told.read_text()) != last:
        assert time.monotonic() < end, "its kernel has not ended"
        last = now
        time.sleep(1)
    acknowledged = [int(line) for line in last.split("\n")[:-1]]
    assert len(acknowledged) > 10

    running.start("cid")
    again = server(running, tokens, "cid")
    found = json.loads(again.execute(again.kernel(), READ))
    assert set(acknowledged) <= set(found["notes"])
    assert max(found["notes"]) - max(acknowledged) <= 1, "and nothing was invented"
    assert found["problems"] == []
    assert found["voxels"] == 1 + min(len(found["notes"]), 8 * 16 * 16 - 1)
