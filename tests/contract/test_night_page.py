"""The page of a night as a file: it opens anywhere, it is small, and nothing that came from data runs in it."""

import io
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from leeway.domain.night_view import (
    AccuracyPoint,
    ClassMix,
    ClassRow,
    ClassShare,
    ConfidenceBins,
    Confusion,
    EvidencePath,
    EvidencePoint,
    NightPage,
    Picture,
    ServedLatency,
    ShareInterval,
)
from leeway.domain.records import Action, CheckResult, Decision, Status
from leeway.errors import WorkspaceError
from leeway.pages.charts import accuracy_chart, confidence_chart, edge_text, evidence_chart
from leeway.pages.night import SIDE, standing, thumbnail, write_night_page
from leeway.pages.words import number_text
from tiny_bundle import square

NIGHT = date(2026, 3, 10)
NOON = datetime(2026, 3, 11, 12, tzinfo=UTC)
CHECKS = ("prediction_drift", "accuracy", "class_accuracy")
VOID = {"meta", "img", "br", "input", "link", "hr"}


def page(**changed: object) -> NightPage:
    nights = [NIGHT - timedelta(days=back) for back in range(9, -1, -1)]
    estimate = ShareInterval(0.921, 0.88, 0.95, 140)
    statuses = [Status.NO_VERDICT, *[Status.QUIET] * 8, Status.FIRED]
    values = [None, *(10.0**at for at in range(-4, 4)), 1e60]
    path = tuple(
        EvidencePoint(night, status, value, None if value is None else 18_250.0)
        for night, status, value in zip(nights, statuses, values, strict=True)
    )
    made = NightPage(
        model="pets",
        version=3,
        night=NIGHT,
        as_of=NOON,
        epoch=nights[0],
        classes=2,
        predictions=1234,
        decision=Decision("pets/3/1", "pets", 3, NIGHT, Action.MORE_LABELS, "drift: moved", NOON, "policy"),
        results=(
            CheckResult("traffic", Status.QUIET, "1,234 predictions"),
            CheckResult("prediction_drift", Status.FIRED, "moved"),
            CheckResult("monthly_drop", Status.NO_VERDICT, "compares two months next in 46 nights"),
            CheckResult("label_free", Status.QUIET, "promised", details={"calibrated": 0.97, "thresholded": 0.98}),
            CheckResult("attribution", Status.QUIET, "images look different"),
        ),
        never_fire=frozenset({"label_free", "attribution"}),
        actions={NIGHT: Action.MORE_LABELS},
        evidence=tuple(EvidencePath(name, path) for name in CHECKS),
        accuracies=tuple(AccuracyPoint(night, estimate if at else None, 0.9) for at, night in enumerate(nights)),
        labelled_nights=tuple(nights[2:-1]),
        plain_mean=0.915,
        class_rows=(row("cat", recall=ShareInterval(0.5, 0.3, 0.7, 20)), row("dog", recall=None)),
        confusion=Confusion(("cat", "dog"), ((10, 10), (0, 30)), items=50, hidden=0),
        mix=ClassMix("the reference", (ClassShare("cat", 0.5, 0.6), ClassShare("dog", 0.5, 0.4)), hidden=0),
        confidence=ConfidenceBins((0.5, 0.9, 0.99), (100, 200, 300, 634), (10, 20, 30, 40)),
        latency=ServedLatency(3.2, 41.7, 1200),
        errors=(picture("e1", said="dog", label="cat"),),
        unsure=(picture("u1", confidence=0.31),),
        unlike=(),
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def row(name: str, *, recall: ShareInterval | None, precision: ShareInterval | None = None) -> ClassRow:
    return ClassRow(name, 20, recall, precision, ShareInterval(0.01, 0.0, 0.03, 90), 0.8, 0.85)


def picture(
    name: str, *, said: str = "cat", confidence: float | None = 0.99, label: str | None = None, image: bytes = b""
) -> Picture:
    return Picture(name, NIGHT, image or square("red"), said, confidence, -1.5, label)


def nothing_known(**changed: object) -> NightPage:
    return replace(
        page(
            decision=None,
            predictions=0,
            results=(),
            actions={},
            evidence=tuple(EvidencePath(name, ()) for name in CHECKS),
            accuracies=(),
            labelled_nights=(),
            plain_mean=None,
            class_rows=(),
            confusion=None,
            mix=None,
            confidence=None,
            latency=None,
            errors=(),
            unsure=(),
        ),
        **changed,  # type: ignore[arg-type]
    )


def drawn(tmp_path: Path, made: NightPage) -> str:
    path = tmp_path / "nights" / "page.html"
    write_night_page(path, made)
    html = path.read_text(encoding="utf-8")
    Balance().check(html)
    return html


class Balance(HTMLParser):
    """Every tag is closed, and none runs or fetches anything."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def check(self, html: str) -> None:
        self.feed(html)
        assert self.open == []
        assert [one for one in self.addresses if not one.startswith("data:image/jpeg;base64,")] == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "iframe", "object", "embed", "link", "form", "base"}
        assert not [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html.partition("<body>")[2]))


def test_a_page_opens_without_a_network_and_without_scripts(tmp_path: Path) -> None:
    html = drawn(tmp_path, page())
    assert re.findall(r"https?://|//cdn|@import|url\(", html) == []
    assert "default-src 'none'" in html
    assert len(html) < 100_000


def test_the_headline_says_model_version_night_decision_and_what_each_check_found(tmp_path: Path) -> None:
    told = words(drawn(tmp_path, page()))
    assert "pets, version 3 Night of Tuesday 10 March 2026" in told
    assert "✎ more labels are asked for drift: moved" in told
    assert "▲ fired prediction drift Moved" in told
    assert "○ no verdict monthly drop" in told
    assert "● quiet traffic" in told
    assert "● quiet label free never fires, clears nothing Promised" in told


def test_the_page_begins_with_what_the_night_means(tmp_path: Path) -> None:
    means = "cat is 31% of the <answers>, usually 12%"
    html = drawn(tmp_path, page(headline=means))
    told = words(html)
    assert "Cat is 31% of the &lt;answers&gt;, usually 12% ✎ more labels are asked for drift: moved" in told
    assert 'class="headline"' not in drawn(tmp_path, nothing_known())


def test_only_a_quiet_check_that_can_fire_is_green(tmp_path: Path) -> None:
    html = drawn(tmp_path, page())
    colours = dict(re.findall(r"\.status\.([a-z. -]+) \{ (?:color|border-style): ([^;]+)", html))
    assert colours["quiet"] == "var(--calm)"
    assert colours["no-verdict"] == "var(--soft)"
    assert colours["quiet.shown"] == "var(--soft)"
    shown = re.findall(r'<span class="status ([^"]+)">\S+ ([^<]+)</span></td><td class="name">([^<]+)', html)
    assert ("no-verdict", "no verdict", "monthly drop") in shown
    assert ("quiet shown", "quiet", "attribution") in shown


def test_a_finding_that_can_start_nothing_is_not_called_quiet(tmp_path: Path) -> None:
    finding = CheckResult("attribution", Status.QUIET, "images look different", details={"finding": True})
    html = drawn(tmp_path, page(results=(finding,), assumptions={"attribution": "draws are <independent>"}))
    assert re.findall(r'class="status ([^"]+)">(\S+) ([^<]+)<', html) == [("quiet shown", "i", "shown only")]
    assert "Attribution Draws are &lt;independent&gt;." in words(html) or "attribution Draws are" in words(html)


def test_a_plain_mean_that_misleads_is_struck_out_with_the_reason(tmp_path: Path) -> None:
    html = drawn(tmp_path, page(plain_mean=0.642))
    assert html.count("<s>64.2%</s>") == 2
    assert "it misleads: labels are drawn more often where the model is unsure" in html
    assert "the queue is worse than production" in html
    assert "the queue is better than" in drawn(tmp_path, page(plain_mean=0.99))


def test_a_plain_mean_that_agrees_is_not_shown_and_never_alone(tmp_path: Path) -> None:
    assert "<s>" not in drawn(tmp_path, page(plain_mean=0.915))
    without = page(plain_mean=0.234, accuracies=(AccuracyPoint(NIGHT, None, 0.9),))
    assert "23.4%" not in drawn(tmp_path, without)


def test_what_comes_from_data_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>\" onload=\"x"
    html = drawn(
        tmp_path,
        page(
            model=evil,
            decision=Decision("k", evil, 1, NIGHT, Action.RETRAIN, evil, NOON, evil),
            results=(CheckResult(evil, Status.FIRED, evil),),
            class_rows=(row(evil, recall=None),),
            confusion=Confusion((evil,), ((3,),), items=3, hidden=0),
            mix=ClassMix(evil, (ClassShare(evil, 1, 1),), hidden=0),
            evidence=tuple(EvidencePath(evil, one.points) for one in page().evidence),
            errors=(picture(evil, said=evil, label=evil),),
        ),
    )
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_pictures_say_what_the_model_and_what_a_person_said(tmp_path: Path) -> None:
    html = drawn(tmp_path, page(errors=(picture("e1", said="dog", label="cat"), picture("e2", image=b"no image"))))
    assert 'title="The model said dog, 99%; a person said cat. 2026-03-10, e1, energy -1.50"' in html
    assert "The model said cat, 31%; no person has said yet" in html
    assert html.count('src="data:image/jpeg') == 2
    assert '<div class="missing">no image</div>' in html


def test_a_large_picture_becomes_a_small_one() -> None:
    noise = Image.frombytes("RGB", (1200, 900), random.Random(0).randbytes(1200 * 900 * 3))
    written = io.BytesIO()
    noise.save(written, "PNG")
    source = thumbnail(written.getvalue())
    assert source is not None
    assert len(source) < 14_000, f"{SIDE} pixels of noise: 24 of the worst pictures still fit"
    assert thumbnail(b"") is None


def test_a_night_of_which_nothing_is_known_is_drawn(tmp_path: Path) -> None:
    told = words(drawn(tmp_path, nothing_known()))
    assert "○ not decided yet" in told
    assert "There were no predictions tonight." in told
    assert "Nothing is labelled yet." in told
    assert "nan" not in told.lower()


def test_a_model_without_confidences_latencies_and_images_is_drawn(tmp_path: Path) -> None:
    bare = Picture("e1", NIGHT, None, "dog", None, None, "cat")
    told = words(drawn(tmp_path, page(confidence=None, latency=None, errors=(bare,), unsure=())))
    assert "No confidence to show" in told
    assert "no image model dog person cat" in told
    assert "no prediction told it" in told


def test_a_page_of_a_thousand_classes_shows_fifty_rows_and_says_what_is_left_out(tmp_path: Path) -> None:
    names = [f"a class with a long name, number {at}" for at in range(1000)]
    noise = random.Random(1)
    large = page(
        classes=1000,
        class_rows=tuple(row(name, recall=ShareInterval(0.5, 0.2, 0.8, 10)) for name in names),
        confusion=Confusion(tuple(names[:20]), ((5,) * 20,) * 20, items=4000, hidden=980),
        mix=ClassMix("the reference", tuple(ClassShare(name, 0.001, 0.002) for name in names[:30]), hidden=970),
        errors=tuple(
            picture(str(at), image=square("blue", shade=noise.randrange(20)), label=names[at]) for at in range(8)
        ),
    )
    html = drawn(tmp_path, large)
    assert html.count('<td class="name">a class') == 50
    assert "and 950 more" in html
    assert "The 20 most confused classes; 980 more are not shown." in html
    assert "970 more moved less" in html
    assert len(html) < 300_000


def test_a_year_of_nights_stays_small(tmp_path: Path) -> None:
    nights = [NIGHT - timedelta(days=back) for back in range(364, -1, -1)]
    path = tuple(EvidencePoint(night, Status.QUIET, 1.5, 18_250.0) for night in nights)
    accuracies = tuple(AccuracyPoint(night, ShareInterval(0.95, 0.9, 0.98, 140), 0.9) for night in nights)
    html = drawn(tmp_path, page(evidence=tuple(EvidencePath(name, path) for name in CHECKS), accuracies=accuracies))
    assert len(html) < 150_000


def test_evidence_is_drawn_from_bottom_to_top_and_what_lies_beyond_is_told() -> None:
    chart = evidence_chart(page().evidence[0], {})
    assert chart is not None
    heights = [dot.y for dot in chart.dots[1:]]
    assert heights == sorted(heights, reverse=True)
    assert min(heights) == chart.top
    assert [text for _, _, _, text in chart.notes] == ["1.0 × 10⁶⁰ ↑"]
    assert [dot.kind for dot in chart.dots] == ["no-verdict", *["quiet"] * 8, "fired"]
    assert evidence_chart(EvidencePath("accuracy", ()), {}) is None


def test_a_gap_in_the_estimates_is_a_gap_in_the_line() -> None:
    known = AccuracyPoint(NIGHT, ShareInterval(0.9, 0.8, 0.95, 20), 0.9)
    points = [replace(known, night=NIGHT + timedelta(days=at)) for at in range(5)]
    points[2] = replace(points[2], accuracy=None)
    chart = accuracy_chart(points, {}, plain_mean=None)
    assert chart is not None
    assert len(chart.areas) == 2
    assert accuracy_chart([replace(known, accuracy=None)], {}, plain_mean=None) is None


def test_bins_of_confidence_are_shares_and_say_their_edges() -> None:
    chart = confidence_chart(ConfidenceBins((0.5, 0.9987), (1, 1, 2), ()))
    assert [bar.title for bar in chart.bars] == [
        "0 to 0.5: 25.0% tonight",
        "0.5 to 0.9987: 25.0% tonight",
        "0.9987 to 1: 50.0% tonight",
    ]
    assert chart.lines == []
    assert [edge_text(one) for one in (0.3, 0.95, 0.999429)] == ["0.3", "0.95", "0.99943"]


@pytest.mark.parametrize(
    ("number", "told"), [(18_250.0, "18,250"), (0.5, "0.5"), (0.0, "0"), (5.21e54, "5.2 × 10⁵⁴"), (2e-5, "2.0 × 10⁻⁵")]
)
def test_numbers_are_written_to_be_read(number: float, told: str) -> None:
    assert number_text(number) == told


def test_an_interval_beside_its_floor_is_under_over_or_neither() -> None:
    found = [
        ShareInterval(0.5, 0.3, 0.7, 20),
        ShareInterval(0.79, 0.6, 0.9, 20),
        ShareInterval(0.95, 0.8, 0.99, 20),
        None,
    ]
    told = [standing(row("cat", recall=one), recall=True) for one in found]
    assert told == ["under", "unclear", "over", "unknown"]


def test_without_jinja_the_page_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(WorkspaceError, match=r"pip install 'leeway\[report\]'"):
        write_night_page(tmp_path / "page.html", page())
