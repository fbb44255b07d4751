"""The scene is dear to make: once for all tests of a module, each of which rolls back what it did."""

from collections.abc import Iterator
from typing import Any

import pytest

from .scene import Scene, scene


@pytest.fixture(scope="module")
def there(django_db_setup: None, django_db_blocker: Any) -> Iterator[Scene]:
    with django_db_blocker.unblock(), scene() as made:
        yield made
