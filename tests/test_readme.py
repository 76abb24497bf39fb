"""What the README says can be done, can be done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

import gallery
from pullback.study.paths import FIGURES, PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def commands(text: str) -> set[str]:
    """Targets of the make commands in code spans and shell blocks, settings such as PROFILE=smoke aside."""
    code = re.findall(r"```(?:bash|sh|console)\n(.*?)```", text, re.S) + re.findall(r"`([^`\n]+)`", text)
    return set(re.findall(r"\bmake(?: +(?:-\S+|\w+=\S+))* +([a-z]\w*)\b", "\n".join(code)))


def links(text: str) -> list[str]:
    """Relative targets of markdown and HTML links and images, anchors dropped."""
    found = re.findall(r"\]\(([^)\s]+)[^)]*\)", text) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [link.split("#")[0] for link in found if not re.match(r"[a-z]+:|#", link)]


def test_every_make_command_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.M))
    assert {"figures", "test"} <= commands(README) <= targets


@pytest.mark.parametrize("link", sorted(set(links(README))))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (PROJECT / link).exists()


EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.S)
OTHERS = ("pandas", "seaborn", "torchvision", "safetensors", "papermill", "nbformat", "IPython", "distributed")


def test_the_example_needs_the_library_and_matplotlib_alone_and_draws_the_picture(tmp_path: Path) -> None:
    (block,) = EXAMPLES
    assert len(block.splitlines()) <= 8
    away = f"import sys; sys.modules.update(dict.fromkeys({OTHERS}))\n"  # importing one of them is an error
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src"), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", "-c", away + block]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    drawn, kept = (imread(path)[..., :3] for path in (tmp_path / "geodesic.png", PROJECT / "docs" / "example.png"))
    assert drawn.shape == kept.shape
    assert np.abs(drawn - kept).mean() < 0.01  # a picture of another curve differs by more: lines are 0.02 of it


def test_the_readme_is_one_screen() -> None:
    assert len(README.split()) <= 620


def test_every_picture_has_a_text_for_those_who_do_not_see_it() -> None:
    for page in (README, (PROJECT / "docs" / "gallery.md").read_text(encoding="utf-8")):
        texts = re.findall(r"!\[(.*?)\]\(", page)
        assert texts and all(len(text.split()) >= 3 for text in texts)


def test_the_gallery_is_up_to_date_and_leads_somewhere() -> None:
    written = gallery.GALLERY.read_text(encoding="utf-8")
    assert written == gallery.page(), "the figures have changed: run tools/gallery.py"
    assert all((gallery.GALLERY.parent / link).exists() for link in links(written))
    assert written.count("![") == len(list(FIGURES.glob("*.png")))


def test_no_placeholder_is_left() -> None:
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", README, flags=re.S))
    assert re.findall(r"\b(?:TODO|TBD|RESULTS|[A-Z]+_(?:TIME|ROWS))\b", prose) == []


def test_commands_and_links_are_found() -> None:
    assert commands("`make -j2 figures`, `PROFILE=smoke make test`, to make sense\n```bash\nmake lab  # x\n```") == {
        "figures", "test", "lab",
    }  # fmt: skip
    assert links('[a](b.md#c "t") ![x](y/z.png) [w](https://e.org) <img src="q.png">') == ["b.md", "y/z.png", "q.png"]
