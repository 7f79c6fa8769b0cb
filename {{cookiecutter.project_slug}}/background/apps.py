from django.apps import AppConfig


class BackgroundConfig(AppConfig):
    name = "background"
    verbose_name = "Background work"

    def ready(self) -> None:
        """Register the system checks, look at edits of the schedule, record failures, and report errors. All need models, which are loaded only now."""
        from django.conf import settings
        from django.db.models.signals import pre_save
        from django_celery_beat.models import PeriodicTask

        from background import checks
        from background.failures import record  # noqa: F401 - it listens
        from background.schedule import last_run
        from background.schedule.kinds import FIELDS

        checks.register()
        if getattr(settings, "SENTRY_DSN", ""):
            from background import sentry

            sentry.start()
        pre_save.connect(last_run.before_entry_is_saved, sender=PeriodicTask)
        for kind in FIELDS:
            pre_save.connect(last_run.before_schedule_is_saved, sender=PeriodicTask._meta.get_field(kind).related_model)
