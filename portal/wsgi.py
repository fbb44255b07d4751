"""The WSGI door: any server can serve `portal.wsgi:application`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from portal.proxies import BehindProxies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

application = BehindProxies(get_wsgi_application(), settings.TRUSTED_PROXIES)
