"""A worker under watchfiles (background/worker/reload.sh) gives its long tasks back before it restarts.

watchfiles stops it with SIGINT. Celery then does a warm shutdown: it waits for its tasks, however long they take, until
it is killed. The message of a killed worker's task comes back only after the visibility timeout. SIGQUIT is the soft
shutdown: a task that is not done goes back into its queue at once. So under watchfiles SIGINT means SIGQUIT.
"""

import os


def is_under_watchfiles() -> bool:
    """Whether watchfiles has started this process. It sets this variable."""
    return "WATCHFILES_CHANGES" in os.environ
