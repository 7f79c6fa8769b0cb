"""Each override of Celery, kombu and django-celery-beat has a row in UPSTREAM.md, and each row is still true.

When a test here fails after an upgrade, reread the code that the row names before you change the row.
"""

import importlib.metadata
import inspect
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from celery.apps.beat import Beat
from celery.beat import Scheduler as CelerysScheduler
from celery.beat import Service
from django.db import models
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

import background
from background.beat.entry import Entry

FILE = Path(background.__file__).with_name("UPSTREAM.md")
LIBRARIES = ("celery", "kombu", "django_celery_beat")
NEEDS = {"kombu.transport.redis": "redis"}  # what a project with RabbitMQ does not install
# Python, Django and Celery set these on every class of the kind, or a class is made to be extended by them.
SET_BY_OTHERS = {"__module__", "_abc_impl", "__abstractmethods__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__", "__annotations__", "__annotate_func__", "__annotations_cache__", "__qualname__", "__orig_bases__", "__reduce__", "app"}  # fmt: skip
EXTENSIONS = {"celery.bootsteps"}
STATE = {"_schedule", "_dirty", "_heap_invalidated", "_last_timestamp"}


def table() -> list[list[str]]:
    """The cells of each row."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_of(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)


UPSTREAM = sorted({name for row in table() for name in names_of(row[1])})


def resolve(name: str) -> Any:
    """What a dotted name names: a module, then attributes."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


def own_classes() -> Iterator[type]:
    """The classes that background/ defines."""
    for module in pkgutil.walk_packages(background.__path__, "background."):
        if ".tests" in module.name or module.name.startswith(("background.testing", "background.migrations")):
            continue
        if "redis_" in module.name and not find_spec("redis"):
            continue
        for _, cls in inspect.getmembers(import_module(module.name), inspect.isclass):
            if cls.__module__ == module.name:
                yield cls


def overrides() -> Iterator[tuple[str, str]]:
    """Each attribute of a library's class that a class of background/ replaces: its file, and the attribute's name."""
    for cls in own_classes():
        for name in vars(cls).keys() - SET_BY_OTHERS:
            owner = next((base for base in cls.__mro__[1:] if name in vars(base)), None)
            if owner is None or owner.__module__ in EXTENSIONS:
                continue
            if issubclass(cls, models.Model) and not inspect.isroutine(vars(cls)[name]) and name != "schedule":
                continue
            if owner.__module__.startswith(LIBRARIES):
                file = Path(inspect.getfile(cls)).relative_to(FILE.parent).as_posix()
                yield file, f"{owner.__module__}.{owner.__name__}.{name}"


def test_each_override_has_a_row() -> None:
    rows = {(file, name) for row in table() for file in re.findall(r"`([\w./]+)`", row[0]) for name in names_of(row[1])}
    found = {(file, name) for file, name in overrides() if not name.endswith(".media")}

    assert len(found) > 20
    assert found - rows == set()


@pytest.mark.parametrize("name", UPSTREAM)
def test_what_a_row_names_is_there(name: str) -> None:
    for module, package in NEEDS.items():
        if name.startswith(module) and not find_spec(package):
            pytest.skip(f"{package} is not installed")
    if name.endswith("._last_tick"):
        assert "self._last_tick = time.monotonic()" in inspect.getsource(Service.start)
    else:
        resolve(name)


@pytest.mark.parametrize("file", sorted({file for row in table() for file in re.findall(r"`([\w./]+\.py)`", row[0])}))
def test_the_file_of_a_row_is_there(file: str) -> None:
    assert (FILE.parent / file).is_file()


@pytest.mark.parametrize("read", sorted({row[2] for row in table()}))
def test_the_minor_release_that_was_read_is_installed(read: str) -> None:
    library, version = read.split()
    installed = importlib.metadata.version(library.lower())

    assert installed.split(".")[:2] == version.split(".")[:2]


@pytest.mark.parametrize("name", sorted(STATE))
def test_django_celery_beat_keeps_its_state_under_these_names(name: str) -> None:
    assert name in inspect.getsource(DatabaseScheduler)


def test_an_entry_is_saved_in_bulk_only_where_it_does_not_save_itself() -> None:
    assert "save" not in vars(Entry)
    assert ".schedule" in inspect.getsource(ModelEntry.__init__)


def test_the_heap_is_celery_s() -> None:
    assert "self._heap" in inspect.getsource(CelerysScheduler.tick)


def test_a_service_ticks_until_it_is_stopped_and_then_closes_the_scheduler() -> None:
    """So a signal need only stop it."""
    assert "while not self._is_shutdown.is_set()" in inspect.getsource(Service.start)
    assert "self.scheduler.close()" in inspect.getsource(Service.sync)


def test_the_handlers_are_installed_before_the_scheduler_is_made() -> None:
    code = inspect.getsource(Beat.start_scheduler)

    assert 0 < code.index("self.install_sync_handler(service)") < code.index("service.start()")
