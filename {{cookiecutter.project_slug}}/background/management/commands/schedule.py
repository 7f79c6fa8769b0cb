"""The schedule on the command line."""

import json
import sys
from collections.abc import Collection, Iterator
from datetime import datetime
from textwrap import wrap
from typing import Any, NamedTuple

from celery import Celery, current_app
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from kombu.exceptions import OperationalError

from background.beat import lease
from background.models import SeededEntry
from background.registry import entries_in_code
from background.schedule import drift, edit, run, seed
from background.schedule.drift import Difference
from background.schedule.kinds import FIELDS
from background.schedule.rows import RefusedEntryError, UnknownEntryError, rows_of
from background.schedule.words import next_run, readable, words

HEADS = ("KEY", "SCHEDULE", "STATE", "LAST RUN", "NEXT RUN", "FROM", "DRIFT")
WIDTH = 120  # characters
NARROWEST = 20  # characters for the words of a schedule
GAP = "  "
ORIGINS = {"database": "a person"}  # what the table says, where it is not the word itself


class Line(NamedTuple):
    """What the table, or the JSON, says of one entry."""

    key: str
    task: str
    kind: str
    schedule: str
    enabled: bool
    last_run: datetime | None
    next_run: datetime | None
    origin: str
    drift: list[Difference]


class Command(BaseCommand):
    help = (
        "List the entries of the schedule in the database: when they run, where they come from, and how they"
        " differ from CELERY_BEAT_SCHEDULE in the settings."
    )
    # An entry that the database can't hold must not hide the others. The command itself reports it.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="list the entries as JSON, with times in ISO 8601")
        parser.add_argument(
            "--check",
            action="store_true",
            help="exit with status 1 if an entry has drifted, is refused, or is not in the database",
        )
        actions = parser.add_subparsers(dest="action", title="actions")
        actions.add_parser("seed", help="add the entries of the settings that are not yet in the database")
        apply = actions.add_parser("apply", help="overwrite entries in the database with the settings")
        apply.add_argument("keys", nargs="*", metavar="KEY", help="the entry's name")
        apply.add_argument("--all", action="store_true", help="apply all entries that have drifted or are missing")
        apply.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        prune = actions.add_parser("prune", help="delete the entries that are no longer in the settings")
        prune.add_argument("--yes", action="store_true", help="do not ask for confirmation")
        run = actions.add_parser("run", help="send the task of an entry now")
        run.add_argument("key", metavar="KEY", help="the entry's name")

    def handle(self, *args: Any, action: str | None, **options: Any) -> None:
        app = current_app
        match action:
            case "seed":
                self.seed(app)
            case "apply":
                self.apply(app, options["keys"], everything=options["all"], yes=options["yes"])
            case "prune":
                self.prune(app, yes=options["yes"])
            case "run":
                self.run(app, options["key"])
            case _:
                self.show(app, as_json=options["json"], check=options["check"])

    # The list

    def show(self, app: Celery, *, as_json: bool, check: bool) -> None:
        """Print the table or the JSON, and the differences from the settings. ``check`` prints only these and fails."""
        lines = list(lines_of(app))
        problems = list(problems_of(app, lines))
        if as_json:
            self.stdout.write(json.dumps([as_object(line) for line in lines], indent=2, ensure_ascii=False))
        elif not check:
            self.show_table(lines)
            if problems:
                self.stdout.write("")
        if check or not as_json:
            for problem in problems:
                (self.stderr if as_json else self.stdout).write(problem)
        if not check and not as_json:
            self.stdout.write(f"\n{leader()}")
        if check and problems:
            raise CommandError("The schedule in the database differs from the settings.")
        if check and not as_json:
            self.stdout.write("The schedule in the database matches the settings.")

    def show_table(self, lines: list[Line]) -> None:
        """Print the table. If it would be too wide, the words for a schedule take several lines."""
        rows = [HEADS, *map(cells, lines)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        others = sum(widths) - widths[1] + len(GAP) * (len(widths) - 1)
        widths[1] = min(widths[1], max(WIDTH - others, NARROWEST))
        for key, text, *rest in rows:
            first, *more = wrap(text, widths[1])
            row = zip((key, first, *rest), widths, strict=True)
            self.stdout.write(GAP.join(cell.ljust(width) for cell, width in row).rstrip())
            for part in more:
                self.stdout.write(" " * widths[0] + GAP + part)

    # Changes

    def seed(self, app: Celery) -> None:
        written, refused = seed.seed(app)
        for key in written:
            self.stdout.write(f"Seeded {key}.")
        for key, reasons in refused.items():
            self.stderr.write(str(RefusedEntryError(key, reasons)))
        if refused:
            raise CommandError("Some entries of the settings could not be seeded.")

    def apply(self, app: Celery, keys: Collection[str], *, everything: bool, yes: bool) -> None:
        if bool(keys) == everything:
            raise CommandError("Name the entries, or use --all.")
        refused = seed.refused(app) if everything else {}
        try:
            entries = edit.entries_of(app, set(entries_in_code(app)) - refused.keys() if everything else keys)
            self.propose(app, entries, yes=yes)
        except (UnknownEntryError, RefusedEntryError) as error:
            raise CommandError(str(error)) from error
        for key, reasons in refused.items():
            self.stderr.write(str(RefusedEntryError(key, reasons)))
        if refused:
            raise CommandError("Some entries of the settings could not be applied.")

    def propose(self, app: Celery, keys: Collection[str], *, yes: bool) -> None:
        """Show what would be written to these entries, ask, and write it."""
        missing = [key for key in seed.missing(app) if key in keys]
        drifted = {key: differences for key, differences in drift.drift(app).items() if key in keys}
        for key in missing:
            self.stdout.write(f"{key}: not in the database -> as in the settings")
        for key, differences in drifted.items():
            for difference in differences:
                self.stdout.write(f"{key}: {difference.field}: {difference.database} -> {difference.settings}")
        if not missing and not drifted:
            self.stdout.write("There is nothing to apply.")
            return
        self.confirm("Overwrite the database with the settings", yes=yes)
        for key in edit.apply(app, [*missing, *drifted]):
            self.stdout.write(f"Applied {key}.")

    def prune(self, app: Celery, *, yes: bool) -> None:
        orphans = rows_of(seed.orphans(app))
        for row in orphans:
            self.stdout.write(f"{row.name}: {row.task}, {words(row.scheduler)}, will be deleted")
        if not orphans:
            self.stdout.write("There is nothing to prune.")
            return
        self.confirm("Delete these entries", yes=yes)
        for key in edit.prune(app):
            self.stdout.write(f"Deleted {key}.")

    def run(self, app: Celery, key: str) -> None:
        try:
            result = run.run(app, key)
        except (UnknownEntryError, RefusedEntryError, OperationalError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Sent {key}: task {result.id}.")

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask on a terminal, and raise a CommandError unless the answer is yes."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed, because a confirmation needs a terminal. Use --yes without one.")
        if input(f"{question}? [y/N] ").strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.")


def leader() -> str:
    """Which beat sends what is due, in a sentence."""
    tenure = lease.tenure(lease.SCHEDULE)
    if tenure is None:
        return "No beat has run yet."
    seconds = round(tenure.age.total_seconds())
    ago = "a second ago" if seconds == 1 else f"{seconds} seconds ago"
    if not tenure.is_live:
        return f"No beat is running. The last one ticked {ago}."
    return f"The beat {tenure.holder} has been leading since {as_cell(tenure.since)} and ticked {ago}."


def lines_of(app: Celery) -> Iterator[Line]:
    """A line for each entry, sorted by key. The number of queries does not depend on the number of entries."""
    rows = rows_of()
    drifted = drift.drift(app, rows)
    entries = entries_in_code(app)
    seeded = set(SeededEntry.objects.values_list("key", flat=True))
    shared: dict[tuple[str, Any], tuple[str, Any]] = {}  # many rows may share a schedule, which is slow to read
    for row in rows:
        kind = next((kind for kind in FIELDS if getattr(row, f"{kind}_id")), "none")
        place = (kind, getattr(row, f"{kind}_id", None))
        if place not in shared:
            shared[place] = (words(row.scheduler), readable(row))
        text, when = shared[place]
        yield Line(
            key=row.name,
            task=row.task,
            kind=kind,
            schedule=text,
            enabled=row.enabled,
            last_run=row.last_run_at,
            next_run=next_run(app, row, when) if when else None,
            origin=seed.origin(row.name, entries, seeded),
            drift=drifted.get(row.name, []),
        )


def problems_of(app: Celery, lines: list[Line]) -> Iterator[str]:
    """How the database differs from the settings: one line for each difference."""
    for line in lines:
        for difference in line.drift:
            yield f"{line.key} has drifted: {difference}."
    refused = seed.refused(app)
    for key, reasons in refused.items():
        yield str(RefusedEntryError(key, reasons))
    for key in sorted(set(entries_in_code(app)) - {line.key for line in lines} - refused.keys()):
        yield f"{key} is in the settings but not in the database."


def cells(line: Line) -> tuple[str, ...]:
    """The row of the table."""
    return (
        line.key,
        line.schedule,
        "on" if line.enabled else "off",
        as_cell(line.last_run) if line.last_run else "never",
        "now" if line.next_run and line.next_run <= timezone.now() else as_cell(line.next_run),
        ORIGINS.get(line.origin, line.origin),
        "yes" if line.drift else "-",
    )


def as_cell(moment: datetime | None) -> str:
    """A moment in the project's time zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S}" if moment else "-"


def as_object(line: Line) -> dict[str, Any]:
    """The object of the JSON."""
    moments = {
        name: moment and timezone.localtime(moment).isoformat()
        for name, moment in (("last_run", line.last_run), ("next_run", line.next_run))
    }
    return {**line._asdict(), **moments, "drift": [difference._asdict() for difference in line.drift]}
