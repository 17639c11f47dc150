"""The pages about a dataset: no network, what comes from data escaped, and small enough with 100 classes."""

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from leeway.curation.audit import Audit, ClassBalance, Found, Groups, Sizes
from leeway.curation.label_errors import LabelError
from leeway.pages.data import AugmentedImage, SampleImage, write_audit_page, write_label_error_page

NASTY = "<script>alert('x')</script>"


def photo(side: int = 100, seed: int = 0) -> bytes:
    """A JPEG, smooth as photographs are."""
    stored = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(stored, "JPEG")
    return stored.getvalue()


def an_audit(names: list[str]) -> Audit:
    classes = tuple(
        ClassBalance(name, {"train": 9, "val": 3, "test": 3}, 1, test_groups=3, recall_low=0.4, recall_high=1.0)
        for name in names
    )
    return Audit(
        digest="d" * 64,
        images=16 * len(names),
        classes=classes,
        splits={split: sum(one.images[split] for one in classes) for split in ("train", "val", "test")},
        held_out={"by the source": len(names)},
        sources={"original": 16 * len(names)},
        findings=(),
        groups=Groups(0, 0, 0, ""),
        conflicts=0,
        leaks=0,
        sizes=Sizes((8, 8), (100, 90), (300, 200), distinct=7, square=0.5),
        renamed={},
        warnings=(),
    )


def samples(names: list[str], content: bytes) -> dict[str, list[SampleImage]]:
    splits = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    return {
        name: [SampleImage(f"{name}/{at}.jpg", split, content) for at, split in enumerate(splits)] for name in names
    }


def a_preview() -> list[AugmentedImage]:
    pixels = np.zeros((4, 32, 32, 1), np.uint8)
    return [AugmentedImage("cat", "cat/1.jpg", pixels[0], pixels[1:])]


def audit_page(folder: Path, audit: Audit, **more: object) -> str:
    names = [one.name for one in audit.classes]
    content = {"samples": samples(names, photo()), "preview": a_preview(), **more}
    write_audit_page(folder / "pages" / "audit.html", audit, **content)  # type: ignore[arg-type]
    return (folder / "pages" / "audit.html").read_text(encoding="utf-8")


def test_an_audit_page_reaches_for_nothing_outside_and_runs_nothing(tmp_path: Path) -> None:
    html = audit_page(tmp_path, an_audit(["cat", "dog"]))
    assert set(re.findall(r'(?:src|href)="([a-z]+:[a-z]+)', html)) == {"data:image"}
    assert "<script" not in html
    assert "default-src 'none'" in html


def test_every_class_and_split_is_labelled_with_its_samples(tmp_path: Path) -> None:
    html = audit_page(tmp_path, an_audit(["cat", "dog"]))
    for name in ("cat", "dog"):
        for split, number in (("train", 6), ("val", 3), ("test", 3)):
            assert html.count(f'alt="{name}, {split}"') == number


def test_the_preview_shows_each_image_plain_and_augmented(tmp_path: Path) -> None:
    html = audit_page(tmp_path, an_audit(["cat", "dog"]))
    assert (html.count('alt="as given"'), html.count('alt="augmented"')) == (1, 3)
    assert "torch is missing" in audit_page(tmp_path, an_audit(["cat", "dog"]), preview="torch is missing")


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    audit = replace(
        an_audit([NASTY, "dog"]),
        findings=(Found("truncated", 1, f"{NASTY}.jpg: {NASTY}"),),
        warnings=(NASTY,),
        renamed={NASTY: NASTY},
        groups=Groups(1, 2, 2, NASTY),
    )
    assert "<script" not in audit_page(tmp_path, audit)
    error = LabelError("a" * 64, NASTY, "train", NASTY, NASTY, 0.9, likely=True)
    write_label_error_page(tmp_path / "e.html", [error], images=[photo()], digest="d" * 64, not_judged=[NASTY])
    assert "<script" not in (tmp_path / "e.html").read_text()


@pytest.mark.parametrize("kind", ["audit", "errors"])
def test_an_image_that_cannot_be_decoded_leaves_a_hole_and_no_error(kind: str, tmp_path: Path) -> None:
    if kind == "audit":
        html = audit_page(tmp_path, an_audit(["cat"]), samples=samples(["cat"], b"no image"))
        assert html.count("cannot be decoded") == 12
        return
    error = LabelError("a" * 64, "1.jpg", "train", "cat", "dog", 0.9, likely=True)
    write_label_error_page(tmp_path / "e.html", [error], images=[b"no image"], digest="d" * 64, not_judged=[])
    assert "no image</div>" in (tmp_path / "e.html").read_text()


def test_a_page_of_100_classes_stays_under_5_megabytes(tmp_path: Path) -> None:
    html = audit_page(tmp_path, an_audit([f"class {number}" for number in range(100)]))
    assert html.count("<img") == 1200 + 4
    assert len(html) < 5e6


def test_likely_errors_stand_before_contradicted_ones_and_what_is_not_shown_is_counted(tmp_path: Path) -> None:
    likely = [LabelError("a" * 64, f"{n}.jpg", "train", "cat", "dog", 0.9, likely=True) for n in range(2)]
    others = [LabelError("a" * 64, f"{n}.jpg", "test", "dog", "cat", 0.6, likely=False) for n in range(2, 9)]
    images = [photo(seed=n) for n in range(5)]
    write_label_error_page(tmp_path / "e.html", likely + others, images=images, digest="d" * 64, not_judged=["eel"])
    html = (tmp_path / "e.html").read_text()
    assert html.count("<img") == 5
    assert html.index("Likely wrong <small>2<") < html.index("1.jpg") < html.index("Contradicted <small>7<")
    assert "The first 3; the others stand in the CSV" in html
    assert "Not judged" in html
    assert "eel" in html
