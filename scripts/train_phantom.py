"""Make the model that ndlab ships: boosted trees that have seen nothing but the phantom.

Writes ndlab/detect/models/phantom.npz. Its scores are on phantoms of other seeds.
"""

from __future__ import annotations

import numpy as np

from ndlab.detect import evaluate, train
from ndlab.detect.model import PHANTOM, Model
from ndlab.detect.objects import Rules
from ndlab.samples import phantom

VOXEL, SHAPE = (40, 8, 8), (24, 512, 512)


def main() -> None:
    brain = phantom(SHAPE, voxel_size=VOXEL, seed=11, synapse_chance=0.6)
    classes = {name: brain.read(what) for name, what in (("membrane", "membranes"), ("mitochondrion", "mitochondria"))}
    truth = brain.psd()
    for name in classes:
        classes[name] &= truth == 0
    notes = {
        "trained_on": "phantom of seed 11",
        "warning": "phantom-trained, not validated on EM",
        "licence": "Apache-2.0",
    }
    model = train(brain.volume("image"), truth, classes=classes, notes=notes, first=8, second=24, leaves=15)
    other = phantom((16, 384, 384), voxel_size=VOXEL, seed=12, synapse_chance=0.6)
    chance = model_probability(model, other)
    found = evaluate(chance, other.psd(), rules=Rules(0.5, 0, 10_000, 100), ignore_below=50)
    print(found, len(np.unique(other.psd())) - 1, "synapses")
    scores = {"f1_on_seed_12": round(found.f1, 3), "voxel_ap_on_seed_12": round(found.voxel_ap or 0, 3)}
    Model(model.detector, model.classes, model.voxel_size, model.pixel, {**notes, **scores}).save(PHANTOM)
    print(PHANTOM.stat().st_size // 1024, "KiB")


def model_probability(model: Model, brain: object) -> np.ndarray:
    from ndlab.detect import probability

    return probability(brain.volume("image"), model=model).read()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
