"""What the report page asks."""

import uuid

from django import forms


class ReportForm(forms.Form):
    """How many months to report on. The task's id comes from the page, so that its progress can be watched at once."""

    months = forms.IntegerField(min_value=1, max_value=60, initial=12)
    task_id = forms.UUIDField(initial=uuid.uuid4, widget=forms.HiddenInput)
