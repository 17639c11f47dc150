"""The numbers by which predictions are drawn and recognised: the same for ever, on every machine."""

from dataclasses import replace

import numpy as np
import pytest

from leeway.domain.columns import PredictionColumns
from leeway.domain.identity import (
    BITS,
    STREAMS,
    WHOLE,
    content_hashes,
    permanent_number,
    stream_limit,
    stream_offset,
    stream_order,
)

FULL = PredictionColumns(
    ids=["a", "b"],
    occurred_at=["2025-03-01 05:00:00.000000", "2025-03-01 05:00:00.000001"],
    predicted=["dog", "cat"],
    confidence=[0.75, None],
    slices=["door", None],
    groups=["thing-1", "thing-2"],
    images=["ab" * 32, "/shots/b.png"],
)
BARE = PredictionColumns(["a"], ["2025-03-01 05:00:00.000000"], ["dog"])


def test_the_numbers_never_change() -> None:
    """Rows of every log were drawn by these: whoever changes them changes who was drawn, and what is known."""
    assert [permanent_number(*of) for of in (("a", "s"), ("a", "t"), ("", ""), ("Tür 7", "s"))] == [
        870004102490488661,
        1147449416684044428,
        955282973525019424,
        787621868847503568,
    ]
    assert content_hashes(1, FULL).tolist() == [-5961460537461487402, 8288028889217253582]
    assert content_hashes(1, BARE).tolist() == [2628603834589008195]
    assert content_hashes(2, BARE).tolist() == [-3272510796670850662]


def test_streams_keep_their_order_and_begin_evenly_around_the_circle() -> None:
    assert STREAMS == ("plan", "gate", "images", "shadow", "page")
    assert [stream_offset(stream) for stream in STREAMS] == [place * WHOLE // 5 for place in range(5)]
    for stream in STREAMS:
        begin = stream_offset(stream)
        assert stream_order(begin, stream) == 0
        assert stream_order((begin - 1) % WHOLE, stream) == WHOLE - 1
    assert (BITS, WHOLE) == (60, 2**60)


def test_nearly_always_enough_lie_below_the_limit_of_a_stream() -> None:
    rng = np.random.default_rng(5)
    for wanted, total in ((1, 100), (20, 1_000), (300, 100_000)):
        share = stream_limit(wanted, total) / WHOLE
        assert rng.binomial(total, share, 100_000).min() >= wanted
    assert stream_limit(90, 100) == WHOLE
    assert stream_limit(1, 0) == WHOLE


@pytest.mark.parametrize(
    "changed",
    [
        {"occurred_at": ["2025-03-01 05:00:00.000001"]},
        {"predicted": ["dogs"]},
        {"predicted": [""]},
        {"confidence": [0.0]},
        {"confidence": [0.9]},
        {"confidence": [float(np.float32(0.9))]},
        {"slices": [""]},
        {"slices": ["door"]},
        {"groups": ["thing"]},
        {"groups": [""]},
        {"images": ["ab" * 32]},
        {"images": ["cd" * 32]},
    ],
    ids=str,
)
def test_another_content_has_another_number(changed: dict[str, list[object]]) -> None:
    assert content_hashes(1, replace(BARE, **changed)) != content_hashes(1, BARE)  # type: ignore[arg-type]


def test_contents_that_are_nearly_alike_differ_from_one_another() -> None:
    variants = [
        {"confidence": [0.9]},
        {"confidence": [float(np.float32(0.9))]},
        {"slices": [""]},
        {"groups": [""]},
        {"slices": ["x"]},
        {"groups": ["x"]},
        {"predicted": ["dog\0"]},
        {"predicted": ["dog" + "\0" * 5]},
        {"predicted": ["d" * 300]},
        {"predicted": ["d" * 301]},
    ]
    numbers = [content_hashes(1, replace(BARE, **one))[0] for one in variants]  # type: ignore[arg-type]
    numbers += [content_hashes(version, BARE)[0] for version in (1, 2)]
    assert len(set(numbers)) == len(numbers)


def test_what_says_the_same_has_the_same_number() -> None:
    alike = [
        {"confidence": [None]},
        {"confidence": [float("nan")]},
        {"slices": [None]},
        {"groups": ["a"]},
        {"images": [""]},
        {"images": ["/shots/a.png"]},
        {"labels": ["cat"], "draw_probabilities": [0.5]},
        {"energy": [1.0], "latency_ms": [2.0], "second": ["cat"], "review": ["odd"], "probabilities": ["[1.0]"]},
    ]
    numbers = [content_hashes(1, replace(BARE, **one)).tolist() for one in alike]  # type: ignore[arg-type]
    assert numbers == [content_hashes(1, BARE).tolist()] * len(alike)
    zero, minus = (replace(BARE, confidence=[one]) for one in (0.0, -0.0))
    assert content_hashes(1, zero) == content_hashes(1, minus)


def test_a_row_has_its_number_whatever_stands_beside_it() -> None:
    long = replace(
        FULL,
        ids=["a", "b", "c"],
        occurred_at=[*FULL.occurred_at, FULL.occurred_at[0]],
        predicted=["dog", "cat", "a name that is longer than all the others" * 9],
        confidence=[0.75, None, 0.5],
        slices=["door", None, "a longer one"],
        groups=["thing-1", "thing-2", "t" * 100],
        images=["ab" * 32, "/shots/b.png", ""],
    )
    assert content_hashes(1, long)[:2].tolist() == content_hashes(1, FULL).tolist()
    alone = [
        PredictionColumns(
            **{
                name: [column[at]] if (column := getattr(FULL, name)) else ()
                for name in PredictionColumns.__dataclass_fields__
                if name != "version_stated"
            }
        )
        for at in range(2)
    ]
    assert [content_hashes(1, one)[0] for one in alone] == content_hashes(1, FULL).tolist()


def test_an_empty_batch_has_no_numbers() -> None:
    assert content_hashes(1, PredictionColumns([], [], [])).tolist() == []
