"""Whatever is answered, in either way: a refusal that explains, or a project in which the answers are unharmed.

``HYPOTHESIS_PROFILE=thorough`` draws 1,000 answer sets a test instead of 25.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests import hostile


@given(hostile.any_answers, st.booleans())
def test_any_answers_make_a_project_or_a_refusal(drawn: dict[str, Any], typed: bool) -> None:
    hostile.check(drawn, typed)


@given(hostile.good_answers, st.booleans())
def test_odd_but_good_answers_make_a_project(drawn: dict[str, Any], typed: bool) -> None:
    hostile.check(drawn, typed, good=True)
