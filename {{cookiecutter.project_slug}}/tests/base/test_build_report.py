"""`manage.py build_report`."""

from io import StringIO

import pytest
from django.core.management import call_command


@pytest.mark.django_db(transaction=True)
def test_the_command_prints_the_result_of_the_report() -> None:
    out = StringIO()

    call_command("build_report", months=2, stdout=out)

    assert out.getvalue().count("new users\n") == 2
    assert "Result: 0 new users in 2 months (SUCCESS)." in out.getvalue()
