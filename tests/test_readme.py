"""What the README says can be done, can be done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_the_example_runs(block: str, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "src")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout


def test_the_readme_has_an_example() -> None:
    assert "```python\n" in README


def test_the_table_has_every_figure() -> None:
    table = "\n".join(line for line in README.splitlines() if line.startswith("|"))
    assert [path.name for path in sorted(FIGURES.glob("*.png")) if f"figures/{path.name}" not in table] == []


def test_no_placeholder_is_left() -> None:
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", README, flags=re.S))
    assert re.findall(r"\b(?:TODO|TBD|RESULTS|[A-Z]+_(?:TIME|ROWS))\b", prose) == []


def test_commands_and_links_are_found() -> None:
    assert commands("`make -j2 figures`, `PROFILE=smoke make test`, to make sense\n```bash\nmake lab  # x\n```") == {
        "figures", "test", "lab",
    }  # fmt: skip
    assert links('[a](b.md#c "t") ![x](y/z.png) [w](https://e.org) <img src="q.png">') == ["b.md", "y/z.png", "q.png"]
