"""What a step over a slab is called does not depend on the voxels in the slab: hashing them would cost a copy."""

from __future__ import annotations

import numpy as np

from ndlab.pipeline import describe, fingerprint
from ndlab.store.ingest.slab import Slab


def test_voxels_of_a_slab_are_not_described() -> None:
    one = Slab((0, 0, 0), (2, 4, 4), (2, 2), "|u1", memory=np.zeros(32, np.uint8))
    other = Slab((0, 0, 0), (2, 4, 4), (2, 2), "|u1", memory=np.ones(32, np.uint8))
    deeper = Slab((0, 0, 0), (3, 4, 4), (2, 2), "|u1")
    assert one == other
    assert fingerprint(one) == fingerprint(other) != fingerprint(deeper)
    assert "blake2b" not in str(describe(one))
