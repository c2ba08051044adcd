"""Volumes under a real JupyterHub: base URLs, logins of two users, and nothing that one sees of the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser.hub import Hub, hub

_ROUTES = ("hello", "k/" + "0" * 32 + "/hello", "k/" + "0" * 32 + "/tiles?k=0,0,0", "k/x/y", "", "nothing")


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
