"""A worker under watchfiles (background/worker/reload.sh) gives its long tasks back before it starts again.

watchfiles asks it to stop by SIGINT. Celery takes that for a warm shutdown and waits for its tasks, however long they take,
until somebody loses patience and kills it. The message of a killed worker's task comes back only when the visibility timeout
is over. SIGQUIT is the soft shutdown: a task that is not done goes back into its queue at once.
So under watchfiles SIGINT means SIGQUIT.
"""

import os


def is_under_watchfiles() -> bool:
    """Whether watchfiles has started this process. It sets this variable."""
    return "WATCHFILES_CHANGES" in os.environ
