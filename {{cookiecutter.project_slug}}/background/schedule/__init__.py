"""The schedule. It is kept in the database, and ``CELERY_BEAT_SCHEDULE`` of the settings is what a new database starts with.

An entry of the settings is *seeded*: it is written once, when its key is not in the database yet.
What a person changes there later stays, and is reported as *drift*.
A key that is removed from the settings leaves an *orphan*, which goes on running.
The settings win only where somebody asks for it, by *apply* and *prune*.

Rows are written as django-celery-beat 2.9 writes them, through its ``ModelEntry``.
"""
