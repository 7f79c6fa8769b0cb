"""What a chord does in eager mode if a member fails: the body's ``link_error`` is called, as through a broker."""

from typing import Any

from celery.canvas import _chord, group
from celery.exceptions import ChordError


def apply(
    self: _chord, args: Any = None, kwargs: Any = None, propagate: bool = True, body: Any = None, **options: Any
) -> Any:
    """Run the members and then the body, here and now.

    Celery 5.7 raises what a member raised, and calls nobody (``celery/canvas.py``, ``_chord.apply``).

    Raises:
        Exception: what a member or the body raised.
    """
    body = body or self.body
    members = self.tasks.clone() if isinstance(self.tasks, group) else group(self.tasks, app=self.app)
    try:
        results = members.apply(args or (), kwargs or {}).get(propagate=propagate)
    except Exception as error:
        self.app.backend.chord_error_from_stack(body, ChordError(f"A member raised {error!r}"))
        raise
    return body.apply(args=(results,))
