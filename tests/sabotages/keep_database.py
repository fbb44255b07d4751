"""A pytest plugin: the migrated test database is kept for the next run. Making it takes longer than most tests, and no
sabotage is one of a migration; the guards are made anew each time."""

import os
from typing import Any

from django.db import connections
from django.test import utils

_set_up, _tear_down = utils.setup_databases, utils.teardown_databases


def setup_databases(**options: Any) -> Any:
    if path := os.environ.get("KEPT_DATABASE"):
        connections["default"].settings_dict["TEST"]["NAME"] = path
    return _set_up(**options, keepdb=True)


def teardown_databases(made: Any, **options: Any) -> None:
    _tear_down(made, **options, keepdb=True)


utils.setup_databases, utils.teardown_databases = setup_databases, teardown_databases
