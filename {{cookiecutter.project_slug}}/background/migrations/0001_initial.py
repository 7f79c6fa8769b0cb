from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("name", models.CharField(max_length=20, primary_key=True, serialize=False)),
                (
                    "holder",
                    models.CharField(
                        help_text="Empty when the last leader gave the lease back.",
                        max_length=200,
                        verbose_name="leader",
                    ),
                ),
                ("since", models.DateTimeField(help_text="When the leader began to lead.")),
                (
                    "ticked",
                    models.DateTimeField(help_text="When the leader last said that it looks for entries that are due."),
                ),
                (
                    "expires",
                    models.DateTimeField(help_text="When another beat may lead, unless the leader renews the lease."),
                ),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SeededEntry",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
            ],
            options={
                "verbose_name_plural": "seeded entries",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="ScheduledTask",
            fields=[],
            options={
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("django_celery_beat.periodictask",),
        ),
    ]
