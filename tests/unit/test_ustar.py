"""Members of archives, as the standard library reads and writes them."""

from __future__ import annotations

import io
import tarfile

import pytest

from yfcc.share.ustar import END, MAX_MEMBER_BYTES, build_header, build_padding, measure_member


@pytest.mark.parametrize("n_bytes", [0, 1, 511, 512, 513, 100_000])
@pytest.mark.parametrize("name", ["1.jpg", "9" * 96 + ".jpg"])
def test_a_header_is_the_one_that_the_standard_library_writes(name: str, n_bytes: int) -> None:
    told = tarfile.TarInfo(name)
    told.size = n_bytes
    assert build_header(name, n_bytes) == told.tobuf(tarfile.USTAR_FORMAT)


def test_an_archive_is_read_back() -> None:
    contents = {"1.json": b"{}", "1.txt": b"", "1.jpg": bytes(range(256)) * 3}
    stream = io.BytesIO()
    for name, content in contents.items():
        start = stream.tell()
        stream.write(build_header(name, len(content)) + content + build_padding(len(content)))
        assert stream.tell() - start == measure_member(len(content))
    stream.write(END)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as archive:
        read = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        assert {member.mtime for member in archive} == {0}
    assert read == contents


@pytest.mark.parametrize(
    ("name", "n_bytes"), [("1" * 101, 0), ("", 0), ("1.jpg", MAX_MEMBER_BYTES + 1), ("1.jpg", -1)]
)
def test_what_the_form_has_no_room_for_is_refused(name: str, n_bytes: int) -> None:
    with pytest.raises(ValueError, match="more than a tar archive of this form holds"):
        build_header(name, n_bytes)
