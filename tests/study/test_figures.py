"""A figure is three whole files, its bytes repeat, and its sidecar says what it is in finite numbers."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from pullback.study import figures  # noqa: E402
from pullback.study.data import data_hash  # noqa: E402


@dataclass(frozen=True)
class Folder:
    """What `save` needs of a profile."""

    figures: Path
    name: str = "smoke"
    sample: bool = True


def draw(slope: float = 1.0) -> Figure:
    fig = Figure(figsize=(2, 2))
    ax = fig.subplots()
    ax.plot([0, 1], [0, slope])
    ax.imshow(np.arange(12.0).reshape(3, 4))
    ax.set_title(r"$\log\det G$")
    return fig


def save(profile, fig=None, name="figure_1", numbers=None, **options):
    options = {"caption": "A line.", "notebook": "04_jacobian_maps"} | options
    return figures.save(fig or draw(), name, profile=profile, numbers=numbers or {}, **options)


def test_three_files_and_nothing_else(tmp_path):
    path = save(Folder(tmp_path / "new" / "folder"))
    assert path == tmp_path / "new" / "folder" / "figure_1.png"
    assert {item.name for item in path.parent.iterdir()} == {"figure_1.json", "figure_1.pdf", "figure_1.png"}
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.with_suffix(".pdf").read_bytes().startswith(b"%PDF")


def test_sidecar(tmp_path):
    save(
        Folder(tmp_path),
        numbers={"log_det": figures.quantiles(torch.arange(5.0)), "count": np.int64(3), "pair": np.ones(2)},
        parameters={"grid": 45, "box": ((0, 1), (np.float32(0.5), torch.tensor(2.0)))},
        seed=7,
        checkpoints={"vae_128_32_tanh": "abc"},
        wall_time=1.5,
    )
    sidecar = figures.load_sidecar("figure_1", Folder(tmp_path))
    assert set(sidecar) == {
        "figure", "caption", "alt", "notebook", "cell", "profile", "parameters", "seed", "git", "data",
        "checkpoints", "versions", "device", "threads", "wall_time", "numbers", "files", "sha256",
    }  # fmt: skip
    assert sidecar["figure"] == "figure_1" and sidecar["profile"] == "smoke" and sidecar["cell"] is None
    assert sidecar["parameters"] == {"grid": 45, "box": [[0, 1], [0.5, 2.0]]}
    assert sidecar["numbers"]["count"] == 3 and sidecar["numbers"]["pair"] == [1.0, 1.0]
    assert list(sidecar["numbers"]["log_det"].values()) == pytest.approx([0, 0.2, 1, 2, 3, 3.8, 4])
    assert sidecar["data"] == data_hash(True)
    assert sidecar["checkpoints"] == {"vae_128_32_tanh": "abc"}
    assert set(sidecar["versions"]) == {"python", "torch", "torchvision", "numpy", "matplotlib"}
    assert sidecar["threads"] == torch.get_num_threads()
    assert (sidecar["seed"], sidecar["wall_time"]) == (7, 1.5)


def test_cell_is_the_one_that_runs(monkeypatch, tmp_path):
    shell = InteractiveShell(ipython_dir=str(tmp_path / "ipython"))
    monkeypatch.setattr(figures, "get_ipython", lambda: shell)
    shell.user_ns["save"] = lambda: save(Folder(tmp_path))
    for _ in range(2):
        shell.run_cell("pass", store_history=True)
    shell.run_cell("save()", store_history=True).raise_error()
    assert figures.load_sidecar("figure_1", Folder(tmp_path))["cell"] == 3


def test_bytes_repeat_in_another_process_at_another_time(tmp_path):
    here = save(Folder(tmp_path / "here"))
    code = (
        "import sys, test_figures as t; from pathlib import Path; import time; time.sleep(1.1);"
        "t.save(t.Folder(Path(sys.argv[1])))"
    )
    paths = [str(Path(__file__).parent), str(Path(figures.__file__).parents[1])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "123"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "there")], check=True, env=environment)
    for suffix in (".png", ".pdf"):
        there = (tmp_path / "there" / "figure_1").with_suffix(suffix)
        assert here.with_suffix(suffix).read_bytes() == there.read_bytes()


def test_saving_changes_neither_figure_nor_arguments(tmp_path):
    fig, numbers = draw(), {"a": {"b": np.float64(1)}}
    before = fig.dpi, tuple(fig.get_size_inches())
    save(Folder(tmp_path), fig, numbers=numbers)
    assert (fig.dpi, tuple(fig.get_size_inches())) == before and type(numbers["a"]["b"]) is np.float64


def test_overwriting_replaces_all_three(tmp_path):
    path = save(Folder(tmp_path), numbers={"slope": 1})
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    save(Folder(tmp_path), draw(2.0), numbers={"slope": 2})
    after = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    assert set(after) == set(before) and all(after[name] != before[name] for name in after)
    assert json.loads(path.with_suffix(".json").read_text())["numbers"] == {"slope": 2}


def test_failure_while_drawing_leaves_the_old_figure(monkeypatch, tmp_path):
    save(Folder(tmp_path))
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    fig = draw(2.0)
    draw_png = fig.savefig

    def savefig(path, **options):
        if path.suffix == ".pdf":
            raise OSError(28, "No space left on device")
        draw_png(path, **options)

    monkeypatch.setattr(fig, "savefig", savefig)
    with pytest.raises(OSError, match=f"figure_1.*{tmp_path}.*No space left"):
        save(Folder(tmp_path), fig)
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before


def test_folder_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=f"figure_1 cannot be written into {tmp_path}/file/figures"):
        save(Folder(tmp_path / "file" / "figures"))

    def refuse(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    with pytest.raises(OSError, match=f"into {tmp_path}: .*Permission denied"):
        save(Folder(tmp_path))


@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), -np.inf, torch.tensor(torch.inf)])
def test_number_that_is_not_finite_is_named_and_nothing_written(tmp_path, value):
    with pytest.raises(ValueError, match=r"numbers\.maps\[1\]\.log_det is (nan|-?inf)"):
        save(Folder(tmp_path), numbers={"maps": [{"log_det": 0.0}, {"log_det": value}]})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "Figure", "figure 1", "../figure", "figure.1", "figure\n"])
def test_name_outside_the_alphabet(tmp_path, name):
    with pytest.raises(ValueError, match="figure name"):
        save(Folder(tmp_path), name=name)


def test_missing_sidecar_says_what_to_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="figure_9 .*PROFILE=smoke make figures.*notebook"):
        figures.load_sidecar("figure_9", Folder(tmp_path))


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_quantiles(kind):
    values = np.random.default_rng(0).normal(size=(45, 45))
    found = figures.quantiles(kind(values))
    assert list(found) == ["q0", "q5", "q25", "q50", "q75", "q95", "q100"]
    assert all(type(value) is float for value in found.values())
    expected = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    assert list(found.values()) == pytest.approx(expected, rel=1e-12)


def test_quantiles_are_over_finite_values():
    assert set(figures.quantiles(np.array([])).values()) == {None}
    assert figures.quantiles(np.array([1.0, -np.inf, 3.0, np.inf])) == figures.quantiles(np.array([1.0, 3.0]))
    with pytest.raises(ValueError, match="1 of 3 values are NaN"):
        figures.quantiles(np.array([1.0, np.nan, np.inf]))
    with pytest.raises(ValueError, match="none of 2"):
        figures.quantiles(np.array([np.inf, -np.inf]))


def test_git_state(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert figures._git(tmp_path) is None
    git("init")
    assert figures._git(tmp_path) is None
    (tmp_path / "source").write_text("a")
    git("add", ".")
    git("commit", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert figures._git(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "figure_1.png").write_text("written by the run itself")
    assert figures._git(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "claims.json").write_text("written by the run itself")
    assert figures._git(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "source").write_text("b")
    assert figures._git(tmp_path) == {"commit": commit, "dirty": True}
    assert figures._git(tmp_path / "figures") is None


def test_differences_finds_another_number_and_a_missing_figure(tmp_path: Path) -> None:
    for folder, value in (("a", 1.0), ("b", 1.0)):
        save(Folder(tmp_path / folder), name="same", numbers={"x": value})
        save(Folder(tmp_path / folder), name="moved", numbers={"x": value})
    assert figures.differences(tmp_path / "a", tmp_path / "b") == []
    save(Folder(tmp_path / "b"), name="moved", numbers={"x": 1.0000001})
    save(Folder(tmp_path / "a"), name="lost", numbers={})
    found = figures.differences(tmp_path / "a", tmp_path / "b")
    assert [line.split(":")[0] for line in found] == ["lost", "moved"]


def test_seals_hold_until_a_file_is_changed_or_exchanged(tmp_path: Path) -> None:
    for name, slope in (("one", 1.0), ("two", 2.0)):
        save(Folder(tmp_path), draw(slope), name=name, numbers={"x": slope, "y": [1, 0.1 + 0.2]})
    assert figures.broken_seals(tmp_path, "one") == figures.broken_seals(tmp_path, "two") == []
    sidecar = tmp_path / "one.json"
    whole = sidecar.read_text()
    for old, new in (('"x": 1.0', '"x": 1.5'), ("A line.", "A curve."), ('"cell": null', '"cell": 4')):
        sidecar.write_text(whole.replace(old, new))
        assert figures.broken_seals(tmp_path, "one") == ["json"], new
    sidecar.write_text(whole)
    for suffix in ("png", "pdf"):
        one, two = ((tmp_path / name).with_suffix(f".{suffix}") for name in ("one", "two"))
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second), two.write_bytes(first)
        assert figures.broken_seals(tmp_path, "one") == figures.broken_seals(tmp_path, "two") == [suffix]
        one.write_bytes(first), two.write_bytes(second)
    sidecar.write_text((tmp_path / "two.json").read_text())
    assert figures.broken_seals(tmp_path, "one") == ["png", "pdf", "json"]


def test_a_notebooks_picture_is_smaller_and_keeps_its_colours() -> None:
    x, random = np.linspace(-1, 1, 200), np.random.default_rng(0)
    fig, (left, right) = plt.subplots(1, 2)
    left.imshow(np.sin(9 * x)[:, None] * np.cos(7 * x) + x**3, cmap="viridis")
    right.scatter(*random.standard_normal((2, 3000)), c=random.integers(10, size=3000), cmap="tab10", s=3)
    whole, small = io.BytesIO(), figures.small_png(fig)
    fig.savefig(whole, format="png", bbox_inches="tight")
    plt.close(fig)
    pictures = [Image.open(file).convert("RGB") for file in (whole, io.BytesIO(small))]
    pictures.append(pictures[0].quantize(256).convert("RGB"))  # Pillow's default
    full, ours, default = (np.asarray(picture, dtype=float) for picture in pictures)
    error = [np.sqrt(np.square(other - full).sum(2).mean()) for other in (ours, default)]
    assert len(small) < len(whole.getvalue()) / 2 and error[0] < 0.7 * error[1]


def test_the_text_in_place_of_a_figure_says_what_its_panels_show() -> None:
    fig, axes = plt.subplots(1, 2)
    axes[0].set(title="VAE\n128-32", xlabel="$z_1$", ylabel="$z_2$")
    axes[1].set(xlabel="epoch", ylabel="loss")
    told = figures.alternative(fig, "Two panels.")
    assert told == "Two panels. Panels: VAE 128-32:  z_2  against  z_1 ; loss against epoch."
    bare, _ = plt.subplots()
    assert figures.alternative(bare, "A figure.") == "A figure."
    plt.close("all")
