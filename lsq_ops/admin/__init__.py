"""The staff's door: pages that show, and dialogs that ask a service to do one thing."""

from django.contrib import admin

# What others registered can be edited there: the queue's schedules run any code, groups are our roles.
for _model in list(admin.site._registry):
    admin.site.unregister(_model)

from lsq_ops.admin import (  # noqa: E402
    accounts,
    activities,
    crm_users,
    drafting,
    erasures,
    leads,
    mails,
    people,
    policies,
    requests,
    retention,
    sign_in,
    syncs,
    tasks,
    trail,
    uploads,
)

__all__ = [
    "accounts",
    "activities",
    "crm_users",
    "drafting",
    "erasures",
    "leads",
    "mails",
    "people",
    "policies",
    "requests",
    "retention",
    "sign_in",
    "syncs",
    "tasks",
    "trail",
    "uploads",
]
