"""A recipe's code cannot change unnoticed; its words can."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pullback.study import recipes
from pullback.study.recipes import PACKAGE, RECIPES, Recipe, code, digest

MODULE = '''"""What it does."""

import torch  # the one dependency


class A:
    """A class.

    On three lines.
    """

    word = "# not a comment"

    def f(self, x):
        """Twice x."""

        return 2 * x  # doubled
'''


def test_no_recipe_has_changed_since_it_was_pinned() -> None:
    assert not (stale := recipes.stale()), "\n".join(stale.values())


def test_a_change_is_met_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = RECIPES["training"]._replace(pinned="0" * 16)
    monkeypatch.setitem(recipes.RECIPES, "training", changed)
    message = recipes.stale()["training"]
    for part in ("study/training.py", "raise its version", f"which is {changed.version}", digest(changed)):
        assert part in message


def test_the_code_of_a_module_is_its_text_without_comments_docstrings_and_blank_lines() -> None:
    assert code(MODULE).splitlines() == [
        "import torch", "class A:", '    word = "# not a comment"', "    def f(self, x):", "        return 2 * x",
    ]


def test_the_digest_sees_code_and_names_of_files_and_no_words(tmp_path: Path) -> None:
    recipe = Recipe(1, ("a.py", "models/*.py"), "")

    def digest_of(text: str, name: str = "b.py") -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        (folder / "models").mkdir(parents=True)
        (folder / "a.py").write_text("x = 1\n")
        (folder / "models" / name).write_text(text)
        return digest(recipe, folder)

    first = digest_of(MODULE)
    for words in (("Twice x.", "x and x."), ("# doubled", "# and doubled again"), ("\n\n\nclass", "\nclass")):
        assert digest_of(MODULE.replace(*words)) == first
    for change in (("2 * x", "3 * x"), ("# not a", "# no"), ("x):", "y):")):
        assert digest_of(MODULE.replace(*change)) != first
    assert digest_of(MODULE, "c.py") != first


def test_a_pattern_without_a_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=re.escape("training.py")):
        digest(RECIPES["training"], tmp_path)


def test_every_model_of_the_study_is_behind_the_training_recipe() -> None:
    files = {path for pattern in RECIPES["training"].files for path in PACKAGE.glob(pattern)}
    assert {*(PACKAGE / "study" / "models").glob("*.py"), PACKAGE / "study" / "training.py"} <= files
