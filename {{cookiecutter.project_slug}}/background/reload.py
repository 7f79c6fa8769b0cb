"""A worker that watchfiles starts anew on a change of the code (background/reload.sh) gives its long tasks back first.

watchfiles asks it to stop by SIGINT, which Celery takes for a warm shutdown: it waits for its tasks, however long they
take, and whoever loses patience kills it. The message of a killed worker's task comes back only when the visibility
timeout is over. SIGQUIT is the soft shutdown, after which a task that is not done goes back into its queue at once.
"""

import os
import signal
from typing import Any

from celery.signals import worker_ready


def stop_softly(**kwargs: Any) -> None:
    """Let SIGINT do what SIGQUIT does. Celery has installed its own handlers when a worker is ready."""
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGQUIT))


def install() -> None:
    """Ask it of a worker that runs under watchfiles, which sets this variable."""
    if "WATCHFILES_CHANGES" in os.environ:
        worker_ready.connect(stop_softly)
