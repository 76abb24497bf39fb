"""Modules joined into one script: each once, after what it needs, or an error that names the fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullback.explorer.bundle import bundle
from pullback.study.paths import PROJECT


def write(folder: Path, **modules: str) -> Path:
    for name, code in modules.items():
        (folder / f"{name}.js").write_text(code)
    return folder / "main.js"


def test_a_module_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='import { a } from "./left.js";\nimport { b } from "./right.js";\nexport const c = a + b;\n',
        left='import { base } from "./base.js";\nexport const a = base;\n',
        right='import {\n  base,\n} from "./base.js";\nexport const b = 2 * base;\n',
        base="export const base = 1;\n",
    )
    code = bundle(main)
    places = [code.index(f"const ${name} = ") for name in ("base", "left", "right", "main")]
    assert places == sorted(places) and code.count("const $base = ") == 1
    assert "import" not in code and "export" not in code
    assert code.rstrip().endswith("return { c };\n})();")


@pytest.mark.parametrize(
    ("modules", "fault"),
    [
        ({"main": 'import { a } from "./none.js";\n'}, "no module none.js, which main.js imports"),
        ({"main": 'import { a } from "./b.js";\n', "b": 'import { c } from "./main.js";\n'}, "in a circle: main.js"),
        ({"main": "export default 1;\n"}, "export default 1;"),
        ({"main": 'import all from "./b.js";\n'}, "import all"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, modules: dict[str, str], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        bundle(write(tmp_path, **modules))


def test_two_modules_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "main.js").write_text("export const a = 1;\n")
    with pytest.raises(ValueError, match="one name"):
        bundle(write(tmp_path, main='import { a } from "./other/main.js";\n'))


@pytest.mark.parametrize("entry", ["site/explorer/src/main.js", "src/pullback/explorer/view/widget.js"])
def test_a_module_says_in_a_comment_what_it_is(entry: str) -> None:
    folder = (PROJECT / entry).parent
    for path in folder.glob("*.js"):
        text = path.read_text()
        assert text.startswith("// ") and len(text.splitlines()) <= 350, path.name
        assert max(map(len, text.splitlines())) <= 120, path.name
