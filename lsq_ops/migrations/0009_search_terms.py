import django.db.models.deletion
from django.db import migrations, models

from lsq_ops import terms

AT_ONCE = 2000
FIELDS = ("number", "first_name", "last_name", "email", "phone", "mobile")


def fill(apps, schema_editor):
    """What the leads that are there are found by."""
    leads, term = apps.get_model("lsq_ops", "Lead").objects, apps.get_model("lsq_ops", "SearchTerm")
    last = 0
    while rows := list(leads.filter(pk__gt=last).order_by("pk").values_list("pk", *FIELDS)[:AT_ONCE]):
        term.objects.bulk_create(
            [
                term(lead_id=pk, term=one)
                for pk, *values in rows
                for one in terms.of_lead(**dict(zip(FIELDS, values, strict=True)))
            ],
            batch_size=5000,
        )
        last = rows[-1][0]


class Migration(migrations.Migration):
    dependencies = [
        ("lsq_ops", "0008_near_a_window"),
    ]

    operations = [
        migrations.CreateModel(
            name="SearchTerm",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="terms", to="lsq_ops.lead"
                    ),
                ),
                ("term", models.BinaryField()),
            ],
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="searchterm",
            constraint=models.UniqueConstraint(fields=("term", "lead"), name="term_once"),
        ),
        migrations.AlterField(model_name="lead", name="number", field=models.CharField(blank=True, max_length=50)),
        migrations.AlterField(model_name="lead", name="email", field=models.CharField(blank=True, max_length=320)),
        migrations.AlterField(model_name="lead", name="phone", field=models.CharField(blank=True, max_length=100)),
        migrations.AlterField(model_name="lead", name="mobile", field=models.CharField(blank=True, max_length=100)),
    ]
