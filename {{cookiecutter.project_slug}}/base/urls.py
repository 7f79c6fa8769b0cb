from django.urls import path

from base import views

app_name = "base"
urlpatterns = [
    path("", views.report_form, name="report_form"),
    path("reports/<uuid:task_id>/", views.report_page, name="report_page"),
    path("reports/<uuid:task_id>/status/", views.report_status, name="report_status"),
]
