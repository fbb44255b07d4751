"""Every door of the staff: it shows, and changes something only by POST, only in a dialog, only where may() says yes.

The walk finds registered admins, actions and addresses by itself; what is new is tested without a line here.
"""

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, reverse

from lsq_ops.admin.base import BaseAdmin
from lsq_ops.models import ActivitySnapshot
from lsq_ops.services.may import ROLE_OF, ROLES

pytestmark = pytest.mark.once  # who may do what at a door is above the database

# Django's own pages: signing in and out, one's own password, translations, redirects.
DJANGOS = {"login", "logout", "password_change", "password_change_done", "jsi18n", "view_on_site", "autocomplete"}
NO_DOOR = {"django_q", "sessions", "contenttypes", "admin"}
KINDS = ("activities", "tasks")


def admins():
    return sorted(admin.site._registry.values(), key=lambda one: one.opts.label)


def detail_dialogs():
    return [(one, name) for one in admins() for name in one._extract_action_names(one.actions_detail)]


def list_dialogs():
    return [(one, name) for one in admins() for name in one._extract_action_names(one.actions_list)]


def all_rows():
    """Everything that is stored, apart from what signing in writes."""
    rows = {}
    for model in apps.get_models():
        if model._meta.app_label in ("lsq_ops", "auth", "django_q"):
            fields = [f.attname for f in model._meta.concrete_fields if f.name != "last_login"]
            rows[model._meta.label] = list(model._base_manager.order_by("pk").values_list(*fields))
    return rows


def client_of(user, **options):
    client = Client(**options)
    client.force_login(user)
    return client


@pytest.fixture
def root(people):
    """A superuser without a role."""
    return User.objects.create_superuser("root", password="x")


@pytest.fixture
def request_there(world):
    """One row of everything: a pending request with its calls and items, a selection, the mirror, the trail."""
    return world.pending("activities", "asha")


def sample(model):
    return model._base_manager.order_by("pk").first()


# --- What is registered -------------------------------------------------------------------------------------


def test_only_our_own_pages_are_there():
    assert {one.opts.app_label for one in admins()} <= {"lsq_ops", "auth"}
    assert not {one.opts.app_label for one in admins()} & NO_DOOR
    assert [one.opts.model_name for one in admins() if one.opts.app_label == "auth"] == ["user"]


@pytest.mark.parametrize("one", admins(), ids=lambda one: one.opts.label)
def test_a_page_is_read_only_for_everybody(one, rf, root, people):
    assert isinstance(one, BaseAdmin)
    assert not one.list_editable
    assert not one.inlines
    for user in (root, people.pia, people.rita, people.vera):
        request = rf.get("/")
        request.user = user
        assert not one.has_add_permission(request)
        assert not one.has_change_permission(request)
        assert not one.has_delete_permission(request)
        assert "delete_selected" not in one.get_actions(request)


@pytest.mark.parametrize("one", admins(), ids=lambda one: one.opts.label)
def test_every_action_asks_for_permission(one):
    named = one._extract_action_names(
        [*one.actions_list, *one.actions_detail, *one.actions_row, *one.actions_submit_line]
    )
    for name in named:
        action = getattr(one, name)
        assert hasattr(action, "spec"), f"{name} is not made by dialogs.dialog"
        assert set(action.allowed_permissions) <= set(ROLE_OF), name
        assert action.allowed_permissions, name
    for name in one.actions or ():
        action = getattr(one, name) if isinstance(name, str) else name
        assert getattr(action, "allowed_permissions", ()), f"{name} has no permission"
        assert set(action.allowed_permissions) <= set(ROLE_OF), name


# --- What the addresses do ----------------------------------------------------------------------------------


def addresses(pending):
    """Every address of the admin, filled with rows that exist."""
    request, version = pending, pending.version
    values = {
        "item_id": version.items.first().pk,
        "call_id": version.calls.first().pk,
        **dict.fromkeys(("snapshot_id", "before", "after"), request.snapshots.first().pk),
        "snapshot": ActivitySnapshot.objects.first().pk,
    }
    for one in admins():
        row = sample(one.model)
        pk = row.pk if row else 1
        for pattern in one.get_urls():
            if isinstance(pattern, URLPattern) and pattern.name and pattern.name not in DJANGOS:
                yield from _filled(one, pattern, {**values, "object_id": pk, "pk": pk})


def _filled(one, pattern, values):
    wanted = list(pattern.pattern.converters)
    if "kind" in wanted:
        for kind in KINDS:
            yield from _reversed(pattern, {**values, "kind": kind}, wanted)
    else:
        yield from _reversed(pattern, values, wanted)


def _reversed(pattern, values, wanted):
    missing = [name for name in wanted if name not in values]
    assert not missing, f"give the walk an example of {missing} for {pattern.name}"
    try:
        yield reverse(f"admin:{pattern.name}", kwargs={name: values[name] for name in wanted})
    except NoReverseMatch:
        yield reverse(f"admin:{pattern.name}", args=[values[name] for name in wanted])


def test_no_look_changes_anything(world, request_there):
    """By everybody, with GET: tests/access/test_matrix.py."""
    client = client_of(world.rita)
    looked = ["/admin/", "/admin/?page=x", *addresses(request_there)]
    before = all_rows()
    for address in looked:
        assert client.head(address).status_code < 500, address
    for address in looked[:2]:
        assert client.get(address).status_code < 500, address
    assert all_rows() == before


def test_nobody_looks_without_signing_in(request_there):
    for address in addresses(request_there):
        answer = Client().get(address)
        assert answer.status_code == 302, address
        assert "/admin/login/" in answer["Location"]


def test_a_superuser_without_a_role_opens_no_dialog(root, request_there):
    client, before = client_of(root), all_rows()
    for one, name in detail_dialogs():
        row = sample(one.model)
        if row is not None:
            address = reverse(f"admin:{one.opts.app_label}_{one.opts.model_name}_{name}", args=[row.pk])
            # 404: a selection is its owner's own.
            assert client.get(address).status_code in (403, 404), address
            assert client.post(address).status_code in (403, 404), address
    for one, name in list_dialogs():
        address = reverse(f"admin:{one.opts.app_label}_{one.opts.model_name}_{name}")
        assert client.post(address).status_code == 403, address
    assert all_rows() == before


@pytest.mark.parametrize("how", ["post", "put", "patch", "delete"])
def test_djangos_own_forms_do_nothing(how, root, request_there):
    client, before = client_of(root), all_rows()
    for one in admins():
        name, row = f"admin:{one.opts.app_label}_{one.opts.model_name}", sample(one.model)
        for address in [
            reverse(f"{name}_add"),
            *(reverse(f"{name}_{view}", args=[row.pk]) for view in ("change", "delete") if row),
        ]:
            assert getattr(client, how)(address, {"_save": "1", "post": "yes"}).status_code in (403, 404, 405), address
    assert all_rows() == before


def test_every_post_needs_the_token_against_forgery(world, request_there):
    before = all_rows()
    for person in (world.rita, world.arun, world.omar, world.pia):
        client = client_of(person, enforce_csrf_checks=True)
        for address in addresses(request_there):
            assert client.post(address).status_code in (403, 404, 405), address
    assert all_rows() == before


def test_a_bulk_action_is_refused_without_the_role(world, root, request_there):
    client, before = client_of(root), all_rows()
    for one in admins():
        row = sample(one.model)
        for action in one.actions or ():
            name = action if isinstance(action, str) else action.__name__
            address = reverse(f"admin:{one.opts.app_label}_{one.opts.model_name}_changelist")
            client.post(address, {"action": name, "_selected_action": [row.pk] if row else []})
    assert all_rows() == before


def test_roles_that_dialogs_ask_for_exist():
    assert {role for roles in ROLE_OF.values() for role in roles} <= set(ROLES)
