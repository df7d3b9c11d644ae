"""docs/settings.md and settings.py say the same."""

import dataclasses
import re
from pathlib import Path

from headrace import settings

PAGE = Path(__file__).parent.parent.parent / "docs" / "settings.md"


def test_every_setting_stands_on_the_page_with_its_default():
    found = re.findall(r"^\| `(\w+)\.(\w+)` \| `([^`]*)` \|", PAGE.read_text(), re.MULTILINE)
    told = {f"{room}.{name}": default for room, name, default in found}

    known = {}
    for room in dataclasses.fields(settings.Settings):
        if room.name != "data":
            for one in dataclasses.fields(room.type):
                known[f"{room.name}.{one.name}"] = repr(one.default)
    assert known == told
