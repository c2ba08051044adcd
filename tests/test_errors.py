from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ndlab import errors
from ndlab.errors import (
    BadMetadata,
    BadRequest,
    Conflict,
    NdlabError,
    NotFound,
    OutOfBounds,
    Problems,
    ReadOnly,
    RunFailed,
    TooLarge,
    Unsupported,
)

BUILTINS: list[tuple[type[NdlabError], type[Exception]]] = [
    (BadMetadata, ValueError),
    (BadRequest, ValueError),
    (Conflict, RuntimeError),
    (NotFound, FileNotFoundError),
    (OutOfBounds, IndexError),
    (ReadOnly, PermissionError),
    (RunFailed, RuntimeError),
    (TooLarge, MemoryError),
    (Unsupported, NotImplementedError),
]


@pytest.mark.parametrize(("kind", "builtin"), BUILTINS)
def test_each_error_is_also_the_builtin_that_a_caller_would_catch(
    kind: type[NdlabError], builtin: type[Exception]
) -> None:
    with pytest.raises(builtin) as caught:
        raise kind("box (0, 0, 9) was asked for.", "level 0 spans 0:8", "stay within 0:8", shape=(8, 8, 8))
    assert str(caught.value) == "box (0, 0, 9) was asked for. level 0 spans 0:8. stay within 0:8."
    assert isinstance(caught.value, NdlabError)
    assert caught.value.shape == (8, 8, 8)
    assert (caught.value.asked, caught.value.exists, caught.value.remedy) == (
        "box (0, 0, 9) was asked for.", "level 0 spans 0:8", "stay within 0:8",
    )  # fmt: skip


def test_empty_parts_leave_no_trace_in_the_message() -> None:
    assert str(BadRequest("a", "", "c")) == "a. c."
    assert str(BadRequest("a")) == "a."


@pytest.mark.parametrize("kind", [kind for kind, _ in BUILTINS])
def test_errors_cross_process_boundaries_with_their_facts(kind: type[NdlabError]) -> None:
    error = kind("a", "b", "c", limit=3, nbytes=5)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert str(again) == "a. b. c."
        assert (again.limit, again.nbytes) == (3, 5)


def test_a_fact_that_was_not_given_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="shape"):
        _ = BadRequest("a").shape
    assert not hasattr(BadRequest("a"), "shape")


@given(st.lists(st.text(min_size=1, alphabet="abc "), min_size=1, max_size=5))
def test_problems_lists_all_of_them_and_survives_pickling(found: list[str]) -> None:
    error = Problems("stack.tif cannot be ingested", found, "correct the files", path="stack.tif")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert one.problems == found
        assert one.path == "stack.tif"
        lines = str(one).splitlines()
        assert lines[0] == f"stack.tif cannot be ingested: {len(found)} problem(s), nothing was written"
        assert str(one).endswith("correct the files")
        assert all(f"  {i}. {text}" in str(one) for i, text in enumerate(found, 1))
    with pytest.raises(ValueError, match="nothing was written"):
        raise error


def test_every_public_name_is_there() -> None:
    assert sorted(errors.__all__) == errors.__all__
    assert all(issubclass(getattr(errors, name), Exception) for name in errors.__all__)
