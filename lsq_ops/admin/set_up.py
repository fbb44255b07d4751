"""The set-up page: each part in plain words, green or red with its next step; and the three trials that ask outside."""

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_safe

from lsq_ops.admin import face
from lsq_ops.admin.pages import FormPage, framed
from lsq_ops.services import doctor, policies, set_up
from lsq_ops.services.may import Barred, may
from lsq_ops.wording import lazy


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    account = face.current_account(request)
    findings, tiers = set_up.findings(), policies.coverage()
    red = sum(finding.state in (doctor.WRONG, doctor.UNKNOWN) for finding in findings) + sum(
        one.spare < 0 for one in tiers
    )
    context = {
        "findings": findings,
        "red": red + (account is None or account.tested_at is None),
        "warned": sum(finding.state == doctor.WARNING for finding in findings) + sum(one.spare == 0 for one in tiers),
        "trials": set_up.trials(),
        "tiers": tiers,
        "account": account,
        "may_try": may(request.user, "set_up"),
    }
    return TemplateResponse(request, "lsq_ops/set_up/page.html", framed(request, _("Set-up"), **context))


class _Trial(FormPage):
    form_class: Any = forms.Form
    back = "set_up"

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not (verdict := may(request.user, "set_up")):
            raise PermissionDenied(verdict.why)
        return super().dispatch(request, *args, **kwargs)


class KeysForm(forms.Form):
    access_key = forms.CharField(
        label=lazy("Access key"), max_length=200, widget=forms.TextInput(attrs={"class": "mono"})
    )
    secret_key = forms.CharField(
        label=lazy("Secret key"),
        max_length=200,
        widget=forms.PasswordInput(attrs={"class": "mono", "autocomplete": "off"}),
        help_text=lazy(
            "LeadSquared shows both under My Profile, Settings, API and Webhooks, of the user in whose name"
            " everything is done."
        ),
    )
    host = forms.ChoiceField(label=lazy("Region"), help_text=lazy("Where your LeadSquared account lives."))
    rate = forms.ChoiceField(
        label=lazy("Your plan's limit"),
        choices=set_up.PLANS,
        help_text=lazy("No call tells it. Too low only takes longer; too high is learnt from LeadSquared's refusals."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        places = [(host, f"{region}: {host}") for host, region in set_up.hosts().items()]
        self.fields["host"].choices = [(set_up.FIND, _("Find it: ask each region in turn")), *places]  # type: ignore[attr-defined]
        for name in ("access_key", "secret_key"):
            self.fields[name].widget.attrs["spellcheck"] = "false"


@method_decorator(sensitive_post_parameters("access_key", "secret_key"), name="dispatch")
class TryKeys(_Trial):
    form_class = KeysForm
    title, button = lazy("Try a pair of keys"), lazy("Ask LeadSquared")
    say = lazy(
        "LeadSquared is asked once whose keys these are; nothing is changed there. The portal keeps nothing of them:"
        " you get the lines for .env, and put them there yourself."
    )

    @method_decorator(sensitive_variables())
    def deed(self, user: User, form: KeysForm) -> HttpResponse:
        keys = set_up.try_keys(user, **form.cleaned_data)
        context = self.get_context_data(keys=keys, region=set_up.hosts().get(keys.host, ""))
        return TemplateResponse(self.request, "lsq_ops/set_up/keys.html", context)


class TryWebhook(_Trial):
    title, button = lazy("Try the webhook's way"), lazy("Send a report")
    say = lazy(
        "A report is sent to this portal's public address, as LeadSquared would send one, about a call that does not"
        " exist. It moves nothing."
    )

    def deed(self, user: User, form: forms.Form) -> HttpResponse:
        finding = set_up.try_webhook(user)
        if finding.state != doctor.OK:
            raise Barred(f"{finding.says} {finding.do}")
        return self.done(
            _("{says} LeadSquared must reach the same address from the internet.").format(says=finding.says)
        )


class TryMail(_Trial):
    title, button = lazy("Try a mail"), lazy("Send me a mail")

    @property
    def say(self) -> str:  # type: ignore[override]
        email = getattr(self.request.user, "email", "")
        return (
            _("A mail goes to {email}, at once.").format(email=email)
            if email
            else _("You have no address: a policy admin writes one down.")
        )

    def deed(self, user: User, form: forms.Form) -> HttpResponse:
        return self.done(
            _("The mail server took a mail to {try_mail}. Did it come?").format(try_mail=set_up.try_mail(user))
        )
