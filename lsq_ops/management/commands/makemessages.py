"""Django's own, which also collects what `lazy("…")` and `marked("…")` mark: lsq_ops/wording.py."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    xgettext_options = [*makemessages.Command.xgettext_options, "--keyword=lazy", "--keyword=marked"]
