from datetime import timedelta

from django.db import migrations, models

HOUR = timedelta(hours=1)


def mark(apps, schema_editor):
    """What stays and is near a window was counted anew for each look; now it is told when it is written."""
    kept = apps.get_model("lsq_ops", "KeptNeighbour").objects
    calls = apps.get_model("lsq_ops", "DeletionCall").objects.exclude(window_from=None)
    columns = ("version_id", "lead_id", "codes", "window_from", "window_to")
    for version, lead, codes, start, end in calls.values_list(*columns).iterator(2000):
        near = kept.filter(version_id=version, lead_id=lead, event_code__in=codes)
        near.filter(at__gte=start - HOUR, at__lte=end + HOUR).update(near=True)


class Migration(migrations.Migration):
    dependencies = [
        ("lsq_ops", "0007_leaner_mirror"),
    ]

    operations = [
        migrations.AddField(
            model_name="keptneighbour",
            name="near",
            field=models.BooleanField(default=False, help_text="of the same type, and within an hour of a window"),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
