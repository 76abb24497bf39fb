"""The study's results in one table, read from the sidecars of its figures."""

from __future__ import annotations

from typing import Any

import pandas as pd

from .figures import load_sidecar
from .models import HEALTHY_GANS, REPORT
from .profiles import Profile

SOURCES = (
    "vae_training",
    "dae_training",
    "gan_training",
    "gan_coverage",
    "atlas_log_det",
    "beyond_data",
    "geodesic_ratios",
)


def table(profile: Profile, seed: int) -> pd.DataFrame:
    """One row a model; NaN where a column does not apply. Raises FileNotFoundError for a figure that has not been
    made, naming it, and ValueError for one that was made with another seed."""
    sidecars = {name: load_sidecar(name, profile) for name in SOURCES}
    for name, sidecar in sidecars.items():
        if sidecar["seed"] != seed:
            raise ValueError(f"figure {name} was made with seed {sidecar['seed']}, not {seed}: run its notebook again")
    numbers = {name: sidecar["numbers"] for name, sidecar in sidecars.items()}
    return pd.DataFrame({spec.name: _row(spec.name, numbers) for spec in (*REPORT, *HEALTHY_GANS)}).T.astype(float)


def _row(name: str, numbers: dict[str, Any]) -> dict[str, float | None]:
    family = name.split("-")[0]
    loss = numbers[f"{family}_training"]["final_loss"][name]
    maps, beyond = numbers["atlas_log_det"]["models"][name], numbers["beyond_data"]["models"][name]
    geodesics = numbers["geodesic_ratios"]["models"][name]
    row: dict[str, float | None] = {"final loss": loss["generator"] if family == "gan" else loss}
    for quantity in ("log_det", "log_cond"):
        for label, q in (("lowest", "q0"), ("5 %", "q5"), ("median", "q50"), ("95 %", "q95"), ("highest", "q100")):
            row[f"{quantity} {label}"] = maps[quantity][q]
    return row | {
        "badly conditioned (%)": 100 * maps["badly_conditioned"],
        "log_det lost outside the box": beyond["median_inside"] - beyond["median_outside"],
        "classes covered": numbers["gan_coverage"]["coverage"][name]["classes"] if family == "gan" else None,
        "straight / geodesic": geodesics["ratio"]["q50"] if geodesics["ratio"] else None,
        "converged (%)": 100 * geodesics["converged"],
    }


def solvers(profile: Profile) -> pd.DataFrame:
    """Shares of the certified pairs that each solver of notebook 05 solves, in per cent: one row a solver, one column
    a family. Raises FileNotFoundError as `table` does."""
    shares = load_sidecar("geodesic_solver_ratios", profile)["numbers"]["families"]
    cells = [(*key.split(", ", 1), 100 * row["solved"]) for key, row in shares.items()]
    long = pd.DataFrame(cells, columns=["family", "solver", "solved"])
    return long.pivot_table("solved", "solver", "family", sort=False)


def premise(profile: Profile) -> dict[str, str]:
    """What notebook 05 answers, of each solver, to whether conditioning predicts the pairs that it does not solve.
    Raises FileNotFoundError as `table` does."""
    return load_sidecar("geodesic_premise", profile)["numbers"]["answers"]["not solved"]


def plain(results: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    """The table as nested dictionaries, None where a column does not apply: what a sidecar can hold."""
    return {
        str(name): {str(column): None if pd.isna(value) else float(value) for column, value in row.items()}
        for name, row in results.iterrows()
    }


def conclusions(results: pd.DataFrame) -> list[tuple[str, str]]:
    """The report's conclusions (its Section 5), in its words, each with what the table says of it."""
    healthy = results.index.str.endswith("-r1")
    families = {
        "VAEs": results[results.index.str.startswith("vae")],
        "DAEs": results[results.index.str.startswith("dae")],
        "GANs as printed": results[results.index.str.startswith("gan") & ~healthy],
        "healthy GANs": results[healthy],
    }

    def ranges(column: str, digits: int = 2) -> str:
        return "; ".join(
            f"{family} {rows[column].min():.{digits}f} to {rows[column].max():.{digits}f}"
            for family, rows in families.items()
        )

    vae = families["VAEs"]
    working = results.drop(families["GANs as printed"].index)  # those have collapsed
    well = vae["badly conditioned (%)"].max() < 1
    bent = working["straight / geodesic"].min() > 1.01
    best = vae["log_cond median"].mean() <= min(rows["log_cond median"].mean() for rows in families.values())
    falls = (working["log_det lost outside the box"] > 0).all()
    return [
        (
            "the latent space of deep generative models must not be viewed as euclidean",
            f"{'Supported' if bent else 'Supported in part'}: straight line over geodesic length, median over pairs: "
            f"{ranges('straight / geodesic')}.",
        ),
        (
            "the jacobian of the generator of VAEs is generally well conditioned, provided enough training data",
            f"{'Supported' if well else 'Not supported'} for the data used here: at most "
            f"{vae['badly conditioned (%)'].max():.2f} % of a VAE's area is badly conditioned, highest log_cond "
            f"{vae['log_cond highest'].max():.2f}. The amount of data was not varied yet.",
        ),
        (
            "variational autoencoders are the best suited for geodesic interpolation",
            f"{'Supported' if best else 'Not supported'} by conditioning: median log_cond "
            f"{ranges('log_cond median')}. The default solver converged on (%): {ranges('converged (%)', 0)}.",
        ),
        (
            "this is true disregarding the hidden dimensions and activation functions",
            f"Median log_cond of the four VAEs: {vae['log_cond median'].min():.2f} to "
            f"{vae['log_cond median'].max():.2f}.",
        ),
        (
            "deterministic generators also produce well behaved geometries near training data",
            f"Badly conditioned area in the data's box (%): {ranges('badly conditioned (%)')}.",
        ),
        (
            "the metric tensor of various models is generally poorly defined away from data",
            f"{'Supported' if falls else 'Supported in part'}: log_det lost from the box to the ring around it: "
            f"{ranges('log_det lost outside the box', 1)}.",
        ),
    ]
