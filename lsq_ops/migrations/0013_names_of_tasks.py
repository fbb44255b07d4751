from django.db import migrations

from lsq_ops import terms

AT_ONCE = 2000


def fill(apps, schema_editor):
    """What the tasks that are there are found by."""
    tasks, last = apps.get_model("lsq_ops", "Task").objects, 0
    while rows := list(tasks.filter(pk__gt=last).order_by("pk").only("pk", "name")[:AT_ONCE]):
        for row in rows:
            row.name_term = terms.of_name(row.name)
        tasks.bulk_update(rows, ["name_term"], batch_size=500)
        last = rows[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("lsq_ops", "0012_found_by_id_alone"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
