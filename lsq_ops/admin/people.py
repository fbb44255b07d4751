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

from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.models import ApproverGrant, Team, db_now
from lsq_ops.services import people, second_factor, sign_in
from lsq_ops.services.may import Barred, may, suspension

WHAT_ROLES_MAY = {
    "Requester": "refresh the mirror; draft, submit, withdraw, cancel and stop requests",
    "Approver": "vote, with a grant; cancel and stop. Never on a request of their own",
    "Operator": "the account: test, pause, resume; decide, two at a time, on unclear calls",
    "Auditor": "verify and export the audit trail. An auditor is nothing else",
    "Policy admin": "users, roles, grants, the approval policy, holds. Never an approver",
}


class RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        label="Roles",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=[(role, f"{role}: {WHAT_ROLES_MAY[role]}") for role in people.ROLES],
        help_text="Without a role a person may only look.",
    )


no_turning_marks = RegexValidator(
    r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]",
    "Marks that turn the text around are not allowed: a name must read as what it is.",
    inverse_match=True,
)


class UserNameField(forms.RegexField):
    """Checked as it will be kept: some signs become several, or others, when a name is normalised."""

    def to_python(self, value: Any) -> str:
        return User.normalize_username(super().to_python(value))


class NewPersonForm(RolesForm):
    username = UserNameField(
        r"^[\w.@+-]+$",
        label="User name",
        max_length=150,
        error_messages={"invalid": "Letters, digits and @ . + - _ only."},
    )
    first_name = forms.CharField(label="First name", max_length=150, required=False, validators=[no_turning_marks])
    last_name = forms.CharField(label="Last name", max_length=150, required=False, validators=[no_turning_marks])
    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        required=False,
        validators=[no_turning_marks],
        help_text="What must be decided is told by mail.",
    )
    password = forms.CharField(
        label="First password",
        min_length=12,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Hand it over by another way than mail.",
    )
    field_order = ("username", "first_name", "last_name", "email", "password", "roles")


class ShownForm(forms.Form):
    """What the page showed: a button that turns something round must not turn it back at the second press."""

    shown = forms.ChoiceField(choices=[("active", "active"), ("locked", "locked")], widget=forms.HiddenInput)


class GrantForm(forms.Form):
    team = forms.ModelChoiceField(label="Team", queryset=Team.objects.order_by("name"), empty_label="Choose…")


# The breadcrumb names the app of a page; these pages are the portal's.
User._meta.app_config.verbose_name = "LSQ Ops"
User._meta.verbose_name_plural = "people"


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
    search_help_text = "User name, name or e-mail"
    actions_list = ("new_person",)
    actions_detail = ("set_roles", "give_grant", "revoke_grant", "new_password", "reset_factor", "lock")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        grants = ApproverGrant.objects.filter(revoked_at__isnull=True).select_related("team")
        people_ = super().get_queryset(request)
        return people_.prefetch_related("groups", Prefetch("grants", grants, to_attr="open_grants"))

    @admin.display(description="Name")
    def full_name(self, obj: User) -> str:
        return obj.get_full_name() or "–"

    @admin.display(description="Roles")
    def roles(self, obj: User) -> str:
        names = {group.name for group in obj.groups.all()}
        return ", ".join(role for role in people.ROLES if role in names) or "may only look"

    @admin.display(description="Votes for")
    def grant(self, obj: User) -> str:
        grant = open_grant(obj)
        if grant is None:
            return "–"
        return f"{grant.team}, later" if grant.counts_from > face.now() else str(grant.team)

    @admin.display(description="State")
    def state(self, obj: User) -> str:
        return "active" if obj.is_active else "locked"

    @admin.display(description="Last sign-in")
    def seen(self, obj: User) -> str:
        return face.when(obj.last_login) if obj.last_login else "never"

    # --- A person ---

    def headline(self, obj: User) -> str:
        return face.person(obj)

    def facts(self, request: HttpRequest, obj: User) -> list[tuple[str, Any]]:
        grant = open_grant(obj)
        return [
            ("User name", obj.username),
            ("E-mail", obj.email or "none: nothing can be told by mail"),
            ("Roles", self.roles(obj)),
            ("Votes for", _grant_words(grant) if grant else self._without_grant(obj)),
            *_suspended(obj),
            ("State", self.state(obj)),
            ("Second factor", self._factor(obj)),
            ("Last sign-in", self.seen(obj)),
        ]

    def _factor(self, obj: User) -> str:
        if second_factor.has(obj):
            return "set up"
        return "missing: it is set up at the next sign-in" if sign_in.factor_required(obj) else "none"

    def _without_grant(self, obj: User) -> str:
        return "nobody yet: an approver needs a grant" if "Approver" in people.roles_of(obj) else "–"

    def page_context(self, request: HttpRequest, obj: User) -> dict[str, Any]:
        own = obj.pk == request.user.pk and bool(may(request.user, "manage_people"))
        grants = obj.grants.select_related("team").order_by("-id")
        return {"grants": grants, "own": own, **({"buttons": []} if own else {})}

    # --- Dialogs ---

    @dialog(
        verb="manage_people",
        label="New person",
        icon="person_add",
        form=NewPersonForm,
        question="The account is there at once. An approver also needs a grant; give it on the person's page.",
        button="Make the account",
    )
    def new_person(self, request: HttpRequest, obj: None, form: NewPersonForm) -> HttpResponse:
        given = form.cleaned_data
        user = people.make_user(request.user, **{**given, "roles": set(given["roles"])})
        self.message_user(request, f"{user} can sign in now.", "SUCCESS")
        return redirect(self.address(user))

    @dialog(
        verb="manage_people",
        label="Change roles",
        icon="badge",
        form=lambda request, obj: partial(RolesForm, initial={"roles": people.roles_of(obj)}),
        question="The new roles count at once. It is written into the audit trail.",
    )
    def set_roles(self, request: HttpRequest, obj: User, form: RolesForm) -> str:
        people.set_roles(request.user, obj, set(form.cleaned_data["roles"]))
        return f"The roles of {obj} are changed."

    @dialog(
        verb="manage_people",
        label=lambda request, obj: "Lock out" if obj.is_active else "Let in again",
        icon="lock",
        form=lambda request, obj: partial(ShownForm, initial={"shown": "active" if obj.is_active else "locked"}),
        question="Who is locked out can't sign in, and their votes stop counting until they are let in again.",
    )
    def lock(self, request: HttpRequest, obj: User, form: ShownForm) -> str:
        if form.cleaned_data["shown"] != self.state(obj):
            raise Barred(f"Somebody was quicker: {obj} is {self.state(obj)} now.")
        people.set_active(request.user, obj, not obj.is_active)
        return f"{obj} is {'locked out' if obj.is_active else 'let in again'}."

    @dialog(
        verb="manage_people",
        label="New password",
        icon="key",
        question="A one-time password is made and shown once. Give it to them in person; it must be changed to go on.",
    )
    def new_password(self, request: HttpRequest, obj: User, form: None) -> str:
        return f"The new password of {obj}, shown only now: {people.new_password(request.user, obj)}"

    @dialog(
        verb="manage_people",
        label="Reset second factor",
        icon="phonelink_erase",
        danger=True,
        offered=lambda request, obj: second_factor.has(obj),
        question="For somebody who lost device and recovery codes. Be sure that it is they who ask. Their sessions end,"
        " they set up a new one at their next sign-in, and new votes of theirs wait a day.",
    )
    def reset_factor(self, request: HttpRequest, obj: User, form: None) -> str:
        second_factor.reset(request.user, obj)
        return f"The second factor of {obj} is reset."

    @dialog(
        verb="manage_people",
        label="Give a grant",
        icon="how_to_vote",
        form=GrantForm,
        offered=lambda request, obj: open_grant(obj) is None,
        question="With a grant an approver may vote for a team. It counts from the time that their page shows.",
    )
    def give_grant(self, request: HttpRequest, obj: User, form: GrantForm) -> str:
        grant = people.give_grant(request.user, obj, form.cleaned_data["team"])
        return f"{obj} votes for {grant.team}, counting from {grant.counts_from:%d %b %Y %H:%M} UTC."

    @dialog(
        verb="manage_people",
        label="Revoke the grant",
        icon="block",
        danger=True,
        offered=lambda request, obj: open_grant(obj) is not None,
        question="The votes that stand under it stop counting now; what runs on them waits for another approver.",
    )
    def revoke_grant(self, request: HttpRequest, obj: User, form: None) -> str:
        grant = open_grant(obj)
        if grant is None:
            return f"{obj} has no grant."
        people.revoke_grant(request.user, grant)
        return f"{obj} votes for {grant.team} no more."


def _suspended(user: User) -> list[tuple[str, str]]:
    row = suspension(user)
    if row is None or "Approver" not in people.roles_of(user):
        return []
    return [("New votes", format_html("suspended until {}: {}", face.both(row.until), row.get_why_display()))]


def _grant_words(grant: ApproverGrant) -> str:
    since = "since" if grant.counts_from <= db_now() else "from"
    return format_html("{}, {} {}", grant.team.name, since, face.both(grant.counts_from))
