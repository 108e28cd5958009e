"""What all tests share: hypothesis without deadlines and with fixed examples, the reference data where present."""

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tapemeasure", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("tapemeasure")

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def akai_recordings():
    """Folder of the real machine's recordings."""
    folder = SHARED_DATA / "akai"
    if not folder.is_dir():
        pytest.skip("the real recordings of an Akai 4000D are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def chowtape_renders():
    """Folder of renders of the real plug-in."""
    folder = SHARED_DATA / "chowtape"
    if not folder.is_dir():
        pytest.skip("the renders of the real plug-in are not beside this checkout")
    return folder
