"""The sets of variants hold what they promise, and Compose's own parser accepts each of the first."""

import itertools
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.baking import TEMPLATE
from tests.covering import BAKED, INSTALLED, OPTIONS, TOGETHER, Options, Variant, covering, name_of

Bake = Callable[..., Path]
CONTEXT = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
QUESTIONS = [name for name in CONTEXT if not name.startswith("_") and isinstance(CONTEXT[name], list | bool)]


def choices(name: str) -> list[str | bool]:
    return [True, False] if isinstance(CONTEXT[name], bool) else CONTEXT[name]


def occurrences(variants: list[Variant], *names: str) -> Counter[tuple[str | bool, ...]]:
    """How many of the variants hold each combination of choices of these questions."""
    return Counter(tuple(variant[name] for name in names) for variant in variants)


def test_a_variant_answers_every_question_that_has_choices() -> None:
    assert all(list(variant) == QUESTIONS for variant in [*BAKED, *INSTALLED])


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(QUESTIONS, 2)))
def test_every_pair_of_choices_is_baked(one: str, other: str) -> None:
    assert occurrences(BAKED, one, other).keys() == set(itertools.product(choices(one), choices(other)))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_choice_is_installed_and_tested(name: str) -> None:
    assert occurrences(INSTALLED, name).keys() == {(choice,) for choice in choices(name)}


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(TOGETHER, 2)))
def test_every_pair_of_broker_database_and_django_version_is_installed_and_tested(one: str, other: str) -> None:
    assert occurrences(INSTALLED, one, other).keys() == set(itertools.product(choices(one), choices(other)))


def test_no_broker_database_and_django_version_is_installed_twice() -> None:
    assert set(occurrences(INSTALLED, *TOGETHER).values()) == {1}


@pytest.mark.parametrize("whole", [(), ("a",), ("b", "d")])
def test_questions_that_are_still_to_come_are_covered_too(whole: tuple[str, ...]) -> None:
    options: Options = {"a": [1, 2, 3, 4, 5], "b": [1, 2], "c": [True, False], "d": [1, 2, 3, 4], "e": [1, 2, 3, 4, 5]}

    variants = covering(options, *whole)

    for one, other in itertools.combinations(options, 2):
        assert occurrences(variants, one, other).keys() == set(itertools.product(options[one], options[other]))
    assert len(variants) < 40 < 2 * 2 * 4 * 5 * 5


@pytest.mark.parametrize("file", ["compose.yaml", "compose.production.yaml"])
def test_three_answers_alone_decide_the_compose_files(bake: Bake, file: str) -> None:
    """So what test_compose.py finds for these holds for every variant."""
    texts: dict[tuple[str, ...], set[str]] = {}
    for variant in BAKED:
        key = variant["broker"], variant["database"], variant["monitoring"]
        texts.setdefault(key, set()).add((bake(**variant) / file).read_text())

    assert {len(each) for each in texts.values()} == {1}
    assert {key[:2] for key in texts} == set(itertools.product(choices("broker"), choices("database")))


def test_a_variant_has_a_name_of_its_own() -> None:
    assert len({name_of(variant) for variant in BAKED}) == len(BAKED)
    assert OPTIONS.keys() == set(QUESTIONS)
