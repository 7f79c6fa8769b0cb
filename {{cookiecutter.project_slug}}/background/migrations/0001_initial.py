from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    operations = [
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
    ]
