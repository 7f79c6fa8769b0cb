from django.apps import AppConfig


class BackgroundConfig(AppConfig):
    name = "background"

    def ready(self) -> None:
        """Register the system checks. They ask models, which are there only now."""
        from background import checks

        checks.register()
