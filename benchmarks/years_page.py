"""The page of the simulated years, from their rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from scipy.stats import beta

Row = dict[str, Any]

HEADS = {
    "joint": "The whole policy: all checks that can start something",
    "drift": "Drift: `prediction_drift`",
    "accuracy": "Accuracy: `accuracy`",
    "classes": "Classes and slices: `class_accuracy`",
    "image": "Images: `image_drift`",
    "gate": "The gate: a version that is no better",
    "estimates": "The interval that people read, and what planned labels are worth",
}
HEAD = """# What the monitor claims, in simulated years

    OMP_NUM_THREADS=1 python benchmarks/years.py --jobs 2

Years in which nothing is wrong, made as awkward as real traffic is; what alarms in them alarms falsely. They are lived
through the engine of the product (`leeway.simulate`), which computes with the functions that watch a real model; tests
hold it to the checks themselves, night by night. A row is kept in docs/years.json, and run again with `--again`.

The promise of a check holds for its null, which is one sentence in its docstring, in the runbook and on the page of a
night. *Holds*: even the upper end of the exact 95 % interval is within the budget. *Within*: the share is within the
budget, and the interval reaches over it. *Does not hold*: the share is over it. *(reported)*: the world breaks an
assumption, and the row says by how much that hurts; nothing is promised there.
"""


def page(rows: Sequence[Row], *, missing: int) -> str:
    nulls = [row for row in rows if row["kind"] == "ROWS"]
    parts = [HEAD, summary(nulls, rows, missing=missing)]
    for check, head in HEADS.items():
        own = [row for row in rows if row["check"] == check]
        if own:
            parts.append(f"## {head}\n")
            parts.extend(section(own))
    return "\n".join(parts)


def summary(nulls: Sequence[Row], rows: Sequence[Row], *, missing: int) -> str:
    """Which rows hold, and by name those that do not."""
    promised = [row for row in nulls if not row["reported"]]
    broken = [row for row in promised if verdict(row).startswith("**")]
    within = [row for row in promised if verdict(row) == "within"]
    late = [row for row in rows if row["kind"] != "ROWS" and not met(row)]
    lines = [
        f"{len(promised)} rows of nulls are promised; {len(promised) - len(broken) - len(within)} hold, {len(within)} "
        f"are within their budget, {len(broken)} are not; {len(nulls) - len(promised)} more are reported.",
        *(f"- does not hold: {row['check']}, {row['name']}: {row['alarms']} of {row['years']:,}" for row in broken),
        f"\nOf {sum(has_target(row) for row in rows)} delays and ratios with a target {len(late)} miss it.",
        *(f"- missed: {row['check']}, {row['name']}: {value(row)}, wanted {row['target']:g}" for row in late),
    ]
    if missing:
        lines.append(f"\n{missing} rows have not been run.")
    cpu = sum(row["cpu_seconds"] for row in rows) / 3600
    days = sorted({row["date"] for row in rows})
    lines.append(f"\nRun on {' and '.join(dict.fromkeys([*days[:1], *days[-1:]]))}; {cpu:.1f} hours of one core.\n")
    return "\n".join(lines)


def section(rows: Sequence[Row]) -> Iterable[str]:
    nulls, delays, oracles = ([row for row in rows if row["kind"] == kind] for kind in ("ROWS", "DELAYS", "ORACLES"))
    if nulls:
        yield table(
            ("a year in which", "false alarms", "95 %", "budget", ""),
            [
                (named(row), f"{row['alarms']} of {row['years']:,}", between(row), f"{row['budget']:.0%}", verdict(row))
                for row in nulls
            ],
        )
    if delays:
        yield table(
            ("delay, nights", "median", "90 %", "runs", "target", ""),
            [
                (named(row), value(row), nights(row["ninety"]), f"{row['runs']:,}", goal(row), mark(row))
                for row in delays
            ],
        )
    if oracles and oracles[0]["check"] == "estimates":
        yield (
            "Labels that show a fall from 92 to 85 % with power 80 % and 1 % false alarms, by the variances of the "
            "estimate,\nbeside those of the best plan that only chooses items (Neyman's allocation with the true error "
            "rates);\nthe target is 1/.85 of them:\n"
        )
    elif oracles:
        yield (
            "Against CUSUM that knows the true error rates before and after, and how much nights differ, and is set to "
            "alarm\nfalsely as often (20 uniform labels a night, nights of sd 3 points, from the floor of 90 % down):\n"
        )
        yield table(
            ("fall", "ours", "oracle", "ratio", "of the means", "target", ""),
            [
                (row["name"], nights(row["ours"]), nights(row["oracle"]), value(row), means(row), goal(row), mark(row))
                for row in oracles
            ],
        )


def named(row: Row) -> str:
    told = row["told"]
    return (
        row["name"]
        if not told or told == row["name"]
        else told
        if told.startswith(row["name"])
        else f"{row['name']}: {told}"
    )


def between(row: Row) -> str:
    """The exact two-sided 95 % interval, in per cent (Clopper and Pearson 1934)."""
    low, high = interval(row)
    return f"{100 * low:.1f} to {100 * high:.1f} %"


def interval(row: Row) -> tuple[float, float]:
    hits, total = row["alarms"], row["years"]
    low = float(beta.ppf(0.025, hits, total - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, total - hits)) if hits < total else 1.0


def verdict(row: Row) -> str:
    if row["reported"]:
        return "(reported)"
    if row["alarms"] > row["budget"] * row["years"]:
        return "**does not hold**"
    return "holds" if interval(row)[1] <= row["budget"] else "within"


def has_target(row: Row) -> bool:
    return row["kind"] != "ROWS" and row["target"] is not None


def met(row: Row) -> bool:
    reached = row["ratio"] if row["kind"] == "ORACLES" else row["median"]
    return not has_target(row) or (reached is not None and reached <= row["target"] + 1e-9)


def value(row: Row) -> str:
    return f"{row['ratio']:.2f}" if row["kind"] == "ORACLES" else nights(row["median"])


def means(row: Row) -> str:
    ratio = row["ratio_of_means"]
    return f"{ratio:.2f}" if ratio < 100 else ""


def goal(row: Row) -> str:
    return f"<= {row['target']:g}" if has_target(row) else ""


def mark(row: Row) -> str:
    return "" if not has_target(row) else "met" if met(row) else "**missed**"


def nights(number: float | None) -> str:
    return "never" if number is None or number > 1e6 else f"{number:g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
