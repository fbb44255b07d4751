"""A request that is over, and the key that its report is sealed with."""

import pytest
from django.conf import settings

from tests.evidence.packets import anchored
from tests.services.steps import to_the_end


@pytest.fixture
def over(world):
    """Two leads' site visits, approved by two, gone, and anchored."""
    request = to_the_end(world, world.running("activities", "asha", "bruno"))
    anchored()
    return request


@pytest.fixture
def key_file(tmp_path):
    (tmp_path / "key").write_text(settings.AUDIT_KEY)
    return "key"
