"""The application's registration with Django."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate


class LsqOpsConfig(AppConfig):
    name = "lsq_ops"
    verbose_name = "LSQ Ops"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from lsq_ops import checks, checks_stores, checks_web  # noqa: F401  (registers the system checks)

        pre_migrate.connect(_drop_guards, sender=self)
        post_migrate.connect(_install_guards, sender=self)


def _drop_guards(using: str, **kwargs: Any) -> None:
    from lsq_ops.models import guards

    guards.drop(connections[using])


def _install_guards(using: str, plan: Any = (), **kwargs: Any) -> None:
    """After a migration of all tables; a partial one (`migrate lsq_ops zero`) has nothing to guard."""
    from lsq_ops.models import guards

    if guards.NO_TRUNCATE[0] in connections[using].introspection.table_names():
        guards.install(connections[using])
