"""From ticked rows to a draft: a selection freezes the ids, then a page asks the kind's own questions, and why."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from lsq_ops import kinds
from lsq_ops.admin import face
from lsq_ops.admin.base import BaseAdmin
from lsq_ops.admin.dialogs import dialog
from lsq_ops.kinds import Kind
from lsq_ops.models import Account, Lead, RequestVersion, Selection, Task
from lsq_ops.services import drafting, leads, uploads
from lsq_ops.services.may import Barred, may
from lsq_ops.wording import counted, lazy

READ_AT_ONCE = 2_000


class WhyForm(forms.Form):
    """What every request is asked, whatever its kind."""

    category = forms.ChoiceField(label=lazy("Why"), choices=[("", lazy("Choose…")), *RequestVersion.CATEGORIES])
    reason = forms.CharField(
        label=lazy("Reason"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=lazy("Approvers and auditors read it. Leave out names, e-mails and phone numbers."),
    )
    ticket = forms.CharField(label=lazy("Ticket"), max_length=100, required=False, help_text=lazy("Like OPS-4711."))
    asked_by = forms.ModelChoiceField(
        label=lazy("Asked by"),
        queryset=User.objects.none(),
        required=False,
        empty_label=lazy("I ask for it myself"),
        help_text=lazy("Whoever asks for a request can't vote on it."),
    )

    keep_out = forms.BooleanField(required=False, initial=True)

    def __init__(self, *args: Any, user: User, struck_out: int = 0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["keep_out"].label = _("Leave out the {struck_out:,} that an approver proposed to leave out").format(
            struck_out=struck_out
        )
        if not struck_out:
            del self.fields["keep_out"]
        asked_by: Any = self.fields["asked_by"]
        people = User.objects.filter(is_active=True).exclude(pk=user.pk)
        asked_by.queryset = people.order_by("first_name", "last_name", "username")
        asked_by.label_from_instance = face.person


class DraftForm:
    """The kind's form and `WhyForm` as one: valid together, shown one below the other."""

    def __init__(
        self,
        kind: Kind,
        selection: Selection,
        account: Account,
        user: Any,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        initial: dict[str, Any] | None = None,
        struck_out: int = 0,
    ) -> None:
        initial = initial or {}
        self.kind, self.user = kind, user
        self.own = kind.form(selection, account, data, initial.get("parameters"))
        self.why = WhyForm(data, initial=initial, user=user, struck_out=struck_out)

    def is_valid(self) -> bool:
        # Both are asked: a person wants all mistakes at once.
        return all([self.own.is_valid(), self.why.is_valid()])

    def __iter__(self) -> Iterator[forms.BoundField]:
        yield from self.own
        yield from self.why

    def non_field_errors(self) -> list[str]:
        return [*self.own.non_field_errors(), *self.why.non_field_errors()]

    def is_multipart(self) -> bool:
        return False

    @property
    def media(self) -> forms.Media:
        return self.own.media + self.why.media

    def given(self) -> dict[str, Any]:
        """The answers, as services/drafting.py takes them."""
        answers = {**self.why.cleaned_data, "parameters": self.kind.parameters(self.own)}
        return {**answers, "asked_by": answers["asked_by"] or self.user}


# --- From a list ---


def start(user: Any, kind: Kind, record_type: str, ids: list[str], source: dict | None = None) -> str:
    """Freeze the ids; the address of the page that asks the rest."""
    return draft_url(drafting.select(user, record_type, ids, source), kind)


def draft_url(selection: Selection, kind: Kind) -> str:
    return reverse("admin:lsq_ops_selection_draft", args=[selection.pk, kind.name])


def list_actions(record_type: str, key: str) -> tuple[Callable[..., HttpResponse | None], ...]:
    """One action of a changelist for each kind that picks such records; a new kind is there by itself."""
    return tuple(_list_action(kind, record_type, key) for kind in kinds.every() if kind.picks == record_type)


def _list_action(kind: Kind, record_type: str, key: str) -> Callable[..., HttpResponse | None]:
    def freeze(admin: Any, request: HttpRequest, rows: QuerySet) -> HttpResponse | None:
        return frozen(request, rows, record_type, key, lambda selection: draft_url(selection, kind))

    freeze.__name__ = f"request_{kind.name}"
    freeze.short_description = kind.action  # type: ignore[attr-defined]
    freeze.allowed_permissions = ("draft",)  # type: ignore[attr-defined]
    return freeze


def frozen(
    request: HttpRequest, rows: QuerySet, record_type: str, key: str, then: Callable[[Selection], str]
) -> HttpResponse | None:
    """Freeze the ticked rows, or all that the search finds, as they are now; go where `then` says."""
    ids = list(rows.filter(account__current=True).order_by().values_list(key, flat=True)[: uploads.MAX_IDS + 1])
    try:
        if len(ids) > uploads.MAX_IDS:
            raise Barred(_("More than {max_ids:,} rows at once; narrow the search.").format(max_ids=uploads.MAX_IDS))
        return redirect(then(drafting.select(request.user, record_type, ids)))
    except Barred as no:
        messages.error(request, str(no))
        return None


def takes(kind: Kind, record_type: str) -> bool:
    """May a selection of such records become a request of this kind?"""
    return kind.picks == record_type or (record_type == "activity" and kind.name == "activities")


# --- What a selection holds ---


def picked(selection: Selection) -> str:
    return counted(len(selection.ids), selection.record_type)


def what_is_read(selection: Selection) -> str:
    """One sentence: what happens after the button."""
    if selection.record_type == "task":
        what = _("every list that holds these tasks, in full,")
    elif selection.record_type == "activity":
        what = _("all activities of the leads that these are on")
    else:
        what = _("all activities of this lead") if len(selection.ids) == 1 else _("all activities of these leads")
    return _("LSQ Ops reads {what} from LeadSquared and shows what would go and what stays.").format(what=what)


def owners_of(selection: Selection) -> list[tuple[str, int]]:
    """(owner, tasks) of a selection of tasks, largest first: a check that the right file was taken."""
    names: Counter[str] = Counter()
    if selection.record_type == "task":
        tasks = Task.objects.filter(account=selection.account)
        for first in range(0, len(selection.ids), 500):
            part = tasks.filter(task_id__in=selection.ids[first : first + 500])
            names.update(part.values_list("owner_name", flat=True))
    return names.most_common()


@admin.register(Selection)
class SelectionAdmin(BaseAdmin):
    """A selection is its owner's own, and a step on the way: it has no list."""

    actions_detail = ("read_leads",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(user=request.user).select_related("account")

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        raise Http404(_("Selections have no list."))

    def facts(self, request: HttpRequest, obj: Selection) -> list[tuple[str, Any]]:
        return [
            (_("Picked"), picked(obj)),
            (_("At"), face.when(obj.made_at)),
            (_("From"), obj.source.get("name", _("a list"))),
        ]

    def headline(self, obj: Selection) -> str:
        return _("Selection of {picked}").format(picked=picked(obj))

    def get_urls(self) -> list[URLPattern]:
        draft = path(
            "<int:pk>/draft/<slug:kind>/", self.admin_site.admin_view(self.draft), name="lsq_ops_selection_draft"
        )
        return [draft, *super().get_urls()]

    @dialog(
        verb="refresh_mirror",
        label=lambda request, obj: _("Read {picked} from LeadSquared").format(picked=picked(obj)),
        question=lambda request, obj: _(
            "Their facts are read now, their activities and tasks by the worker after it: about {value:,} "
            "calls of the account's budget."
        ).format(value=-(-len(obj.ids) // leads.AT_ONCE) + 2 * len(obj.ids)),
        button=lazy("Read them"),
    )
    def read_leads(self, request: HttpRequest, obj: Selection, form: Any) -> HttpResponse:
        if obj.record_type != "lead":
            raise Barred(_("Only leads are read one by one; refresh the owner of tasks."))
        said = read_all(request.user, obj.ids)
        messages.success(request, said)
        return redirect("admin:lsq_ops_lead_changelist")

    def draft(self, request: HttpRequest, pk: int, kind: str) -> HttpResponse:
        """GET asks; POST makes the draft and shows it."""
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "POST"])
        selection, chosen = self.found(request, str(pk)), _kind(kind)
        if not takes(chosen, selection.record_type):
            raise Http404(
                _("{title} can't be asked for {record_type}s.").format(
                    title=chosen.title, record_type=selection.record_type
                )
            )
        verdict = may(request.user, "draft", selection)
        if not verdict:
            return self._page(request, selection, chosen, None, status=403, barred=verdict.why)
        data = request.POST if request.method == "POST" else None
        form = DraftForm(chosen, selection, selection.account, request.user, data)
        if data is None or not form.is_valid():
            return self._page(request, selection, chosen, form)
        try:
            made = drafting.draft(request.user, kind=chosen.name, selection=selection, **form.given())
        except Barred as no:
            return self._page(request, selection, chosen, form, status=409, error=str(no))
        messages.success(
            request, _("{made} is drafted. Its records are being read; nothing is deleted yet.").format(made=made)
        )
        return redirect("admin:lsq_ops_deletionrequest_change", made.pk)

    def _page(
        self, request: HttpRequest, selection: Selection, kind: Kind, form: Any, status: int = 200, **extra: str
    ) -> HttpResponse:
        listed = Task._meta if selection.record_type == "task" else Lead._meta
        context = {
            **self.admin_site.each_context(request),
            "opts": listed,  # the way back is the list that it was picked from
            "title": kind.title,
            "selection": selection,
            "picked": picked(selection),
            "owners": owners_of(selection),
            "next": what_is_read(selection),
            "kind": kind,
            "form": form,
            "back": reverse(f"admin:lsq_ops_{listed.model_name}_changelist"),
            **extra,
        }
        return TemplateResponse(request, "lsq_ops/drafting/draft.html", context, status=status)


def read_all(user: Any, ids: list[str]) -> str:
    """Read the leads; what was done, in words."""
    if len(ids) > READ_AT_ONCE:
        raise Barred(
            _("{count:,} leads are too many at once; read at most {read_at_once:,}.").format(
                count=len(ids), read_at_once=READ_AT_ONCE
            )
        )
    done = leads.refresh(user, ids)
    taken, unknown = len(done.taken), len(done.verdicts)
    gone = _(" LeadSquared knows no lead for {unknown:,} of the ids.").format(unknown=unknown) if unknown else ""
    return _("{leads} read. Activities and tasks follow in the background.{gone}").format(
        leads=counted(taken, "lead"), gone=gone
    )


def _kind(name: str) -> Kind:
    try:
        return kinds.get(name)
    except KeyError:
        raise Http404(_("There is no kind of deletion called {name}.").format(name=name)) from None
