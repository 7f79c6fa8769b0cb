"""What the scheduler takes from its base classes without their promise: read in django-celery-beat 2.9.0, Celery 5.7.0.

When a test here fails after an upgrade, read the named code again before changing the name.
"""

import inspect

import pytest
from celery.apps.beat import Beat
from celery.beat import Scheduler as CelerysScheduler
from celery.beat import Service
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from background.scheduler.lead import Lead
from background.scheduler.scale import Entry, Scale
from background.scheduler.seed import Seed

OVERRIDDEN = {
    Seed: {"setup_schedule", "update_from_dict"},
    Lead: {"setup_schedule", "tick", "is_due", "sync", "close"},
    Scale: {
        "tick",
        "adjust",
        "populate_heap",
        "reserve",
        "schedule",
        "schedule_changed",
        "_get_crontab_exclude_query",
        "sync",
        "Entry",
        "Model",
        "sync_every",
    },
}
STATE = {
    "_schedule",
    "_dirty",
    "_initial_read",
    "_heap_invalidated",
    "_last_timestamp",
    "_last_full_sync",
}


@pytest.mark.parametrize(
    ("part", "name"), [(part, name) for part, names in OVERRIDDEN.items() for name in sorted(names)]
)
def test_what_is_overridden_is_there(part: type, name: str) -> None:
    assert name in vars(part)
    assert hasattr(DatabaseScheduler, name)


@pytest.mark.parametrize("part", OVERRIDDEN)
def test_nothing_else_is_overridden(part: type) -> None:
    overridden = {name for name in vars(part) if hasattr(DatabaseScheduler, name) and not name.startswith("__")}

    assert overridden == OVERRIDDEN[part]


def test_an_entry_s_privates_are_there() -> None:
    assert {"_disable", "_default_now", "__next__", "save"} <= vars(ModelEntry).keys()
    assert "save" not in vars(Entry)
    assert ".schedule" in inspect.getsource(ModelEntry.__init__)


@pytest.mark.parametrize("name", sorted(STATE))
def test_the_state_is_kept_under_these_names(name: str) -> None:
    assert name in inspect.getsource(DatabaseScheduler)


@pytest.mark.parametrize("name", ["_when", "_is_due_failed", "_do_sync", "should_sync", "install_default_entries"])
def test_what_celery_s_scheduler_does_for_us_is_there(name: str) -> None:
    assert callable(getattr(CelerysScheduler, name))


def test_the_heap_is_celery_s() -> None:
    assert "self._heap" in inspect.getsource(CelerysScheduler.tick)


def test_a_service_ticks_until_it_is_stopped_and_then_closes_the_scheduler() -> None:
    """So a signal need only stop it."""
    assert "while not self._is_shutdown.is_set()" in inspect.getsource(Service.start)
    assert "self.scheduler.close()" in inspect.getsource(Service.sync)


def test_the_handlers_are_installed_before_the_scheduler_is_made() -> None:
    code = inspect.getsource(Beat.start_scheduler)

    assert 0 < code.index("self.install_sync_handler(service)") < code.index("service.start()")
