from django.apps import AppConfig


class BackgroundConfig(AppConfig):
    name = "background"

    def ready(self) -> None:
        """Register the system checks. They need models, which are loaded only now."""
        from background import checks

        checks.register()
