"""What every bundle promises: it answers as it did when it was made, or it is refused with the file's name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, load_model_from_string

from leeway.bundle.contents import bundle_digest, read_contents, verify_bundle, write_bundle
from leeway.bundle.predictor import Graph, Predictor, answer_golden, read_pixels
from leeway.bundle.resize import ResizeRule
from leeway.errors import BundleError, DataError
from tiny_bundle import CLASSES, SIDE, colour_graph, square, write_tiny_bundle

FILES = ("graph.onnx", "weights.safetensors", "golden.json", "golden/0.png")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def edit_index(bundle: Path, edit: Callable[[dict], None]) -> None:
    path = bundle / "bundle.json"
    told = json.loads(path.read_text())
    edit(told)
    path.write_text(json.dumps(told))


def replace_file(bundle: Path, name: str, content: bytes) -> None:
    """Another content, with the digest repaired: as someone would who means to change the bundle."""
    (bundle / name).write_bytes(content)
    edit_index(bundle, lambda told: told["files"].update({name: sha256(content).hexdigest()}))


def test_a_loaded_bundle_names_the_classes_of_images(bundle):
    predictor = Predictor.load(bundle)
    answers = predictor.predict([square("red", shade=5), square("blue"), square("green", shade=9)])
    assert [predictor.contents.classes[index] for index in answers.indices] == ["red", "blue", "green"]
    assert answers.probabilities.shape == (3, 3)
    assert answers.embedding.shape == (3, 3)
    assert answers.energy.shape == (3,)
    assert np.allclose(answers.probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.array_equal(answers.confidence, answers.probabilities.max(axis=1))


def test_what_was_written_is_read_back(bundle):
    contents = read_contents(bundle)
    assert contents.classes == CLASSES
    assert contents.resize == ResizeRule(SIDE, SIDE)
    assert contents.reference.counts == ((0, 0, 3),) * 3
    assert set(contents.files) == {*FILES, "golden/1.png", "golden/2.png"}
    assert contents == verify_bundle(bundle)


def test_the_digest_is_that_of_the_index_and_the_same_bundle_has_the_same(bundle, tmp_path):
    assert bundle_digest(bundle) == sha256((bundle / "bundle.json").read_bytes()).hexdigest()
    assert write_tiny_bundle(tmp_path / "again") == bundle_digest(bundle)
    assert write_tiny_bundle(tmp_path / "other", temperature=0.1) != bundle_digest(bundle)


def test_the_batch_size_does_not_change_the_answers(bundle):
    predictor = Predictor.load(bundle)
    pixels = np.random.default_rng(0).integers(0, 256, (11, SIDE, SIDE, 3), dtype=np.uint8)
    whole, pieces = predictor.predict_pixels(pixels), predictor.predict_pixels(pixels, batch_size=4)
    assert np.allclose(whole.probabilities, pieces.probabilities, atol=1e-6)
    assert len(pieces.energy) == 11


def test_no_image_gives_no_answer(bundle):
    answers = Predictor.load(bundle).predict([])
    assert answers.probabilities.shape == (0, 3)
    assert len(answers.indices) == len(answers.confidence) == 0


def test_an_image_that_cannot_be_decoded_is_refused(bundle):
    with pytest.raises(DataError, match="cannot be decoded"):
        Predictor.load(bundle).predict([square("red"), b"no image"])


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_refused_with_the_file_s_name(bundle, name):
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{name}: was changed"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_refused_with_its_name(bundle, name):
    content = (bundle / name).read_bytes()
    (bundle / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=rf"{name}: was changed"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_with_its_name(bundle, name):
    (bundle / name).unlink()
    with pytest.raises(BundleError, match=rf"{name}: is missing"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", FILES[:3])
def test_a_file_that_the_index_does_not_know_either_is_still_missed(bundle, name):
    (bundle / name).unlink()
    edit_index(bundle, lambda told: told["files"].pop(name))
    with pytest.raises(BundleError, match=rf"{name}: is missing"):
        Predictor.load(bundle)


@pytest.mark.parametrize("name", ["extra.bin", "golden/9.png", "golden/.hidden"])
def test_an_extra_file_is_refused_with_its_name(bundle, name):
    (bundle / name).write_bytes(b"?")
    with pytest.raises(BundleError, match=rf"{name}: does not belong to the bundle"):
        Predictor.load(bundle)


@pytest.mark.parametrize("order", [("green", "blue", "red"), ("red", "green", "blue"), ("blue", "red", "green")])
def test_a_permuted_class_list_is_caught_by_the_golden_images(bundle, order):
    edit_index(bundle, lambda told: told.update(classes=list(order)))
    with pytest.raises(BundleError, match="golden images were answered with blue, green, red"):
        Predictor.load(bundle)


def test_a_class_list_permuted_in_both_places_is_caught_too(bundle):
    golden = json.loads((bundle / "golden.json").read_text())
    golden["classes"] = ["green", "blue", "red"]
    replace_file(bundle, "golden.json", json.dumps(golden).encode())
    edit_index(bundle, lambda told: told.update(classes=golden["classes"]))
    with pytest.raises(BundleError, match="answers golden image 0 with 'green', when the bundle was made with 'blue'"):
        Predictor.load(bundle)


def test_another_graph_is_caught_by_the_golden_images(bundle):
    replace_file(bundle, "graph.onnx", colour_graph(0.3))
    with pytest.raises(BundleError, match=r"a probability differs by 0\.\d+, 0\.001 allowed"):
        Predictor.load(bundle)


def test_another_resize_rule_is_caught_at_load(bundle):
    edit_index(bundle, lambda told: told["resize"].update(height=SIDE + 1))
    with pytest.raises(BundleError, match=r"graph\.onnx: takes images of shape \(8, 8, 3\), got \(9, 8, 3\)"):
        Predictor.load(bundle)


def test_a_graph_that_answers_nan_is_refused(bundle):
    replace_file(bundle, "graph.onnx", colour_graph(float("nan")))
    with pytest.raises(BundleError, match="golden image 0 with numbers that are not finite"):
        Predictor.load(bundle)


@pytest.mark.parametrize("content", [b"", b"not a graph", colour_graph(0.05)[:200]])
def test_what_is_no_graph_is_refused(bundle, content):
    replace_file(bundle, "graph.onnx", content)
    with pytest.raises(BundleError, match=r"graph\.onnx"):
        Predictor.load(bundle)


def test_a_graph_without_our_outputs_is_refused():
    model = load_model_from_string(colour_graph(0.05))
    model.graph.output.pop()
    with pytest.raises(BundleError, match=r"expected pixels \(uint8\) and probabilities, embedding, energy"):
        Graph(model.SerializeToString())


def test_a_graph_that_takes_floats_is_refused():
    model = load_model_from_string(colour_graph(0.05))
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["B", SIDE, SIDE, 3]))
    with pytest.raises(BundleError, match=r"takes \[\('pixels', 'tensor\(float\)'\)\]"):
        Graph(model.SerializeToString())


def test_more_classes_than_probabilities_are_refused():
    with pytest.raises(BundleError, match="gives 3 probabilities for 4 classes"):
        answer_golden(Graph(colour_graph(0.05)), [square("red")], classes=("a", "b", "c", "d"), rule=ResizeRule(8, 8))


def test_a_bundle_without_golden_images_is_refused(bundle):
    contents = read_contents(bundle)
    graph = (bundle / "graph.onnx").read_bytes()
    write_bundle(bundle, contents, graph=graph, weights={"head": np.eye(3)}, golden=())
    with pytest.raises(BundleError, match=r"golden\.json: lists no image"):
        Predictor.load(bundle)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda index: index.update(format_version=2), "of another format"),
        (lambda index: index.pop("temperature"), "temperature"),
        (lambda index: index.update(surprise=1), "surprise"),
        (lambda index: index.update(reference=None), "reference: .*None"),
        (lambda index: index["reference"]["counts"][1].append(4), r"reference\.counts\.1: "),
        (lambda index: index["resize"].update(fit="bend"), "resize: no such way to resize: .*fit='bend'"),
        (lambda index: index.update(classes=["red", "red", "blue"]), "expected two or more, each once"),
        (lambda index: index.update(classes=["red"]), "expected two or more, each once"),
    ],
)
def test_an_index_that_is_not_ours_is_refused(bundle, edit, told):
    edit_index(bundle, edit)
    with pytest.raises(BundleError, match=rf"bundle\.json: .*{told}"):
        Predictor.load(bundle)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_an_index_that_is_not_json_is_refused(bundle, content):
    (bundle / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Predictor.load(bundle)


def test_golden_answers_that_are_not_ours_are_refused(bundle):
    replace_file(bundle, "golden.json", b'{"classes": ["blue", "green", "red"], "images": [{}]}')
    with pytest.raises(BundleError, match=r"golden\.json: images\.0\.file: is missing"):
        Predictor.load(bundle)


def test_a_folder_without_a_bundle_is_told(tmp_path):
    for read in (Predictor.load, bundle_digest, verify_bundle):
        with pytest.raises(BundleError, match="is this the folder of a bundle"):
            read(tmp_path / "nothing")


def test_a_failed_write_leaves_the_bundle_before_and_nothing_beside_it(bundle):
    before = bundle_digest(bundle)
    contents = replace(read_contents(bundle), classes=("red", "red"))
    with pytest.raises(BundleError):
        write_bundle(bundle, contents, graph=b"", weights={}, golden=())
    assert bundle_digest(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_writing_again_replaces_the_whole_bundle(bundle):
    digest = write_tiny_bundle(bundle, temperature=0.1)
    assert bundle_digest(bundle) == digest
    assert verify_bundle(bundle).temperature == 0.1
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_weights_are_kept_as_they_are(bundle):
    import safetensors.numpy

    contents, graph = read_contents(bundle), (bundle / "graph.onnx").read_bytes()
    weights = {"turned": np.arange(6.0).reshape(2, 3).T, "steps": np.array(7)}
    golden = answer_golden(Graph(graph), [square("red")], classes=CLASSES, rule=contents.resize)
    write_bundle(bundle, contents, graph=graph, weights=weights, golden=golden)
    kept = safetensors.numpy.load_file(bundle / "weights.safetensors")
    assert {name: one.tolist() for name, one in kept.items()} == {name: one.tolist() for name, one in weights.items()}


def test_pixels_are_read_by_the_rule():
    pixels = read_pixels([square("red"), square("green")], ResizeRule(5, 7))
    assert pixels.shape == (2, 5, 7, 3)
    assert pixels[0, 2, 3].tolist() == [230, 30, 20]


def test_predicting_needs_no_torch(bundle):
    code = (
        "import sys; from pathlib import Path; from leeway.bundle.predictor import Predictor;"
        f"Predictor.load(Path({str(bundle)!r}));"
        "sys.exit(any(name in sys.modules for name in ('torch', 'torchvision', 'lightning')))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, timeout=60, check=False).returncode == 0
