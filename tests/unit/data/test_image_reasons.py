"""Why an image cannot be used is said in words, and never by what an object is called in memory."""

import re

import pytest

from broken_images import BROKEN
from leeway.bundle.resize import decode
from leeway.data.inspection import examine
from leeway.errors import DataError

ADDRESS = re.compile(r"object at 0x|<_io\.|<PIL\.")


@pytest.mark.parametrize("name", BROKEN)
def test_no_reason_names_an_object_in_memory(name: str) -> None:
    found = examine(BROKEN[name], name[name.rindex(".") :])
    assert found.finding is not None
    assert not ADDRESS.search(str(found.reason))
    with pytest.raises(DataError) as refused:
        decode(BROKEN[name])
    assert not ADDRESS.search(str(refused.value))
