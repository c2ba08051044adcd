"""The record of a remote store is kept on this machine: it must not speak for a store that is no longer there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndlab.ingesting import ingest
from ndlab.pipeline import BlockStep
from ndlab.volume import Volume
from ndlab.volume import open as open_volume
from tests.servers import S3Server, serving

VOXELS = np.arange(4 * 8 * 8, dtype="u1").reshape(4, 8, 8)


def more(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return image + np.uint8(1)


@pytest.fixture
def raw(account: Path) -> Volume:
    return ingest(VOXELS, account / "raw.zarr", voxel_size=(10, 10, 10))


def test_a_store_that_was_deleted_is_made_again_whole(raw: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(S3Server("volumes")) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        step = BlockStep("more", more, inputs=raw, output="s3://volumes/out.zarr")
        assert step.plan(block=(4, 4, 4), workers=1).run().done == 4
        assert step.plan(block=(4, 4, 4), workers=1).run().skipped == 4, "it resumes"
        s3.objects.clear()
        receipt = step.plan(block=(4, 4, 4), workers=1).run()
        assert (receipt.done, receipt.skipped) == (4, 0), "nothing of it is there any more"
        assert np.array_equal(open_volume("s3://volumes/out.zarr").read(), VOXELS + 1)


def test_an_ingest_does_not_skip_what_a_deleted_store_had(raw: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(S3Server("volumes")) as s3:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
        for _ in range(2):
            made = ingest(VOXELS, "s3://volumes/in.zarr", voxel_size=(10, 10, 10), progress=False)
            assert np.array_equal(made.read(), raw.read())
            s3.objects.clear()
