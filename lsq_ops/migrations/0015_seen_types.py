from django.db import migrations
from django.db.models import Max

CUSTOM = 2


def add(apps, schema_editor):
    """Custom types that were seen on a lead, and that LeadSquared's list leaves out."""
    types, activities = apps.get_model("lsq_ops", "ActivityType"), apps.get_model("lsq_ops", "Activity")
    known = set(types.objects.values_list("account_id", "code"))
    seen = activities.objects.filter(activity_type=CUSTOM).order_by().values_list("account_id", "event_code")
    for account, code, name, read_at in seen.annotate(name=Max("event_name"), read=Max("read_at")):
        if (account, code) not in known:
            known.add((account, code))
            types.objects.create(account_id=account, code=code, name=name[:200], read_at=read_at)


class Migration(migrations.Migration):
    dependencies = [("lsq_ops", "0014_uploads")]

    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
