"""`python -m benchmarks.parts.web`: the web server, with the very arguments that `manage.py up` starts it with."""

import os
import sys

import django

if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.parts.settings"
    django.setup()
    from lsq_ops.management.commands.up import web_arguments

    os.execv(sys.executable, [sys.executable, *web_arguments()])
