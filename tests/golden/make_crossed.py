"""Reference for the crossed random-effects interval: statsmodels' mixed model on two tables of version 1.

    python3 -m venv /tmp/mixed && /tmp/mixed/bin/pip install statsmodels==0.15.0 && /tmp/mixed/bin/python make_crossed.py

`crossed.csv` beside this file holds paired differences of sampled pass rates, 3 seeds x 60 problems each (made
from data/records/version1/quick by `make_crossed.py table`). Writes `crossed.json`: the REML variance components,
the standard error of the mean, and Satterthwaite's degrees of freedom as lmerTest defines them, 2 V^2 / (g' A g),
with A the inverse of the REML likelihood's Hessian in the components and g the gradient of V, both numerical.
"""

import csv
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
TABLES = [
    ("sft-more", "sft-start", "composite_a_train"),
    ("sft-mix-64", "sft-composites", "composite_b"),
]


def rates(arm, problem_set):
    found = {}
    for path in sorted((HERE / "../../data/records/version1/quick" / arm).glob("*/outcomes.jsonl")):
        seed = int(path.parent.name.split("-")[0])
        for row in map(json.loads, path.open()):
            if (row["stage"], row["set"], row["prompts"]) == ("final", problem_set, "train"):
                found[seed, row["problem"]] = row["passed"] / row["samples"]
    return found


def write_table():
    with (HERE / "crossed.csv").open("w") as out:
        out.write("table,seed,problem,difference\n")
        for table, (left, right, problem_set) in enumerate(TABLES):
            first, second = rates(left, problem_set), rates(right, problem_set)
            for (seed, problem), rate in sorted(first.items()):
                out.write(f"{table},{seed},{problem},{rate - second[seed, problem]}\n")


def fit(rows):
    import numpy as np
    import statsmodels.api as sm

    y = np.array([float(row["difference"]) for row in rows])

    def one_hot(key):
        names = sorted({row[key] for row in rows})
        return np.array([[row[key] == name for name in names] for row in rows], float)

    ones, seeds, problems = np.ones((len(y), 1)), one_hot("seed"), one_hot("problem")
    groups = np.ones(len(y))
    structure = sm.regression.mixed_linear_model.VCSpec(
        ["problem", "seed"],
        [[[f"p{i}" for i in range(problems.shape[1])]], [[f"s{i}" for i in range(seeds.shape[1])]]],
        [[problems], [seeds]],
    )
    model = sm.MixedLM(y, ones, groups, exog_vc=structure)
    result = model.fit(reml=True, method=["bfgs", "nm"], gtol=1e-10, maxiter=2000)
    problem, seed = result.vcomp
    theta = np.array([seed, problem, result.scale])

    def covariance(theta):
        return theta[0] * seeds @ seeds.T + theta[1] * problems @ problems.T + theta[2] * np.eye(len(y))

    def variance_of_mean(theta):
        return 1.0 / (ones.T @ np.linalg.solve(covariance(theta), ones)).item()

    def reml(theta):
        v = covariance(theta)
        solved = np.linalg.solve(v, ones)
        information = (ones.T @ solved).item()
        mean = (solved.T @ y).item() / information
        rest = y - mean
        return -0.5 * (np.linalg.slogdet(v)[1] + np.log(information) + rest @ np.linalg.solve(v, rest))

    def derivative(f, at, i):
        step = np.zeros(3)
        step[i] = 1e-3 * theta[i]
        return (f(at + step) - f(at - step)) / (2 * step[i])

    hessian = [[derivative(lambda t: derivative(reml, t, j), theta, i) for j in range(3)] for i in range(3)]
    gradient = np.array([derivative(variance_of_mean, theta, i) for i in range(3)])
    of_variance = gradient @ np.linalg.inv(-np.array(hessian)) @ gradient
    return {
        "mean": result.params[0],
        "seed": seed,
        "problem": problem,
        "residual": result.scale,
        "standard_error": result.bse[0],
        "freedom": 2 * variance_of_mean(theta) ** 2 / of_variance,
    }


def student():
    """Quantiles and tails of Student's t, which the interval takes from the crate `statrs`."""
    from scipy.stats import t

    freedoms = [0.9, 1.0, 2.0, 3.7, 9.0, 41.3, 239.0, 2151.0, 50000.0]
    return [{"freedom": f, "quantile_975": t.ppf(0.975, f), "tail_2": t.sf(2.0, f)} for f in freedoms]


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        write_table()
        sys.exit()
    rows = list(csv.DictReader((HERE / "crossed.csv").open()))
    fits = [fit([row for row in rows if row["table"] == str(table)]) for table in range(len(TABLES))]
    text = json.dumps({"fits": fits, "student": student()}, indent=1)
    (HERE / "crossed.json").write_text(text + "\n")
