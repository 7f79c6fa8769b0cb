"""The URLs of the project."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from background import health

admin.site.site_header = settings.PROJECT_NAME
admin.site.site_title = settings.PROJECT_NAME

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health.HealthView.as_view(checks=health.CHECKS)),
    path("health/web/", health.HealthView.as_view(checks=health.WEB_CHECKS)),
    path("", include("base.urls")),
]
