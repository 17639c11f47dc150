"""Page and model card: everything measured is told, nothing from outside is read as HTML or Markdown."""

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from leeway.evaluation.checklist import Checklist, ChecklistItem
from leeway.evaluation.numbers import write_metrics
from leeway.evaluation.tta import Gain
from leeway.pages.evaluation import write_page
from leeway.pages.model_card import cell, write_card
from leeway.stats.paired import Pairs
from made_evaluation import made_evaluation, picture

SECTIONS = (
    "checklist", "must-pass", "classes", "slices", "calibration", "review", "strangers", "robustness", "looks",
    "mistakes", "training", "cost", "reads",
)  # fmt: skip


class Read(HTMLParser):
    """What a page holds: its text, ids, and the addresses it loads; tags that are not closed are an error."""

    VOID = ("meta", "img", "br", "line", "rect", "circle")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.ids += [known["id"]] if "id" in known else []
        self.loads += [value for name, value in attrs if name in ("src", "href")]
        assert tag != "script"
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.loads += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "one.png"
    path.write_bytes(picture())
    return {"confusion": path, "saliency": path}


def page_of(folder: Path, evaluation, pictures=None) -> Read:
    write_page(folder / "reports" / "page.html", evaluation, pictures or {})
    return Read((folder / "reports" / "page.html").read_text(encoding="utf-8"))


def card_of(folder: Path, evaluation) -> str:
    write_card(folder / "reports" / "card.md", evaluation)
    return (folder / "reports" / "card.md").read_text(encoding="utf-8")


def test_the_page_has_every_section_and_needs_nothing_from_outside(tmp_path, pictures):
    page = page_of(tmp_path, made_evaluation().evaluation, pictures)
    assert tuple(page.ids) == SECTIONS
    assert {one for one in page.loads if one.startswith("#")} == {f"#{name}" for name in SECTIONS}
    assert all(one.startswith(("#", "data:image/png;base64,")) for one in page.loads)
    assert sum(one.startswith("data:") for one in page.loads) == 3, "two pictures and a mistake"


def test_the_page_tells_the_numbers_of_the_report(tmp_path):
    evaluation = made_evaluation(slices=("left", "right")).evaluation
    text = page_of(tmp_path, evaluation).text
    report = evaluation.report
    assert f"{report.accuracy.value:.1%}" in text
    assert f"{report.calibrated.log_loss.value:.3f}" in text
    assert f"{evaluation.review.sent:.1%}" in text
    assert "read 2 times (evaluate, gate)" in text
    assert "1 of 2 items of the checklist fail: the gate will refuse this bundle" in text
    assert "p99 4.2 ms" in text
    assert all(name in text for name in (*report.classes, "left", "right", "uniform noise", "contrast"))


def test_what_comes_from_outside_is_escaped(tmp_path):
    names = ("<script>alert(1)</script>", "cat & dog", 'a "quoted" one')
    text = page_of(tmp_path, made_evaluation(names, slices=("<b>bold</b>",)).evaluation).text
    assert all(name in text for name in (*names, "<b>bold</b>", "mean <differs>", "a<b>.png"))


def test_what_was_not_measured_is_said(tmp_path):
    bare = made_evaluation(review_threshold=None, energy_threshold=None, training={}).evaluation
    bare = replace(
        bare, trials=(), required=(), mistakes=(), checklist=Checklist("b" * 64, (ChecklistItem("a", "pass", "b"),))
    )
    text = page_of(tmp_path, bare).text
    for told in (
        "Nothing on the checklist fails", "The bundle has none: on the validation split", "no energy threshold",
        "Not tried.", "Not drawn", "No test image was answered wrongly", "not told", "The dataset names none",
        "Test-time augmentation was not tried",
    ):  # fmt: skip
        assert told in text
    card = card_of(tmp_path, bare)
    assert "Not stated (params.yaml, `evaluate.intended_use`)" in card
    assert "Not tried." in card


def test_gain_and_cost_of_test_time_augmentation_are_told(tmp_path):
    gain = Gain("mirror", Pairs(gained=7, lost=2, total=240), 0.09, 1.97)
    text = page_of(tmp_path, replace(made_evaluation().evaluation, gain=gain)).text
    assert "+2.1 points (7 images become right, 2 wrong; McNemar p 0.09), 2.0 times as slow" in text


def test_a_hundred_classes_are_all_on_the_page_worst_first(tmp_path):
    names = tuple(f"class {k:02}" for k in range(100))
    evaluation = made_evaluation(names, images=600).evaluation
    page = page_of(tmp_path, evaluation).text
    shown = re.findall(r"class \d\d", page.partition("Classes, lowest recall first")[2])
    recall = {one.name: one.recall.value for one in evaluation.report.per_class}
    assert len(set(shown)) == 100
    assert [recall[name] for name in shown[:100]] == sorted(recall.values())


def test_the_card_names_known_failures_and_limits(tmp_path):
    evaluation = replace(made_evaluation(slices=("left", "right")).evaluation, intended_use="Sorting pets.")
    card, report = card_of(tmp_path, evaluation), evaluation.report
    weakest = min(report.per_class, key=lambda one: one.recall.value)
    assert "Sorting pets." in card
    assert f"- {weakest.name} is recognised in {weakest.recall.value:.1%}" in card
    assert "- Must-pass image a\\<b\\>.png, cat, is called dog." in card
    assert "- Checklist, must-pass set: 1 wrong." in card
    assert "| left | 120 |" in card
    assert "6 of 6 classes have under 100 test images" in card
    assert "read 2 times (evaluate, gate)" in card


def test_every_table_of_the_card_has_as_many_cells_in_each_row(tmp_path):
    names = ("pipe | class", "`code`", "two\nlines")
    lines = card_of(tmp_path, made_evaluation(names, slices=("a|b",)).evaluation).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    for above, below in itertools.pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", above)) == len(re.findall(r"(?<!\\)\|", below))
    assert any("pipe \\| class" in row for row in rows)
    assert any("two lines" in row for row in rows)


def test_a_name_stays_on_one_line_and_means_nothing_to_markdown():
    assert cell("a\n *b* [c](d) #e") == "a \\*b\\* \\[c\\](d) \\#e"


def test_the_metrics_are_flat_where_dvc_shows_them_and_hold_all_else_below(tmp_path):
    evaluation = made_evaluation(slices=("left", "right")).evaluation
    write_metrics(tmp_path / "metrics.json", evaluation)
    told = json.loads((tmp_path / "metrics.json").read_text())
    numbers = {name for name, value in told.items() if isinstance(value, int | float)}
    assert numbers == set(evaluation.headline())
    assert {"latency_p50_ms", "bundle_bytes", "corrupted_accuracy", "test_reads", "checklist_failed"} <= numbers
    assert told["checklist_failed"] == 1
    assert [one["name"] for one in told["slices"]] == ["left", "right"]
    assert len(told["robustness"]) == len(evaluation.trials)
