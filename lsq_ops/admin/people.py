"""People: who they are, which roles they have, and who may vote for which team. Nobody changes their own rights."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.validators import RegexValidator
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.translation import gettext as _

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import ApproverGrant, Team, db_now
from lsq_ops.services import people, second_factor, sign_in
from lsq_ops.services.may import Barred, may, suspension
from lsq_ops.wording import lazy

WHAT_ROLES_MAY = {
    "Requester": lazy("refresh the mirror; draft, submit, withdraw, cancel and stop requests"),
    "Approver": lazy("vote, with a grant; cancel and stop. Never on a request of their own"),
    "Operator": lazy("the account: test, pause, resume; decide, two at a time, on unclear calls"),
    "Auditor": lazy("verify and export the audit trail. An auditor is nothing else"),
    "Policy admin": lazy("users, roles, grants, the approval policy, holds. Never an approver"),
}


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label=lazy("Roles"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(role, f"{role}: {WHAT_ROLES_MAY[role]}") for role in people.ROLES],
        help_text=lazy("Without a role a person may only look."),
    )


no_turning_marks = RegexValidator(
    r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]",
    lazy("Marks that turn the text around are not allowed: a name must read as what it is."),
    inverse_match=True,
)


class UserNameField(forms.RegexField):
    """Checked as it will be kept: some signs become several, or others, when a name is normalised."""

    def to_python(self, value: Any) -> str:
        return User.normalize_username(super().to_python(value))


class NewPersonForm(RolesForm):
    username = UserNameField(
        r"^[\w.@+-]+$",
        label=lazy("User name"),
        max_length=150,
        error_messages={"invalid": lazy("Letters, digits and @ . + - _ only.")},
    )
    first_name = forms.CharField(
        label=lazy("First name"), max_length=150, required=False, validators=[no_turning_marks]
    )
    last_name = forms.CharField(label=lazy("Last name"), max_length=150, required=False, validators=[no_turning_marks])
    email = forms.EmailField(
        label=lazy("E-mail"),
        max_length=254,
        required=False,
        validators=[no_turning_marks],
        help_text=lazy("What must be decided is told by mail."),
    )
    password = forms.CharField(
        label=lazy("First password"),
        min_length=12,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=lazy("At least 12 characters. Hand it over by another way than mail."),
    )
    field_order = ("username", "first_name", "last_name", "email", "password", "roles")


def shown(user: User) -> str:
    """What the form that locks out or lets in says that it was shown."""
    return "active" if user.is_active else "locked"


class ShownForm(forms.Form):
    """What the page showed: a button that turns something round must not turn it back at the second press."""

    shown = forms.ChoiceField(choices=[("active", "active"), ("locked", "locked")], widget=forms.HiddenInput)


class GrantForm(forms.Form):
    team = forms.ModelChoiceField(
        label=lazy("Team"), queryset=Team.objects.order_by("name"), empty_label=lazy("Choose…")
    )


# The breadcrumb names the app of a page; these pages are the portal's.
User._meta.app_config.verbose_name = lazy("LSQ Ops")
User._meta.verbose_name_plural = lazy("people")


def open_grant(user: User) -> ApproverGrant | None:
    grants = user.open_grants if hasattr(user, "open_grants") else user.grants.filter(revoked_at__isnull=True)
    return next(iter(grants), None)


@admin.register(User)
class PeopleAdmin(BaseAdmin):
    """No field of a user is edited, and there is no superuser here: roles and grants are all that counts."""

    page_template = "lsq_ops/people/page.html"
    list_display = ("username", "full_name", "roles", "grant", "state", "seen")
    ordering = ("username",)
    sortable_by = ("username",)
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = lazy("User name, name or e-mail")
    actions_list = ("new_person",)
    actions_detail = ("set_roles", "give_grant", "revoke_grant", "new_password", "reset_factor", "lock")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        grants = ApproverGrant.objects.filter(revoked_at__isnull=True).select_related("team")
        people_ = super().get_queryset(request)
        return people_.prefetch_related("groups", Prefetch("grants", grants, to_attr="open_grants"))

    @admin.display(description=lazy("Name"))
    def full_name(self, obj: User) -> str:
        return obj.get_full_name() or "–"

    @admin.display(description=lazy("Roles"))
    def roles(self, obj: User) -> str:
        names = {group.name for group in obj.groups.all()}
        return ", ".join(role for role in people.ROLES if role in names) or _("may only look")

    @admin.display(description=lazy("Votes for"))
    def grant(self, obj: User) -> str:
        grant = open_grant(obj)
        if grant is None:
            return "–"
        return _("{team}, later").format(team=grant.team) if grant.counts_from > face.now() else str(grant.team)

    @admin.display(description=lazy("State"))
    def state(self, obj: User) -> str:
        return _("active") if obj.is_active else _("locked")

    @admin.display(description=lazy("Last sign-in"))
    def seen(self, obj: User) -> str:
        return face.when(obj.last_login) if obj.last_login else _("never")

    # --- A person ---

    def headline(self, obj: User) -> str:
        return face.person(obj)

    def facts(self, request: HttpRequest, obj: User) -> list[tuple[str, Any]]:
        grant = open_grant(obj)
        return [
            (_("User name"), obj.username),
            (_("E-mail"), obj.email or _("none: nothing can be told by mail")),
            (_("Roles"), self.roles(obj)),
            (_("Votes for"), _grant_words(grant) if grant else self._without_grant(obj)),
            *_suspended(obj),
            (_("State"), self.state(obj)),
            (_("Second factor"), self._factor(obj)),
            (_("Last sign-in"), self.seen(obj)),
        ]

    def _factor(self, obj: User) -> str:
        if second_factor.has(obj):
            return _("set up")
        return _("missing: it is set up at the next sign-in") if sign_in.factor_required(obj) else _("none")

    def _without_grant(self, obj: User) -> str:
        return _("nobody yet: an approver needs a grant") if "Approver" in people.roles_of(obj) else "–"

    def page_context(self, request: HttpRequest, obj: User) -> dict[str, Any]:
        own = obj.pk == request.user.pk and bool(may(request.user, "manage_people"))
        grants = obj.grants.select_related("team").order_by("-id")
        return {"grants": grants, "own": own, **({"buttons": []} if own else {})}

    # --- Dialogs ---

    @dialog(
        verb="manage_people",
        label=lazy("New person"),
        icon="person_add",
        form=NewPersonForm,
        question=lazy("The account is there at once. An approver also needs a grant; give it on the person's page."),
        button=lazy("Make the account"),
    )
    def new_person(self, request: HttpRequest, obj: None, form: NewPersonForm) -> HttpResponse:
        given = form.cleaned_data
        user = people.make_user(request.user, **{**given, "roles": set(given["roles"])})
        self.message_user(request, _("{user} can sign in now.").format(user=user), "SUCCESS")
        return redirect(self.address(user))

    @dialog(
        verb="manage_people",
        label=lazy("Change roles"),
        icon="badge",
        form=lambda request, obj: partial(RolesForm, initial={"roles": people.roles_of(obj)}),
        question=lazy("The new roles count at once. It is written into the audit trail."),
    )
    def set_roles(self, request: HttpRequest, obj: User, form: RolesForm) -> str:
        people.set_roles(request.user, obj, set(form.cleaned_data["roles"]))
        return _("The roles of {obj} are changed.").format(obj=obj)

    @dialog(
        verb="manage_people",
        label=lambda request, obj: _("Lock out") if obj.is_active else _("Let in again"),
        icon="lock",
        form=lambda request, obj: partial(ShownForm, initial={"shown": shown(obj)}),
        question=lazy("Who is locked out can't sign in, and their votes stop counting until they are let in again."),
    )
    def lock(self, request: HttpRequest, obj: User, form: ShownForm) -> str:
        if form.cleaned_data["shown"] != shown(obj):
            raise Barred(_("Somebody was quicker: {obj} is {state} now.").format(obj=obj, state=self.state(obj)))
        people.set_active(request.user, obj, not obj.is_active)
        return (
            _("{obj} is locked out.").format(obj=obj) if obj.is_active else _("{obj} is let in again.").format(obj=obj)
        )

    @dialog(
        verb="manage_people",
        label=lazy("New password"),
        icon="key",
        question=lazy(
            "A one-time password is made and shown once. Give it to them in person; it must be changed to go on."
        ),
    )
    def new_password(self, request: HttpRequest, obj: User, form: None) -> str:
        return _("The new password of {obj}, shown only now: {new_password}").format(
            obj=obj, new_password=people.new_password(request.user, obj)
        )

    @dialog(
        verb="manage_people",
        label=lazy("Reset second factor"),
        icon="phonelink_erase",
        danger=True,
        offered=lambda request, obj: second_factor.has(obj),
        question=lazy(
            "For somebody who lost device and recovery codes. Be sure that it is they who ask. Their sessions end,"
            " they set up a new one at their next sign-in, and new votes of theirs wait a day."
        ),
    )
    def reset_factor(self, request: HttpRequest, obj: User, form: None) -> str:
        second_factor.reset(request.user, obj)
        return _("The second factor of {obj} is reset.").format(obj=obj)

    @dialog(
        verb="manage_people",
        label=lazy("Give a grant"),
        icon="how_to_vote",
        form=GrantForm,
        offered=lambda request, obj: open_grant(obj) is None,
        question=lazy("With a grant an approver may vote for a team. It counts from the time that their page shows."),
    )
    def give_grant(self, request: HttpRequest, obj: User, form: GrantForm) -> str:
        grant = people.give_grant(request.user, obj, form.cleaned_data["team"])
        return _("{obj} votes for {team}, counting from {counts_from:%d %b %Y %H:%M} UTC.").format(
            obj=obj, team=grant.team, counts_from=grant.counts_from
        )

    @dialog(
        verb="manage_people",
        label=lazy("Revoke the grant"),
        icon="block",
        danger=True,
        offered=lambda request, obj: open_grant(obj) is not None,
        question=lazy("The votes that stand under it stop counting now; what runs on them waits for another approver."),
    )
    def revoke_grant(self, request: HttpRequest, obj: User, form: None) -> str:
        grant = open_grant(obj)
        if grant is None:
            return _("{obj} has no grant.").format(obj=obj)
        people.revoke_grant(request.user, grant)
        return _("{obj} votes for {team} no more.").format(obj=obj, team=grant.team)


def _suspended(user: User) -> list[tuple[str, str]]:
    row = suspension(user)
    if row is None or "Approver" not in people.roles_of(user):
        return []
    return [(_("New votes"), format_html(_("suspended until {}: {}"), face.both(row.until), row.get_why_display()))]


def _grant_words(grant: ApproverGrant) -> str:
    words = _("{}, since {}") if grant.counts_from <= db_now() else _("{}, from {}")
    return format_html(words, grant.team.name, face.both(grant.counts_from))
