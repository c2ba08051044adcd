"""Data to learn and test with: the toy brain, a phantom of any size, and real data small enough to ship."""

from __future__ import annotations

from ndlab.samples.phantom import Phantom, PhantomArray, phantom
from ndlab.samples.toy import ToyBrain, toy

__all__ = ["Phantom", "PhantomArray", "ToyBrain", "phantom", "toy"]
