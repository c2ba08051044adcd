"""The founding client's methods against a real server, called as the claims notebooks did but for the host (R104)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ndlab.errors import BadRequest, NdlabError, NotFound, ReadOnly
from ndlab.ingesting import ingest
from ndlab.serve.app import make_site, serving
from ndlab.serve.client import Client
from ndlab.serve.limits import Access

TOKEN = "a-token-for-tests"
VALUES = np.random.default_rng(0).integers(1, 255, (40, 70, 90), "u1")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield host and port of a server of `kasthuri11`, whose first section is 1."""
    folder = tmp_path_factory.mktemp("served")
    ingest(VALUES, folder / "kasthuri11.zarr", voxel_size=(30, 3, 3), offset=(30, 0, 0))
    Path(folder / "notes.txt").write_text("no store")
    site = make_site(str(folder), Access(token=TOKEN, public=("kasthuri11",)))
    with serving(site) as server:
        yield server.url.removeprefix("http://")


@pytest.fixture(scope="module")
def nd(served: str) -> Client:
    return Client(TOKEN, served)


def test_r104_what_a_claims_notebook_asks_first(nd: Client) -> None:
    assert nd.ping() == 200
    assert "kasthuri11" in nd.get_public_tokens()
    assert nd.get_public_datasets_and_tokens()["kasthuri11"] == ["kasthuri11"]
    assert nd.get_proj_info("kasthuri11") == nd.get_metadata("kasthuri11")
    assert list(nd.get_channels("kasthuri11")) == ["image"]
    assert nd.get_image_offset("kasthuri11", 0) == [0, 0, 1]
    assert nd.get_image_size("kasthuri11", 0) == [90, 70, 41]
    assert len(nd.get_block_size("kasthuri11")) == 3
    with pytest.raises(NotFound, match="it has levels 0"):
        nd.get_image_size("kasthuri11", 9)


def test_r104_cut_outs_are_x_y_z_in_the_data_sets_coordinates(nd: Client) -> None:
    found = nd.get_cutout("kasthuri11", "image", 10, 50, 20, 60, 1, 17, resolution=0)
    np.testing.assert_array_equal(found, VALUES[0:16, 20:60, 10:50].transpose(2, 1, 0))
    section = nd.get_xy_slice("kasthuri11", "image", 0, 90, 0, 70, 40)
    np.testing.assert_array_equal(section, VALUES[39].T)
    np.testing.assert_array_equal(nd.get_image("kasthuri11", "image", 0, 9, 0, 7, 5), VALUES[4, :7, :9].T)
    volume = nd.get_volume("kasthuri11", "image", 10, 20, 10, 20, 10, 20, resolution=0)
    assert volume.xyz_offset == (10, 10, 10)
    np.testing.assert_array_equal(volume.cutout, VALUES[9:19, 10:20, 10:20].T)


@pytest.mark.parametrize("block", [(90, 70, 40), (7, 11, 3), (64, 64, 16)])
def test_a_cut_out_in_pieces_is_the_whole(nd: Client, block: tuple[int, int, int]) -> None:
    """The founding client used x for y here, and lost the first aligned block."""
    found = nd.get_cutout("kasthuri11", "image", 3, 87, 5, 66, 2, 39, resolution=0, block_size=block)
    np.testing.assert_array_equal(found, VALUES[1:38, 5:66, 3:87].transpose(2, 1, 0))


def test_r104_make_a_channel_post_to_it_and_bring_levels_up_to_date(nd: Client) -> None:
    assert nd.create_dataset("toy", (64, 64, 32), (4, 4, 40), offset=[0, 0, 8], scalinglevels=1)
    assert nd.create_project("toy", "p")
    assert nd.create_channel("toy", "p", "em", "image", "uint8")
    assert nd.create_token("toy", "p", "q")
    assert "toy" in nd.list_datasets()
    assert nd.list_projects("toy") == ["p"]
    data = np.random.default_rng(1).integers(1, 255, (20, 30, 10)).astype("u2")
    assert nd.post_cutout("q", "em", 5, 6, 9, data)
    np.testing.assert_array_equal(nd.get_cutout("p", "em", 5, 25, 6, 36, 9, 19, resolution=0), data)
    assert nd.propagate("p", "em")
    while nd.get_propagate_status("p", "em") == "1":
        pass
    assert nd.get_propagate_status("p", "em") == "2"
    assert not nd.propagate("p", "em")
    assert nd.get_cutout("p", "em", 0, 32, 0, 32, 9, 10, resolution=1).any()
    with pytest.raises(BadRequest, match="do not fit into uint8"):
        nd.post_cutout("p", "em", 0, 0, 8, np.full((2, 2, 2), 300))
    assert nd.delete_channel("toy", "p", "em")
    with pytest.raises(NotFound):
        nd.get_cutout("p", "em", 0, 1, 0, 1, 8, 9, resolution=0)


def test_what_is_refused_comes_back_in_the_servers_words(nd: Client, served: str) -> None:
    with pytest.raises(NdlabError, match=r"41"):
        nd.get_cutout("kasthuri11", "image", 0, 1, 0, 1, 40, 42, resolution=0)
    with pytest.raises(NotFound, match="kasthuri11"):
        nd.get_proj_info("nothing")
    with pytest.raises(ReadOnly):
        nd.post_cutout("kasthuri11", "image", 0, 0, 1, np.ones((2, 2, 2), "u1"))
    stranger = Client("", served)
    assert stranger.ping("kasthuri11/info/") == 200  # public
    assert stranger.ping("toy/info/") == 403
    with pytest.raises(ReadOnly):
        stranger.create_dataset("mine", (1, 1, 1), (1, 1, 1))
    with pytest.raises(BadRequest, match="http and https"):
        Client(TOKEN, served, "ftp")
