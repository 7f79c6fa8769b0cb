"""The schedule. It is kept in the database. A new database starts with ``CELERY_BEAT_SCHEDULE`` of the settings.

An entry of the settings is *seeded*: it is written once, if its key is not in the database yet.
What a person changes there later stays, and is reported as *drift*.
A key that is removed from the settings leaves an *orphan*, which still runs.
The settings win only when a person asks for it, with *apply* and *prune*.

Rows are written as django-celery-beat 2.9 writes them, through its ``ModelEntry``.
"""
