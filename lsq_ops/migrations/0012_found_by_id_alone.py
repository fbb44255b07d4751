import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """An id alone finds its row; the account, of which there is one at a time, comes second in the index."""

    dependencies = [
        ("lsq_ops", "0011_leads_in_step"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="activity", name="activity_once"),
        migrations.AddConstraint(
            model_name="activity",
            constraint=models.UniqueConstraint(fields=("activity_id", "account"), name="activity_once"),
        ),
        migrations.RemoveConstraint(model_name="lead", name="lead_once"),
        migrations.AddConstraint(
            model_name="lead", constraint=models.UniqueConstraint(fields=("prospect_id", "account"), name="lead_once")
        ),
        migrations.RemoveConstraint(model_name="task", name="task_once"),
        migrations.AddConstraint(
            model_name="task", constraint=models.UniqueConstraint(fields=("task_id", "account"), name="task_once")
        ),
        migrations.AddField(
            model_name="task",
            name="name_term",
            field=models.BinaryField(db_index=True, help_text="what it is found by: how its name begins", null=True),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(condition=models.Q(("gone_at__isnull", False)), fields=["id"], name="tasks_gone"),
        ),
        migrations.AlterField(
            model_name="searchterm",
            name="lead",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="terms", to="lsq_ops.lead"
            ),
        ),
        migrations.AddIndex(
            model_name="searchterm",
            index=models.Index(fields=["lead", "term"], name="terms_of_lead"),
        ),
    ]
