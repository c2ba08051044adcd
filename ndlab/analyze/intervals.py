"""Intervals of confidence, and how well a number foretells a yes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ndlab.errors import BadRequest

__all__ = ["Share", "average_precision", "roc_auc", "wilson"]

Array = np.ndarray[Any, Any]


class Share(NamedTuple):
    """A share of a number of cases, with its interval."""

    found: int
    of: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.found:,} of {self.of:,} = {self.share:.2%} [{self.low:.2%}, {self.high:.2%}]"


def wilson(count: int, of: int, level: float = 0.95) -> Share:
    """Return a share with Wilson's interval, which holds near 0 and 1, too.

    Parameters
    ----------
    count, of : int
        `count` of `of` cases.
    level : float
        Of confidence.

    References
    ----------
    Wilson EB (1927). Probable inference, the law of succession, and statistical inference. J Am Stat Assoc 22:209-212.

    Examples
    --------
    >>> print(wilson(743, 15680))
    743 of 15,680 = 4.74% [4.42%, 5.08%]
    """
    from scipy.stats import norm

    if not 0 <= count <= of:
        raise BadRequest(f"{count} of {of} cases", "a count lies between 0 and the number of cases")
    if of == 0:
        return Share(0, 0, float("nan"), 0.0, 1.0)
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    share = count / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = np.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of * of))) / (1 + z2 / of)
    return Share(count, of, share, max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def roc_auc(score: Array, yes: Array) -> float:
    """Return how often a case of yes has a higher score than a case of no; ties count half.

    Parameters
    ----------
    score : ndarray, shape (n,)
        The number that foretells.
    yes : ndarray of bool, shape (n,)
        What came.

    Examples
    --------
    >>> roc_auc(np.array([1, 2, 3, 4]), np.array([False, True, False, True]))
    0.75
    """
    from scipy.stats import rankdata

    yes = np.asarray(yes, bool)
    positive, negative = int(yes.sum()), int((~yes).sum())
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[yes].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(score: Array, yes: Array) -> float:
    """Return the precision averaged over recall, as the threshold falls; equal scores pass it together.

    Parameters
    ----------
    score, yes : ndarray, shape (n,)
        As for `roc_auc`.

    Examples
    --------
    >>> round(average_precision(np.array([4, 3, 2, 1]), np.array([True, False, True, False])), 4)
    0.8333
    """
    yes = np.asarray(yes, bool)
    order = np.argsort(-np.asarray(score, float), kind="stable")
    last = np.flatnonzero(np.append(np.diff(np.asarray(score)[order]) != 0, True))
    hits = np.cumsum(yes[order])[last]
    recall = hits / max(1, hits[-1])
    return float(np.sum(np.diff(recall, prepend=0) * hits / (last + 1)))
