"""Sets of variants that hold every pair of choices, or every choice, of cookiecutter.json.

A generator of our own, because it has to build upon rows that are given: what hangs on the broker, the database and the
CI at once is baked in full, and the other questions ride along. allpairspy (last release in 2023) takes no such rows,
and where rows are forbidden it misses pairs.
"""

import itertools
import math
import os
from typing import Any

from tests.baking import QUESTIONS

Options = dict[str, list[Any]]
Variant = dict[str, Any]

# Every question with a fixed list of answers.
OPTIONS: Options = {
    name: [True, False] if isinstance(default, bool) else default
    for name, default in QUESTIONS.items()
    if isinstance(default, bool | list)
}


def pairs(variant: Variant) -> list[frozenset[tuple[str, Any]]]:
    """The pairs of choices that a variant holds."""
    return [frozenset(pair) for pair in itertools.combinations(variant.items(), 2)]


def covering(options: Options, *whole: str) -> list[Variant]:
    """Variants in which every pair of choices occurs, few but not the fewest; every run gives the same.

    They begin with the full product of the questions named in ``whole``, filled up with choices of the others.
    """
    missing = dict.fromkeys(
        frozenset(pair)
        for one, other in itertools.combinations(options, 2)
        for pair in itertools.product(
            [(one, choice) for choice in options[one]], [(other, choice) for choice in options[other]]
        )
    )
    variants: list[Variant] = []

    def add(variant: Variant) -> None:
        for name in [name for name in options if name not in variant]:
            found = {
                choice: sum(pair in missing for pair in pairs({**variant, name: choice})) for choice in options[name]
            }
            variant[name] = max(found, key=lambda choice: found[choice])
        for pair in pairs(variant):
            missing.pop(pair, None)
        variants.append({name: variant[name] for name in options})

    for row in itertools.product(*(options[name] for name in whole)):
        add(dict(zip(whole, row, strict=True)))
    while missing:
        add(dict(next(iter(missing))))
    return variants


def filled(options: Options, *whole: str) -> list[Variant]:
    """The full product of the questions named in ``whole``, and no more, filled up with choices of the others."""
    return covering(options, *whole)[: math.prod(len(options[name]) for name in whole)]


# Baked and read on every run.
BAKED = covering(OPTIONS, "broker", "database", "ci")
# Installed, linted, type-checked and tested: every pair of broker, database and Django version, and with EVERY_VARIANT=1
# (`make test-variants`) all three together, which takes twice as long.
TOGETHER = ("broker", "database", "django_version")
INSTALLED = filled(OPTIONS, *TOGETHER if os.environ.get("EVERY_VARIANT") == "1" else TOGETHER[:2])


def name_of(variant: Variant) -> str:
    """What a test calls a variant."""
    return "-".join(str(choice) if isinstance(choice, str) else f"{name}={choice}" for name, choice in variant.items())
