"""Blocks that share what a remote store writes as a whole are refused: its server may lose one of two writes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.errors import BadRequest
from ndlab.pipeline import BlockStep
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.servers import S3Server, serving

VOXELS = np.arange(16**3, dtype="u2").reshape(16, 16, 16)


def more(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return image + np.uint16(1)


@pytest.fixture
def raw(account: Path) -> Volume:
    return Volume.from_array(VOXELS, (10, 10, 10))


def test_blocks_within_a_shard(raw: Volume, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(S3Server("volumes")) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        out = raw.like("s3://volumes/out.zarr", chunks=(4, 4, 4), shards=(8, 8, 8), levels=1)
        said = (
            "would write blocks of (4, 4, 4) to s3://volumes/out.zarr. it is written in pieces of (8, 8, 8), so blocks "
            "would share one, and bucket servers may lose a write to it. pass block=(8, 8, 8) or multiples of it, or "
            "make the output with shards=(4, 4, 4)"
        )
        before = dict(s3.objects)
        with pytest.raises(BadRequest, match=re.escape(said)):
            BlockStep("more", more, inputs=raw, output=out).plan(block=(4, 4, 4))
        assert s3.objects == before
        for block in ((8, 8, 8), (16, 8, 8), (32, 32, 32)):
            # One that is alone along an axis shares nothing with others.
            BlockStep("more", more, inputs=raw, output=out).plan(block=block, workers=2, overwrite=True).run()
            assert np.array_equal(open_volume("s3://volumes/out.zarr").read(), VOXELS + 1)
    # A file system has locks.
    here = raw.like(tmp_path / "out.zarr", chunks=(4, 4, 4), shards=(8, 8, 8), levels=1)
    BlockStep("more", more, inputs=raw, output=here).plan(block=(4, 4, 4), workers=2).run()
    assert np.array_equal(here.read(), VOXELS + 1)


@pytest.mark.parametrize("block", [(4, 4, 4), (2, 16, 8), (8, 8, 8)])
def test_an_output_that_is_made_for_a_run_is_written_in_its_blocks(
    raw: Volume, block: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(S3Server("volumes")) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        # Three servers, one address: what was there before is not taken for what is there now.
        BlockStep("more", more, inputs=raw, output="s3://volumes/made.zarr").plan(block=block, workers=2).run()
        made = open_volume("s3://volumes/made.zarr")
        assert (made.shards or made.chunks) == block
        assert np.array_equal(made.read(), VOXELS + 1)
