"""Runs each pattern of Celery's canvas, and prints as JSON what was expected of it and what came. ``docs/tasks.md`` lists them.

The tests copy this and ``canvas_tasks.py`` into a project.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import django

django.setup()

# The settings come first.
import canvas_tasks as t  # noqa: E402
from celery import chain, chord, group  # noqa: E402
from django.conf import settings  # noqa: E402

EAGER = settings.CELERY_TASK_ALWAYS_EAGER
NOTES = Path(os.environ["CANVAS_NOTES"])
SECONDS = 20.0  # until a result or a note is given up
ERROR = "an error"


class Row(NamedTuple):
    """A pattern, what its tasks note, and what its result is, on a broker and, if it differs, eagerly."""

    name: str
    pattern: Callable[[], Any]
    result: Any
    notes: list[str] = []  # noqa: RUF012 never changed
    eager_result: Any = ...


ROWS = [
    Row("chord", lambda: chord([t.add.s(1), t.add.s(2)], t.total.s())(), 5, ["total [2, 3]"]),
    Row("chord of one", lambda: chord([t.add.s(1)], t.total.s())(), 2, ["total [2]"]),
    Row("group | task", lambda: (group(t.add.s(1), t.add.s(2)) | t.total.s()).delay(), 5, ["total [2, 3]"]),
    Row("task | group | task", lambda: (t.add.s(1) | group(t.add.s(1), t.add.s(2)) | t.total.s()).delay(), 7, ["total [3, 4]"]),
    Row("chord of chains", lambda: chord([chain(t.add.s(1), t.add.s(1)), t.add.s(2)], t.total.s())(), 6, ["total [3, 3]"]),
    Row("chord of groups", lambda: chord([group(t.add.s(1), t.add.s(1)), t.add.s(1)], t.total.s())(), 6, ["total [2, 2, 2]"]),
    Row("chord with a retry", lambda: chord([t.second_time.s(1), t.add.s(2)], t.total.s())(), 4, ["total [1, 3]"]),
    Row("chord, a member fails", lambda: chord([t.add.s(1), t.fail.s()], t.total.s().on_error(t.complain.s()))(), ERROR, ["error"]),
    Row("chord, a member fails: task_id", lambda: chord([t.add.s(1), t.fail.s()], t.total.s().on_error(t.complain_of.s()))(), ERROR, ["error of id"]),
    Row("chord.on_error, a member fails", lambda: chord([t.add.s(1), t.fail.s()], t.total.s()).on_error(t.complain.s()).delay(), ERROR, ["error"]),
    Row("chord, the body fails", lambda: chord([t.add.s(1), t.add.s(2)], t.fail.s().on_error(t.complain.s()))(), ERROR, ["error"]),
    Row("chain", lambda: chain(t.add.s(1), t.add.s(1), t.keep.s()).delay(), 3),
    Row("chain, a task fails", lambda: chain(t.add.s(1), t.fail.s(), t.total.s()).on_error(t.complain.s()).delay(), ERROR, ["error"]),
    Row("link", lambda: t.keep.apply_async((1,), link=t.say.s(what="linked")), 1, ["linked"]),
    Row("link_error", lambda: t.fail.apply_async((), link_error=t.complain.s(), ignore_result=False), ERROR, ["error"]),
    Row("group", lambda: group(t.keep.s(1), t.keep.s(2)).delay(), [1, 2]),
    Row("map", lambda: t.keep.map([1, 2, 3]).delay(), [1, 2, 3]),
    Row("map of a task that ignores its result", lambda: t.add.map([1, 2, 3]).delay(), None, eager_result=[2, 3, 4]),
    Row("starmap", lambda: t.keep.starmap([(1,), (2,)]).delay(), [1, 2]),
    Row("chunks", lambda: t.keep.chunks([(1,), (2,), (3,)], 2)(), [[1, 2], [3]]),
    Row("replace by a task", lambda: t.replaced_by_one.delay(1), 2),
    Row("replace by a group", lambda: t.replaced_by_group.delay(1), [2, 3]),
]  # fmt: skip


def run(row: Row) -> dict[str, Any]:
    """What was expected and what came. In eager mode an error is raised at once."""
    result = row.result if not EAGER or row.eager_result is ... else row.eager_result
    NOTES.write_text("")
    try:
        came = row.pattern().get(timeout=SECONDS)
    except Exception as error:
        came = "no result" if "TimeoutError" in type(error).__name__ else ERROR
    end = time.monotonic() + SECONDS
    while len(noted := NOTES.read_text().splitlines()) < len(row.notes) and time.monotonic() < end:
        time.sleep(0.05)
    return {"name": row.name, "expected": [result, row.notes], "came": [came, noted]}


if __name__ == "__main__":
    for row in ROWS:
        print(json.dumps(run(row)), flush=True)
