"""The steps that finish a bake, one by one. test_env.py and test_again.py see them at work in whole bakes."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from jinja2 import Environment

from bake_steps import answers_file, env_text

EXAMPLE = """\
# The key.
DJANGO_SECRET_KEY=change-me-django-secret-key

# The database.
DATABASE_URL=postgresql://ada:change-me-password@localhost/tides
POSTGRES_PASSWORD=change-me-password
"""


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", '{"cookiecutter": null}', '{"cookiecutter": ["broker"]}'])
def test_a_damaged_answers_file_counts_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(".cookiecutter.json").write_text(damaged)

    assert answers_file.read() == {}


@pytest.mark.parametrize("answer", ["plain", "{{ 7 * 7 }}", '{"', "{\\", "{% raw %}'\\n", True])
def test_a_default_renders_to_the_answer(answer: object) -> None:
    default = answers_file.as_default(answer)

    assert (Environment().from_string(default).render() if isinstance(default, str) else default) == answer


@pytest.mark.parametrize(
    "text",
    [
        "A=1\nB = 2 # two\n",
        "export A='it\\'s'\n#B=1\n",
        'A="1\nB=2"\nC=3',
        "A=1\nA=2\n",
        "A=\r\nB=' # '\r\n",
        "A=x#y\n",
    ],
)
def test_an_env_file_is_read_as_python_dotenv_reads_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text.encode())

    assert env_text.assignments(text) == dotenv_values(file)


def test_nothing_is_added_to_a_file_that_has_all() -> None:
    assert env_text.additions(EXAMPLE, EXAMPLE) == ""


def test_one_secret_fills_all_places_of_one_placeholder() -> None:
    values = env_text.assignments(env_text.additions(EXAMPLE, ""))

    assert values["DATABASE_URL"] == f"postgresql://ada:{values['POSTGRES_PASSWORD']}@localhost/tides"
    assert values["DJANGO_SECRET_KEY"] != values["POSTGRES_PASSWORD"]


def test_only_the_lines_that_are_missing_are_added_with_their_comment() -> None:
    added = env_text.additions(EXAMPLE, "DJANGO_SECRET_KEY=mine\nPOSTGRES_PASSWORD=it's\n")

    assert added == "# The database.\nDATABASE_URL=postgresql://ada:it%27s@localhost/tides"


def test_a_secret_is_no_difference_and_another_host_is_one() -> None:
    text = env_text.additions(EXAMPLE, "")

    assert env_text.differing(EXAMPLE, text) == []
    assert env_text.differing(EXAMPLE, text.replace("localhost", "db.example.com")) == ["DATABASE_URL"]


REFERRING = """\
BROKER_PASSWORD=change-me-broker-password

CELERY_BROKER_URL=amqp://ada:${BROKER_PASSWORD}@localhost/tides
"""


def test_a_url_goes_on_referring_to_the_password() -> None:
    added = env_text.additions(REFERRING, "")

    assert "CELERY_BROKER_URL=amqp://ada:${BROKER_PASSWORD}@localhost/tides" in added
    assert env_text.additions(REFERRING, added.partition("\n")[0]) == REFERRING.splitlines()[2]


def test_a_password_that_no_url_can_hold_is_encoded_in_place_of_the_reference() -> None:
    added = env_text.additions(REFERRING, "BROKER_PASSWORD='my $e/cret@'\n")

    assert added == "CELERY_BROKER_URL=amqp://ada:my%20%24e%2Fcret%40@localhost/tides"


def test_the_password_of_a_url_that_is_there_is_the_one_that_other_urls_refer_to() -> None:
    text = "CELERY_BROKER_URL=amqp://ada:mine@localhost/tides\n"

    added = env_text.additions(REFERRING, text)

    assert added == "BROKER_PASSWORD=mine"
    assert env_text.differing(REFERRING, text + added) == []
