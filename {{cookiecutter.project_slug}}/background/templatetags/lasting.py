"""How long something takes or has taken, in a cell of a table."""

from datetime import datetime

from django import template

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds


@register.filter
def lasting(start: datetime, end: datetime) -> str:
    """The time from ``start`` to ``end`` in one or two units, such as "42 s" or "3 h 5 min". None of it if that is over."""
    seconds = max(0, round((end - start).total_seconds()))
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min"
    if seconds < DAY:
        return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"
    return f"{seconds // DAY} d {seconds % DAY // HOUR} h"
