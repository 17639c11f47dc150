"""Gathering into shards: incremental, append-only, crash-safe, and nothing written where nothing changed."""

import errno
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from leeway.data.digits_source import DigitsSource
from leeway.data.folder_source import FolderSource
from leeway.data.items import Item
from leeway.data.parts import PART_IMAGES
from leeway.data.shards import Gathered, gather_images, read_listing
from leeway.errors import DataError
from leeway.paramsfile import ParamsModel


class ManyDots(ParamsModel):
    """A source of 8 x 8 pictures, each of another colour; quick to make and to decode.

    The last one cannot be read as long as there is a file `locked`.
    """

    kind: str = "dots"
    count: int
    locked: Path | None = None
    place: str = "the dots"

    def items(self) -> list[Item]:
        return [self._item(number) for number in range(self.count)]

    def picture(self, number: int) -> bytes:
        head = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 246, 0, 0, 54, 40, 8, 8, 1, 24, 0, 192, 0, 0, 0, 0)
        return head + 64 * number.to_bytes(3, "little")

    def _item(self, number: int) -> Item:
        content = self.picture(number)

        def read() -> bytes:
            if number == self.count - 1 and self.locked is not None and self.locked.exists():
                raise PermissionError(errno.EACCES, "Permission denied")
            return content

        return Item(f"{number:05d}.bmp", "even" if number % 2 == 0 else "odd", len(content), 0, read=read)


def gather(root: Path) -> Gathered:
    return gather_images(FolderSource(path=str(root)), shards_of(root))


def shards_of(root: Path) -> Path:
    return root.parent / "data" / "shards"


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and time of writing of every file below."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def parts(root: Path) -> list[str]:
    return sorted(path.name for path in shards_of(root).glob("part-*.parquet"))


def stored(root: Path) -> dict[str, bytes]:
    """origin: bytes, as the listing finds them in the parts."""
    rows = [row for row in read_listing(shards_of(root)).to_pylist() if row["finding"] is None]
    tables = {name: pq.read_table(shards_of(root) / name)["bytes"] for name in parts(root)}
    return {row["origin"]: tables[row["shard"]][row["row"]].as_py() for row in rows}


def change_content_in_secret(path: Path) -> None:
    """Other bytes, the same size and time: whoever reads the file now would notice."""
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_keeps_the_bytes_of_every_image(photos) -> None:
    root = photos(cat=3, dog=4)
    assert gather(root) == Gathered(files=7, inspected=7, gone=0, unusable=0, changed=True)
    assert stored(root) == {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


def test_the_listing_names_each_file_with_its_asset_and_class(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    first = read_listing(shards_of(root)).to_pylist()[0]
    assert first["asset"] == hashlib.sha256(picture(0)).hexdigest()
    assert (first["origin"], first["label"], first["size"]) == ("cat/000.png", "cat", len(picture(0)))
    assert first["mtime_ns"] == (root / "cat" / "000.png").stat().st_mtime_ns


def test_a_run_without_news_touches_no_file(photos) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / "torn.png").write_bytes(b"x")
    gather(root)
    before = state(shards_of(root).parent)
    assert gather(root) == Gathered(files=8, inspected=0, gone=0, unusable=2, changed=False)
    assert state(shards_of(root).parent) == before


def test_what_was_inspected_is_not_opened_again(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    contents = stored(root)
    for path in root.rglob("*.png"):
        change_content_in_secret(path)
    (root / "dog" / "new.png").write_bytes(picture(77))
    assert gather(root) == Gathered(files=7, inspected=1, gone=0, unusable=0, changed=True)
    assert stored(root) == {**contents, "dog/new.png": picture(77)}


def test_new_images_become_a_new_part_and_old_parts_stay_as_they_are(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    before = state(shards_of(root))
    (root / "dog" / "new.png").write_bytes(picture(77))
    gather(root)
    assert parts(root) == ["part-00000.parquet", "part-00001.parquet"]
    assert state(shards_of(root))["part-00000.parquet"] == before["part-00000.parquet"]
    assert pq.read_metadata(shards_of(root) / "part-00001.parquet").num_rows == 1


def test_a_changed_file_is_inspected_again(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    (root / "dog" / "000.png").write_bytes(picture(77, size=(20, 20)))
    assert gather(root).inspected == 1
    assert stored(root)["dog/000.png"] == picture(77, size=(20, 20))


def test_a_vanished_file_leaves_the_listing_and_its_bytes_stay(photos) -> None:
    root = photos(cat=4, dog=3)
    gather(root)
    before = state(shards_of(root))["part-00000.parquet"]
    (root / "cat" / "002.png").unlink()
    assert gather(root) == Gathered(files=6, inspected=0, gone=1, unusable=0, changed=True)
    assert "cat/002.png" not in stored(root)
    assert state(shards_of(root))["part-00000.parquet"] == before


def test_the_same_bytes_under_a_new_path_are_stored_once(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    (root / "cat" / "000.png").rename(root / "dog" / "moved.png")
    shutil.copy(root / "cat" / "001.png", root / "cat" / "copy.png")
    gather(root)
    assert parts(root) == ["part-00000.parquet"]
    assert stored(root)["cat/copy.png"] == stored(root)["cat/001.png"]
    assert {row["origin"]: row["label"] for row in read_listing(shards_of(root)).to_pylist()}["dog/moved.png"] == "dog"


def test_a_run_killed_before_the_listing_was_replaced_is_made_up_for(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    earlier = (shards_of(root) / "listing.parquet").read_bytes()
    (root / "dog" / "new.png").write_bytes(picture(77))
    gather(root)
    complete = {name: content for name, (content, _) in state(shards_of(root)).items()}
    (shards_of(root) / "listing.parquet").write_bytes(earlier)  # the new part is there, the listing is not
    gather(root)
    assert {name: content for name, (content, _) in state(shards_of(root)).items()} == complete
    (shards_of(root) / "listing.parquet").unlink()
    gather(root)
    assert {name: content for name, (content, _) in state(shards_of(root)).items()} == complete


def test_a_part_that_was_lost_is_read_from_the_source_again(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    contents = stored(root)
    (shards_of(root) / "part-00000.parquet").unlink()
    assert gather(root).inspected == 6
    assert stored(root) == contents


def test_another_source_starts_new_shards(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    gather_images(DigitsSource(share=0.1), shards_of(root))
    assert parts(root) == ["part-00000.parquet"]
    assert {row["label"] for row in read_listing(shards_of(root)).to_pylist()} == set("0123456789")
    assert os.listdir(shards_of(root).parent) == ["shards"]  # noqa: PTH208 - hidden ones count


def test_another_source_that_is_of_no_use_leaves_the_shards_as_they_were(photos, tmp_path) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    before = state(shards_of(root).parent)
    (tmp_path / "other" / "cat").mkdir(parents=True)
    with pytest.raises(DataError):
        gather_images(FolderSource(path=str(tmp_path / "other")), shards_of(root))
    with pytest.raises(DataError):
        gather_images(FolderSource(path=str(tmp_path / "missing")), shards_of(root))
    assert state(shards_of(root).parent) == before


def test_a_run_killed_while_the_folders_were_swapped_has_the_old_one_put_back(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    before = state(shards_of(root))
    shards_of(root).rename(shards_of(root).with_name(".shards.replaced"))
    assert not gather(root).changed
    assert state(shards_of(root)) == before


def test_a_part_ends_when_it_is_full(tmp_path: Path) -> None:
    gather_images(ManyDots(count=PART_IMAGES + 10), tmp_path / "shards")
    sizes = [pq.read_metadata(path).num_rows for path in sorted((tmp_path / "shards").glob("part-*.parquet"))]
    assert sizes == [PART_IMAGES, 10]


def test_each_bad_file_is_listed_and_the_others_are_used(photos, picture) -> None:
    root = photos(cat=3, dog=3)
    (root / "cat" / "torn.jpg").write_bytes(picture(1, "JPEG", (40, 40))[:400])
    (root / "cat" / "zero.png").write_bytes(b"")
    (root / "dog" / "text.png").write_text("not a picture")
    (root / "dog" / "really.png").write_bytes(picture(9, "JPEG"))
    gather(root)
    rows = {row["origin"]: row for row in read_listing(shards_of(root)).to_pylist()}
    assert rows["cat/torn.jpg"]["finding"] == "truncated"
    assert rows["cat/zero.png"]["finding"] == "empty"
    assert rows["dog/text.png"]["finding"] == "unreadable"
    assert rows["dog/really.png"]["finding"] is None
    assert rows["dog/really.png"]["remarks"] == ["wrong extension: named .png, but is JPEG"]
    assert len(stored(root)) == 7


def test_a_file_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    locked = ManyDots(count=9, locked=tmp_path / "locked")
    (tmp_path / "locked").touch()
    assert gather_images(locked, tmp_path / "shards").unusable == 1
    (tmp_path / "locked").unlink()
    assert gather_images(locked, tmp_path / "shards") == Gathered(9, inspected=1, gone=0, unusable=0, changed=True)


def test_a_folder_of_bad_files_only_is_refused(photos) -> None:
    root = photos(cat=3, dog=3)
    for path in root.rglob("*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(DataError, match=r"none of 6 files is a usable image; the first: cat/000\.png: unreadable"):
        gather(root)
    assert not shards_of(root).exists()


def test_one_class_is_refused(photos) -> None:
    with pytest.raises(DataError, match=r"photos' has one class only, 'cat'; needed: 2 or more \(params.yaml"):
        gather(photos(cat=5))


def test_a_class_of_fewer_than_3_usable_images_is_refused(photos) -> None:
    root = photos(cat=3, dog=3, emu=3)
    (root / "dog" / "000.png").write_bytes(b"broken")
    (root / "owl").mkdir()
    with pytest.raises(DataError, match=r"class 'dog' has 2, 'owl' has 0 usable images; needed: 3 or more"):
        gather(root)


def test_a_listing_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run `dvc repro gather`"):
        read_listing(tmp_path)


def test_a_listing_that_is_damaged_is_told(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    (shards_of(root) / "listing.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"listing\.parquet: not a readable Parquet file"):
        gather(root)


GATHER = """
import sys
from pathlib import Path
from leeway.data.shards import gather_images
from leeway.data.folder_source import FolderSource

print("started", flush=True)
gather_images(FolderSource(path=sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_run_that_is_killed_is_gone_on_with(tmp_path: Path) -> None:
    """A process that gathers for real gets SIGKILL once its first part is there; the next run reads only the rest."""
    root = tmp_path / "photos"
    for number in range(PART_IMAGES + 2_000):
        path = root / ("cat", "dog")[number % 2] / f"{number:05d}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ManyDots(count=1).picture(number))
    command = [sys.executable, "-c", GATHER, str(root), str(shards_of(root))]
    first_part = shards_of(root).with_name(".shards.partial") / "inspected-00000.parquet"
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while not first_part.exists():
            assert process.poll() is None, "it ended before its first part was there"
            time.sleep(0.005)
        process.kill()
    assert not shards_of(root).exists()
    found = gather(root)
    assert found == Gathered(files=PART_IMAGES + 2_000, inspected=2_000, gone=0, unusable=0, changed=True)
    assert sorted(os.listdir(shards_of(root).parent)) == ["shards"]  # noqa: PTH208 - hidden ones count
    assert not gather(root).changed
    assert stored(root) == {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.bmp")}


def test_what_a_killed_run_staged_for_another_source_is_not_used(photos, tmp_path: Path) -> None:
    root = photos(cat=3, dog=3)
    staged_before = shards_of(root).with_name(".shards.partial")
    staged_before.mkdir(parents=True)
    (staged_before / "run.json").write_text('{"source": {"kind": "digits"}, "base": []}')
    (staged_before / "part-00000.parquet").write_bytes(b"of other images")
    assert gather(root).inspected == 6
    assert parts(root) == ["part-00000.parquet"]


def test_shards_of_an_earlier_version_are_made_anew(photos) -> None:
    root = photos(cat=3, dog=3)
    gather(root)
    part = shards_of(root) / "part-00000.parquet"
    pq.write_table(pq.read_table(part, columns=["asset", "bytes"]), part)
    assert gather(root).inspected == 6
    assert "thumbnail" in pq.read_schema(part).names
