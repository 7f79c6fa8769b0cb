"""`manage.py build_report`."""

from io import StringIO

import pytest
from django.core.management import call_command


@pytest.mark.usefixtures("both_modes")
def test_the_command_prints_the_result_of_the_report() -> None:
    out = StringIO()

    call_command("build_report", months=1, stdout=out)

    assert out.getvalue().count("new users\n") == 1
    assert "Result: 0 new users in 1 months (SUCCESS)." in out.getvalue()
