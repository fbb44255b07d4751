"""Addresses about signing in, in place of Django's own. The names are allauth's, because it leads people there; none of
its other pages has an address."""

from django.contrib import admin
from django.urls import path

from lsq_ops.admin import second_factor, sign_in

own = admin.site.admin_view

urlpatterns = [
    path("login/", sign_in.SignIn.as_view(), name="account_login"),
    path("login/second-factor/", sign_in.SecondStep.as_view(), name="mfa_authenticate"),
    path("password_change/", own(sign_in.Password.as_view())),
    path("second-factor/", own(second_factor.page), name="mfa_index"),
    path("second-factor/set-up/", own(second_factor.SetUp.as_view()), name="mfa_activate_totp"),
    path("second-factor/codes/", own(second_factor.NewCodes.as_view()), name="mfa_generate_recovery_codes"),
    path("second-factor/remove/", own(second_factor.Remove.as_view()), name="mfa_deactivate_totp"),
]
