"""The tree of errors is the documented one, and each says what its reader needs."""

from __future__ import annotations

import inspect
import re

import pytest

from sluice import errors
from sluice.errors import (
    InferenceLate,
    InferenceUnavailable,
    InvalidPost,
    MediaInvalid,
    MediaRefused,
    MediaUnavailable,
    ModelMismatch,
    PartFailed,
    PartLate,
    SluiceError,
)

CLASSES = {name: found for name, found in vars(errors).items() if inspect.isclass(found)}
BRANCH = re.compile(r"^(?P<indent>[│ ]*)(?:├── |└── )?(?P<name>[A-Z]\w+)")


def documented_tree() -> dict[str, str | None]:
    """Each class of the module's drawing, and the one it hangs below."""
    drawing = (errors.__doc__ or "").split("```")[1].removeprefix("text\n")
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in drawing.splitlines():
        found = BRANCH.match(line)
        assert found is not None, line
        depth = 0 if not path else len(found["indent"]) // 4 + 1
        path = [*path[:depth], found["name"]]
        parents[found["name"]] = path[-2] if depth else None
    return parents


def test_the_drawing_shows_every_class_below_its_base() -> None:
    parents = {name: found.__bases__[0].__name__ for name, found in CLASSES.items() if found is not SluiceError}
    assert documented_tree() == {"SluiceError": None, **parents}


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_is_one_of_ours_and_says_what_it_is_for(name: str) -> None:
    assert issubclass(CLASSES[name], SluiceError)
    assert inspect.cleandoc(CLASSES[name].__doc__ or "").splitlines()[0].endswith((".", ":"))


@pytest.mark.parametrize("reason", InvalidPost.REASONS)
def test_a_dead_letters_reason_and_detail_stand_apart_and_together(reason: str) -> None:
    error = InvalidPost(reason, "at line 1")
    assert (error.reason, error.detail, str(error)) == (reason, "at line 1", f"{reason}: at line 1")


def test_reasons_are_fit_for_a_metrics_label() -> None:
    assert len(set(InvalidPost.REASONS)) == len(InvalidPost.REASONS)
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", reason) for reason in InvalidPost.REASONS)


@pytest.mark.parametrize("kind", [PartFailed, MediaRefused, MediaUnavailable, MediaInvalid])
def test_a_parts_failure_shows_people_the_detail_and_metrics_the_reason(kind: type[PartFailed]) -> None:
    error = kind("not_image", "not an image")
    assert (str(error), error.reason) == ("not an image", "not_image")


def test_a_late_part_has_one_reason() -> None:
    assert (PartLate().reason, PartLate().detail) == ("late", "late: the post's deadline came first")


@pytest.mark.parametrize("kind", [InferenceUnavailable, ModelMismatch])
def test_an_outage_names_its_model(kind: type[InferenceUnavailable]) -> None:
    assert kind("away", "fusion").model == "fusion"
    assert kind("away").model == ""
    assert str(kind("away", "fusion")) == "away"


def test_what_is_waited_for_and_what_is_not() -> None:
    """A model that does not fit may be replaced by one that does; an answer that is late comes too late."""
    assert issubclass(ModelMismatch, InferenceUnavailable)
    assert not issubclass(InferenceLate, InferenceUnavailable)
    assert not issubclass(PartFailed, errors.InferenceError)
