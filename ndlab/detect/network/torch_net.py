"""The network in PyTorch, which is needed to train it and for nothing else (``pip install "ndlab[ml]"``)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndlab.errors import Unsupported

__all__ = ["Recipe", "Trainer", "torch"]

Array = np.ndarray[Any, Any]


def torch() -> Any:
    """Import PyTorch, or say how to get it."""
    try:
        import torch as found
    except ImportError:
        raise Unsupported(
            'detect.train(..., method="network") without PyTorch',
            "a network is trained with PyTorch, and used without it",
            'pip install "ndlab[ml]", or train method="trees"',
        ) from None
    return found


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Parameters
    ----------
    width : int
        Channels of the first level.
    sections : int
        Neighbouring sections that it sees, an odd number.
    finer : int
        How many pixels of what it sees, in y and x, make one of what it tells.
    steps, batch, patch : int
        Steps of gradient descent, patches in each, and their side [pixels].
    rate : float
        Highest rate of learning; it rises for a tenth of the steps and falls for the rest.
    positive : float
        Share of the patches that are drawn around a voxel of the last class.
    minutes : float, optional
        End after so many minutes of this process, if the steps are not done by then; the rate has fallen by that time.
    seed : int
    """

    width: int = 16
    sections: int = 5
    finer: int = 1
    steps: int = 2000
    batch: int = 4
    patch: int = 160
    rate: float = 2e-3
    positive: float = 0.6
    minutes: float | None = None
    seed: int = 0


def build(channels: int, width: int, classes: int) -> Any:
    """Make the network: four levels, two convolutions on each of the lower ones, skips by concatenation."""
    nn = torch().nn
    w = (width, 2 * width, 4 * width, 6 * width)

    def conv(a: int, b: int) -> Any:
        return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())

    return nn.ModuleDict(
        {
            "down0": nn.Sequential(conv(channels, w[0])),
            "down1": nn.Sequential(conv(w[0], w[1]), conv(w[1], w[1])),
            "down2": nn.Sequential(conv(w[1], w[2]), conv(w[2], w[2])),
            "down3": nn.Sequential(conv(w[2], w[3]), conv(w[3], w[3])),
            "up2": nn.Sequential(conv(w[3] + w[2], w[2]), conv(w[2], w[2])),
            "up1": nn.Sequential(conv(w[2] + w[1], w[1]), conv(w[1], w[1])),
            "up0": nn.Sequential(conv(w[1] + w[0], w[0])),
            "head": nn.Conv2d(w[0], classes, 1),
        }
    )


def forward(net: Any, x: Any) -> Any:
    """Class scores of a batch (n, channels, y, x); y and x are multiples of 8."""
    f = torch().nn.functional
    kept = [net["down0"](x)]
    for i in (1, 2, 3):
        kept.append(net[f"down{i}"](f.max_pool2d(kept[-1], 2)))
    x = kept.pop()
    for i in (2, 1, 0):
        x = f.interpolate(x, scale_factor=2, mode="nearest")
        x = net[f"up{i}"](torch().cat([x, kept.pop()], 1))
    return net["head"](x)


def folded(net: Any) -> dict[str, Array]:
    """Return the network as plain arrays, its normalisation folded into weights (out, in, 3, 3) and biases."""
    found: dict[str, Array] = {}
    for name, block in net.items():
        if name == "head":
            found["head/weight"] = block.weight.detach().float().numpy()[:, :, 0, 0].copy()
            found["head/bias"] = block.bias.detach().float().numpy().copy()
            continue
        for i, (conv, norm, _) in enumerate(block):
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            weight = conv.weight * scale[:, None, None, None]
            found[f"{name}/{i}/weight"] = weight.detach().float().numpy().copy()
            found[f"{name}/{i}/bias"] = (norm.bias - norm.running_mean * scale).detach().float().numpy().copy()
    return found


def unfold(net: Any, weights: Mapping[str, Array], image: Any) -> None:
    """Give a network the weights that `folded` gave, its normalisation measured on a batch of images.

    Folding is undone but for a choice: filters get back the lengths they have at birth, for which rates of learning
    are made, and the normalisation takes what remains.
    """
    t = torch()
    hooks = []
    for name, block in net.items():
        if name == "head":
            block.weight.data.copy_(t.from_numpy(weights["head/weight"])[:, :, None, None])
            block.bias.data.copy_(t.from_numpy(weights["head/bias"]))
            continue
        for i, (conv, norm, _) in enumerate(block):
            weight, bias = (t.from_numpy(weights[f"{name}/{i}/{what}"]).to(image.device) for what in ("weight", "bias"))
            longer = weight.flatten(1).norm(dim=1) / conv.weight.detach().flatten(1).norm(dim=1)
            longer = longer.clamp(min=1e-6)
            conv.weight.data.copy_(weight / longer[:, None, None, None])
            hooks.append(norm.register_forward_pre_hook(_measure(longer, bias)))
    net.eval()
    with t.no_grad():
        forward(net, image)
    for hook in hooks:
        hook.remove()


def _measure(longer: Any, bias: Any) -> Any:
    """Make a normalisation do nothing to what comes first but to stretch it and to add a bias."""

    def measure(norm: Any, given: Any) -> None:
        x = given[0].transpose(0, 1).flatten(1)
        mean, variance = x.mean(1), x.var(1, correction=0)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.data.copy_(longer * (variance + norm.eps).sqrt())
        norm.bias.data.copy_(bias + longer * mean)

    return measure


class Trainer:
    """Fits a network to an image with classes, some steps at a time.

    Parameters
    ----------
    image : ndarray, (z, y, x)
        Grey values of mean 0 and deviation 1, `recipe.finer` times as fine in y and x as the classes.
    classes : ndarray of int, (z, y, x)
        Class of each voxel; the last is what is looked for.
    weight : ndarray, (z, y, x)
        0 where nothing is to be learnt.
    recipe : Recipe
    start : mapping, optional
        Weights, as `folded` gives them, to go on from.
    """

    def __init__(
        self, image: Array, classes: Array, weight: Array, recipe: Recipe, start: Mapping[str, Array] | None = None
    ) -> None:
        t = torch()
        t.manual_seed(recipe.seed)
        self.recipe, self.rng, self.step = recipe, np.random.default_rng(recipe.seed), 0
        self.count = int(classes.max()) + 1
        reach = recipe.sections // 2
        self.pad = recipe.patch
        sides = ((reach, reach), (self.pad, self.pad), (self.pad, self.pad))
        n = recipe.finer
        around = [
            (n * self.pad, n * (self.pad + a) - b) for a, b in zip(classes.shape[1:], image.shape[1:], strict=True)
        ]
        self.image = np.pad(image.astype("f4"), (sides[0], *around), mode="edge")
        self.classes = np.pad(classes.astype("i8"), ((0, 0), *sides[1:]))
        self.weight = np.pad(weight.astype("f4"), ((0, 0), *sides[1:]))
        learnt = self.weight > 0
        self.wanted = np.argwhere(learnt & (self.classes == self.count - 1))
        self.anywhere = np.argwhere(learnt[:, ::16, ::16]) * (1, 16, 16)
        self.device = "cuda" if t.cuda.is_available() else "cpu"
        channels = recipe.sections * n * n
        self.net = build(channels, recipe.width, self.count).to(self.device, memory_format=t.channels_last)
        if start is not None:
            unfold(self.net, start, t.from_numpy(self._batch()[0]).to(self.device))
        self.mean = build(channels, recipe.width, self.count)
        self.mean.load_state_dict(self.net.state_dict())
        self.optimizer = t.optim.AdamW(self.net.parameters(), recipe.rate, weight_decay=1e-3)
        self.begun = time.monotonic()

    @property
    def done(self) -> float:
        """How much of the training is behind, 1 at its end."""
        limit = self.recipe.minutes
        spent = 0.0 if limit is None else (time.monotonic() - self.begun) / (60 * limit)
        return max(self.step / self.recipe.steps, spent)

    def run(self, steps: int) -> float:
        """Do some steps and return their mean loss."""
        t, losses = torch(), []
        self.net.train()
        for _ in range(steps):
            done = self.done
            rise = min(1.0, done * 10)
            for group in self.optimizer.param_groups:
                group["lr"] = self.recipe.rate * rise * max(0.02, 0.5 * (1 + np.cos(np.pi * min(1.0, done))))
            image, classes, weight = (t.from_numpy(one).to(self.device) for one in self._batch())
            image = image.contiguous(memory_format=t.channels_last)
            with t.autocast(self.device, dtype=t.bfloat16):
                scores = forward(self.net, image)
            loss = _loss(scores.float(), classes, weight)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self._average()
            self.step += 1
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def arrays(self) -> dict[str, Array]:
        """Return the running mean of the weights as plain arrays."""
        self.mean.eval()
        return folded(self.mean)

    def _average(self) -> None:
        keep = min(0.995, (1 + self.step) / (10 + self.step))
        with torch().no_grad():
            theirs: Mapping[str, Any] = self.net.state_dict()
            for name, value in self.mean.state_dict().items():
                if value.dtype.is_floating_point:
                    value.lerp_(theirs[name].to(value.device), 1 - keep)

    def _batch(self) -> tuple[Array, Array, Array]:
        drawn = [self._patch() for _ in range(self.recipe.batch)]
        image, classes, weight = (np.stack(one) for one in zip(*drawn, strict=True))
        return image, classes, weight

    def _patch(self) -> tuple[Array, Array, Array]:
        """Draw a patch, turned, stretched, mirrored, its sections shifted, their exposure changed."""
        from scipy.ndimage import map_coordinates

        rng, side = self.rng, self.recipe.patch
        source = self.wanted if rng.random() < self.recipe.positive and len(self.wanted) else self.anywhere
        z, y, x = source[rng.integers(len(source))]
        jitter = rng.integers(-side // 3, side // 3 + 1, 2)
        centre = np.array([y, x]) + jitter
        centre = np.clip(centre, self.pad, np.array(self.classes.shape[1:]) - self.pad - 1)
        angle, scale = rng.uniform(-np.pi, np.pi), np.exp(rng.uniform(-0.2, 0.2))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        if rng.random() < 0.5:
            turn = turn[:, ::-1]
        at = (np.indices((side, side), "f4") - side / 2 + 0.5).reshape(2, -1)
        at = turn @ at + centre[:, None]
        n, fine = self.recipe.sections, self.recipe.finer
        order = range(n) if rng.random() < 0.5 else range(n - 1, -1, -1)
        # Where the finer pixels lie, (2, finer x finer, y x).
        beside = (np.indices((fine, fine), "f4").reshape(2, -1) + 0.5) / fine - 0.5
        places = at[:, None] + (turn @ beside)[:, :, None]
        image = np.empty((n, fine * fine, side, side), "f4")
        for i, k in enumerate(order):
            shift = rng.normal(0, 1.0, 2)[:, None, None] if i != n // 2 else 0
            seen = ((places + shift + 0.5) * fine - 0.5).reshape(2, -1)
            section = map_coordinates(self.image[z + k], seen, order=1, mode="nearest")
            image[i] = section.reshape(-1, side, side) * np.exp(rng.normal(0, 0.1)) + rng.normal(0, 0.15)
        image = image * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.2)
        if rng.random() < 0.1:
            lost = rng.choice([i for i in range(n) if i != n // 2])
            image[lost] = image[n // 2]
        image += rng.normal(0, rng.uniform(0, 0.2), image.shape)
        near = np.rint(at).astype(int)
        inside = np.clip(near, 0, np.array(self.classes.shape[1:])[:, None] - 1)
        classes = self.classes[z][inside[0], inside[1]].reshape(side, side)
        weight = self.weight[z][inside[0], inside[1]].reshape(side, side)
        return image.astype("f4").reshape(-1, side, side), classes, weight


def _loss(scores: Any, classes: Any, weight: Any) -> Any:
    """Cross-entropy in which what is looked for counts more, and Dice of it."""
    t = torch()
    each = t.nn.functional.cross_entropy(scores, classes, reduction="none")
    last = scores.shape[1] - 1
    wanted = (classes == last).float()
    chance = scores.softmax(1)[:, last]
    importance = weight * (1 + 4 * wanted)
    entropy = (each * importance).sum() / importance.sum().clamp(min=1)
    both = (chance * wanted * weight).sum()
    dice = 1 - (2 * both + 20) / ((chance * weight).sum() + (wanted * weight).sum() + 20)
    return entropy + dice
