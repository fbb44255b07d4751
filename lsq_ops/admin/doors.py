"""Addresses of pages that are about no row: signing in, in place of Django's own (the names are allauth's, because it
leads people there; none of its other pages has an address), and how the portal works."""

from django.contrib import admin
from django.urls import path

from lsq_ops.admin import glossary, mails, operations, second_factor, set_up, sign_in

own = admin.site.admin_view

urlpatterns = [
    path("login/", sign_in.SignIn.as_view(), name="account_login"),
    path("login/second-factor/", sign_in.SecondStep.as_view(), name="mfa_authenticate"),
    path("password_change/", own(sign_in.Password.as_view())),
    path("second-factor/", own(second_factor.page), name="mfa_index"),
    path("second-factor/set-up/", own(second_factor.SetUp.as_view()), name="mfa_activate_totp"),
    path("second-factor/codes/", own(second_factor.NewCodes.as_view()), name="mfa_generate_recovery_codes"),
    path("operations/", own(operations.page), name="operations"),
    path("operations.json", own(operations.as_json), name="operations_json"),
    path("set-up/", own(set_up.page), name="set_up"),
    path("set-up/keys/", own(set_up.TryKeys.as_view()), name="set_up_keys"),
    path("set-up/webhook/", own(set_up.TryWebhook.as_view()), name="set_up_webhook"),
    path("set-up/mail/", own(set_up.TryMail.as_view()), name="set_up_mail"),
    path("words/", own(glossary.page), name="glossary"),
    path("my-mails/", own(mails.MyMails.as_view()), name="my_mails"),
    path("second-factor/remove/", own(second_factor.Remove.as_view()), name="mfa_deactivate_totp"),
]
