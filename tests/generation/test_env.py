"""A bake writes .env once, with secrets of its own, and never loses a line of it."""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from dotenv import dotenv_values

from bake_steps import env_files
from tests.baking import CHOICES, TEMPLATE, bake_command, bake_into, clean_environment

Bake = Callable[..., Path]
EXPECTED = {
    "none": {"CELERY_BROKER_URL": "", "CELERY_RESULT_BACKEND": "", "COMPOSE_PROFILES": ""},
    "redis": {
        "CELERY_BROKER_URL": "redis://localhost:6379/1",
        "CELERY_RESULT_BACKEND": "redis://localhost:6379/2",
        "COMPOSE_PROFILES": "broker",
    },
    "valkey": {
        "CELERY_BROKER_URL": "redis://localhost:6379/1",
        "CELERY_RESULT_BACKEND": "redis://localhost:6379/2",
        "COMPOSE_PROFILES": "broker",
    },
    "rabbitmq": {
        "CELERY_BROKER_URL": "amqp://my_project:SECRET@localhost:5672/my_project",
        "CELERY_RESULT_BACKEND": "",
        "COMPOSE_PROFILES": "broker",
    },
}
FILES = [".env", ".env.production"]
# Files as people have them: each sets DJANGO_SECRET_KEY, and lacks most of what a bake writes.
ODD = {
    "CRLF": b"# mine\r\nDJANGO_SECRET_KEY=mine\r\n",
    "no final newline": b"# mine\nDJANGO_SECRET_KEY=mine",
    "blank lines at the end": b"DJANGO_SECRET_KEY=mine\n\n\n",
    "export": b"export DJANGO_SECRET_KEY=mine\n",
    "blanks": b"  DJANGO_SECRET_KEY = mine # a note\n",
    "quotes": b"DJANGO_SECRET_KEY='mine' # a 'note'\n",
    "several lines": b'OTHER="DATABASE_URL=1\nWEB_PORT=2"\nDJANGO_SECRET_KEY=mine\n',
    "set twice": b"DJANGO_SECRET_KEY=other\nDJANGO_SECRET_KEY=mine\n",
    "not UTF-8": b"# caf\xe9\nDJANGO_SECRET_KEY=mine\n",
    "a byte-order mark": b"\xef\xbb\xbfDJANGO_SECRET_KEY=mine\n",
}
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes, limits or signals")


def written_over(project: Path, folder: Path, mine: bytes) -> Path:
    """The .env that the hook makes of ``mine``, with the example of the project."""
    shutil.copy(project / ".env.example", folder)
    env = folder / ".env"
    env.write_bytes(mine)
    env_files.write(env)
    return env


@pytest.mark.parametrize("broker", CHOICES["broker"])
def test_env_names_the_broker(bake: Bake, broker: str) -> None:
    variables = dotenv_values(bake(broker=broker) / ".env")
    secret = variables.get("RABBITMQ_PASSWORD") or "SECRET"

    assert {name: str(variables[name]).replace(secret, "SECRET") for name in EXPECTED[broker]} == EXPECTED[broker]


def test_uncommenting_three_lines_turns_the_broker_on(bake: Bake, tmp_path: Path) -> None:
    text = (bake(broker="none") / ".env").read_text()
    edited = tmp_path / ".env"
    edited.write_text(re.sub(r"^# (CELERY_\w+=|COMPOSE_PROFILES=)", r"\1", text, flags=re.MULTILINE))

    assert EXPECTED["redis"].items() <= dotenv_values(edited).items()


def test_with_postgresql_env_names_the_database(bake: Bake) -> None:
    variables = dotenv_values(bake(database="postgresql") / ".env")

    password = variables["POSTGRES_PASSWORD"]
    assert variables["DATABASE_URL"] == f"postgresql://my_project:{password}@localhost:5432/my_project"


@posix_only
@pytest.mark.parametrize("file", FILES)
def test_env_is_for_its_owner_only(bake: Bake, file: str) -> None:
    assert stat.S_IMODE((bake() / file).stat().st_mode) == 0o600


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("broker", CHOICES["broker"])
@pytest.mark.parametrize("database", CHOICES["database"])
def test_the_example_names_the_same_variables_and_holds_no_secret(
    bake: Bake, file: str, broker: str, database: str
) -> None:
    project = bake(broker=broker, database=database)
    variables, example = (dotenv_values(project / name, interpolate=False) for name in (file, f"{file}.example"))
    secrets = {name for name in example if "change-me" in str(example[name])}
    if file == ".env.production":  # there they are empty, which stops the start
        assert secrets == set()
        secrets = {name for name in example if name.endswith(("_KEY", "_PASSWORD"))}

    assert variables.keys() == example.keys()
    assert "DJANGO_SECRET_KEY" in secrets
    assert all(variables[name] == example[name] for name in example.keys() - secrets)
    assert all(variables[name] != example[name] for name in secrets)
    assert "change-me" not in (project / file).read_text()


def test_each_bake_has_secrets_of_its_own(bake: Bake, tmp_path: Path) -> None:
    ours, theirs = dotenv_values(bake() / ".env"), dotenv_values(bake_into(tmp_path) / ".env")

    assert ours["DJANGO_SECRET_KEY"] != theirs["DJANGO_SECRET_KEY"]
    assert len(str(ours["DJANGO_SECRET_KEY"])) >= 50


def test_no_secret_is_left_in_the_replay_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert bake_command(home, "broker=rabbitmq", "database=postgresql").returncode == 0
    secrets = {value for file in FILES for name, value in dotenv_values(home / "my_project" / file).items() if "PASSWORD" in name or "SECRET" in name}  # fmt: skip

    replays = list(home.glob(".cookiecutter_replay/*.json"))
    assert len(secrets) == 6
    assert replays
    assert not [secret for replay in replays for secret in secrets if str(secret) in replay.read_text()]


def test_a_second_bake_keeps_every_line_and_adds_what_is_missing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    project = bake_into(tmp_path)
    env = project / ".env"
    mine = "# my own note\nDJANGO_SECRET_KEY=mine\n\nMY_OWN=1\n\nCOMPOSE_PROFILES=broker\n"
    env.write_text(mine)

    bake_into(tmp_path, broker="redis")

    text = env.read_text()
    assert text.startswith(mine.rstrip())
    assert dotenv_values(env)["DJANGO_SECRET_KEY"] == "mine"
    assert text.count("COMPOSE_PROFILES=") == 1
    assert dotenv_values(env)["CELERY_BROKER_URL"] == "redis://localhost:6379/1"
    assert "Added to .env: DATABASE_URL, CELERY_BROKER_URL, CELERY" in capfd.readouterr().out


def test_a_second_bake_with_nothing_missing_leaves_the_file_alone(tmp_path: Path) -> None:
    env = bake_into(tmp_path) / ".env"
    os.utime(env, (1, 1))

    bake_into(tmp_path)

    assert env.stat().st_mtime == 1


@pytest.mark.parametrize("mine", ODD.values(), ids=ODD)
def test_a_second_bake_keeps_every_byte_of_a_file_written_in_any_way(bake: Bake, tmp_path: Path, mine: bytes) -> None:
    env = written_over(bake(), tmp_path, mine)

    added = env.read_bytes().removeprefix(mine)
    assert env.read_bytes() == mine + added
    assert {b"DATABASE_URL=", b"WEB_PORT=8000"} <= set(added.splitlines())
    assert b"DJANGO_SECRET_KEY" not in added
    assert added.count(b"\r\n") == (added.count(b"\n") if b"\r\n" in mine else 0)
    if b"\xe9" not in mine:
        assert dotenv_values(env, encoding="utf-8-sig")["DJANGO_SECRET_KEY"] == "mine"


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("POSTGRES_PASSWORD=mine", "mine"),
        ("POSTGRES_PASSWORD='my $e/cret@'", "my $e/cret@"),
        ("DATABASE_URL=postgres://ada:my%20%24e%2Fcret%40@db.example.com/tides", "my $e/cret@"),
        ("DATABASE_URL=sqlite:///tides.sqlite3", None),
        ("DATABASE_URL=postgresql://ada:${POSTGRES_PASSWORD}@localhost/tides", None),
    ],
)
def test_a_password_that_is_there_is_used_for_the_variable_that_is_missing(
    bake: Bake, tmp_path: Path, line: str, password: str | None
) -> None:
    env = written_over(bake(database="postgresql"), tmp_path, f"{line}\n".encode())

    values = dotenv_values(env, interpolate=False)
    new = values["POSTGRES_PASSWORD"]
    assert (new == password) if password else (len(str(new)) > 50)
    if line.startswith("POSTGRES"):
        assert urlsplit(str(values["DATABASE_URL"])).hostname == "localhost"
        assert unquote(str(urlsplit(str(values["DATABASE_URL"])).password)) == password


def test_the_password_of_one_broker_is_not_given_to_another(bake: Bake, tmp_path: Path) -> None:
    env = written_over(bake(broker="rabbitmq"), tmp_path, b"CELERY_BROKER_URL=redis://:mine@localhost/1\n")

    assert dotenv_values(env)["RABBITMQ_PASSWORD"] != "mine"


def test_after_a_change_of_broker_the_values_that_were_kept_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bake_into(tmp_path)
    capfd.readouterr()
    bake_into(tmp_path, broker="redis")
    changed = capfd.readouterr().out
    bake_into(tmp_path, broker="redis")

    assert capfd.readouterr().out == ""
    assert "Kept your values in .env: CELERY_BROKER_URL, CELERY_RESULT_BACKEND, COMPOSE_PROFILES. .env.ex" in changed


@posix_only
def test_a_file_that_others_can_read_is_taken_away_from_them(
    bake: Bake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env = Path(shutil.copytree(bake(), tmp_path / "project")) / ".env"
    env.chmod(0o644)

    env_files.write(env)

    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert f"Made {env} readable by its owner only. Its mode was 0644." in capfd.readouterr().out


@posix_only
def test_a_link_stays_a_link(bake: Bake, tmp_path: Path) -> None:
    env = Path(shutil.copytree(bake(), tmp_path / "project")) / ".env"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("DJANGO_SECRET_KEY=mine\n")
    env.unlink()
    env.symlink_to(elsewhere)

    env_files.write(env)

    assert env.is_symlink()
    assert elsewhere.read_text().startswith("DJANGO_SECRET_KEY=mine\n")
    assert "WEB_PORT=8000" in elsewhere.read_text()


def bake_again_with_a_small_disk(folder: Path) -> subprocess.CompletedProcess[str]:
    """Bake over a project in a process that may write no file larger than 100 kB."""
    import resource

    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input", "-f", "-o", str(folder)]
    limit = (100_000, 100_000)
    return subprocess.run(
        command,
        env=clean_environment(HOME=str(folder)),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        capture_output=True,
        text=True,
    )


def bake_again_and_be_killed(folder: Path) -> subprocess.CompletedProcess[str]:
    """Bake over a project, and kill the hook when it has written the new file and not yet put it in place."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import os\nos.fsync = lambda _: os.kill(os.getpid(), 9)\n")
    return bake_command(folder, "--overwrite-if-exists", PYTHONPATH=str(site))


@posix_only
@pytest.mark.parametrize("bake_again", [bake_again_with_a_small_disk, bake_again_and_be_killed])
def test_an_interrupted_bake_leaves_the_file_as_it_was_and_nothing_that_git_would_track(
    tmp_path: Path, bake_again: Callable[[Path], subprocess.CompletedProcess[str]]
) -> None:
    project = bake_into(tmp_path)
    subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    subprocess.run(["git", "add", "."], cwd=project, check=True)
    mine = "DJANGO_SECRET_KEY=mine\n" + "# A long note.\n" * 20_000
    (project / ".env").write_text(mine)

    done = bake_again(tmp_path)

    assert done.returncode != 0
    assert (project / ".env").read_text() == mine
    status = subprocess.run(["git", "status", "--porcelain", "-uall"], cwd=project, capture_output=True, text=True)
    assert not [line for line in status.stdout.splitlines() if line.startswith("??")]
    if bake_again is bake_again_with_a_small_disk:
        assert "ERROR: Could not write .env: File too large. The file is unchanged." in done.stderr
        assert not list(project.glob(".env*.new"))

    bake_into(tmp_path)

    assert "WEB_PORT=8000" in (project / ".env").read_text().removeprefix(mine)
    assert not list(project.glob(".env*.new"))


def test_lines_end_as_on_unix(bake: Bake) -> None:
    assert b"\r" not in (bake() / ".env").read_bytes()
