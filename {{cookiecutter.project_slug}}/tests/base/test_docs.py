"""The examples of docs/ run."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from background.models import FailedTask

DOCS = Path(__file__).parents[2] / "docs"

pytestmark = pytest.mark.django_db(transaction=True)


def first_example(page: str) -> dict[str, Any]:
    """The names that the first piece of Python on a page defines."""
    names: dict[str, Any] = {}
    code = re.search(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert code
    exec(code[1], names)
    return names


@pytest.mark.usefixtures("both_modes")
def test_a_task_goes_with_its_transaction(
    wait_until: Callable[[Callable[[], object]], None], sent_mails: Callable[[], list[Any]]
) -> None:
    first_example("outbox.md")["sign_up"]("ada", "ada@example.com")
    wait_until(sent_mails)

    assert [mail["To"] for mail in sent_mails()] == ["ada@example.com"]


def test_a_task_runs_once_at_a_time_for_each_value() -> None:
    count_stock = first_example("one-at-a-time.md")["count_stock"]

    assert count_stock.one_at_a_time == ("shop_pk",)
    assert count_stock.delay(shop_pk=3).get() == 3


def test_failed_tasks_are_run_again() -> None:
    row = FailedTask(task_id="one", task="base.tasks.send_welcome_mail", arguments="[[0], {}]", attempts=1)
    row.save()
    (new_id,) = first_example("failures.md")["run_failed_mails_again"]()

    row.refresh_from_db()
    assert row.run_again_as == new_id
