"""The form of the report page."""

import uuid

from django import forms


class ReportForm(forms.Form):
    """How many months to report on. The page chooses the task's id, so that it can show the progress at once."""

    months = forms.IntegerField(min_value=1, max_value=60, initial=12)
    task_id = forms.UUIDField(initial=uuid.uuid4, widget=forms.HiddenInput)
