"""Files that are written: what is refused before the work, and how one takes another's place."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

import pytest

import arms
from arms._output import beside, check_output, replacing

MODEL = Path(__file__).parents[3] / "Tests" / "Fixtures" / "models" / "bert-patches-paper.gguf"


def write(path: Path, text: str) -> None:
    with replacing(path) as aside:
        assert aside.suffix == ".tmp"
        aside.write_text(text)


def test_a_device_or_pipe_is_no_file_to_replace(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    for path in (pipe, link):
        with pytest.raises(arms.InvalidArgumentError, match=f"{re.escape(str(path))}: is a device"):
            check_output(path)
        with pytest.raises(arms.InvalidArgumentError, match="regular file"):
            write(path, "new")
    assert pipe.is_fifo()
    assert sorted(tmp_path.iterdir()) == [link, pipe]


def test_what_is_read_is_not_written(tmp_path: Path) -> None:
    path, link, other = tmp_path / "data", tmp_path / "link", tmp_path / "other"
    path.write_text("old")
    link.symlink_to(path)
    other.hardlink_to(path)
    for output in (path, link, other, path.parent / "." / "data"):
        with pytest.raises(arms.InvalidArgumentError, match=r"is read as .*, and would be lost"):
            check_output(output, [tmp_path / "absent", path])
    check_output(tmp_path / "new", [path, tmp_path / "new"])


def test_a_folder_that_takes_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    # Root may write anywhere, whatever the permissions say.
    monkeypatch.setattr(os, "access", lambda folder, _: folder != tmp_path)
    with pytest.raises(PermissionError, match="no permission to write to this folder"):
        check_output(path)


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "data"
    left, long = tmp_path / f".data.{'0a' * 8}.tmp", tmp_path / f".data.{'0a' * 9}.tmp"
    other, link = tmp_path / f".date.{'0a' * 8}.tmp", tmp_path / f".data.{'0b' * 8}.tmp"
    for file in (left, long, other):
        file.touch()
    link.symlink_to(other)
    with replacing(path) as outer:
        assert not left.exists()
        # What is being written is locked, also by this process.
        write(path, "inner")
        outer.write_text("outer")
    assert path.read_text() == "outer"
    assert sorted(tmp_path.iterdir()) == sorted([path, long, other, link])


def test_a_temporary_that_another_process_takes_for_left_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = []

    def flock(descriptor: int, _: int) -> None:
        locks.append(descriptor)
        if len(locks) == 1:
            next(tmp_path.iterdir()).unlink()

    monkeypatch.setattr("arms._output.fcntl.flock", flock)
    write(tmp_path / "data", "new")
    assert (len(locks), (tmp_path / "data").read_text()) == (2, "new")


def test_links_are_followed_where_they_lead_to_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to(target)
    write(link, "of its own")
    assert not link.is_symlink()
    link.unlink()
    target.write_text("old")
    link.symlink_to("folder/target")
    write(link, "new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")
    assert list(target.parent.iterdir()) == [target]


def test_permissions_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, "first")
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    path.chmod(0o640)
    with replacing(path) as aside:
        assert aside.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("refused", "reason"),
    # A container says EINVAL of owners that it does not know.
    [("owner", errno.EPERM), ("owner", errno.EINVAL), ("group", errno.EPERM)],
)
def test_another_group_gets_no_permissions(
    refused: str, reason: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o664)
    given: list[tuple[int, int]] = []

    def give(_: int, owner: int, group: int) -> None:
        given.append((owner, group))
        if owner != -1 or refused == "group":
            raise OSError(reason, os.strerror(reason))

    status = path.stat()
    monkeypatch.setattr(os, "fchown", give)
    if refused == "group":
        # The old file is of a group that no new one gets.
        changed = os.stat_result([*status[:5], status.st_gid + 1, *status[6:]])
        real_stat = Path.stat
        monkeypatch.setattr(
            Path,
            "stat",
            lambda self, **options: changed if self == path else real_stat(self, **options),
        )
        status = changed
    write(path, "new")
    monkeypatch.undo()
    assert given == [(status.st_uid, status.st_gid), (-1, status.st_gid)]
    assert path.stat().st_mode & 0o777 == (0o604 if refused == "group" else 0o664)


def test_bytes_are_on_disk_before_the_file_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            synced.append("folder with " + path.read_text())
        else:
            synced.append(os.pread(descriptor, 10, 0).decode() + " over " + path.read_text())

    monkeypatch.setattr(os, "fsync", sync)
    write(path, "new")
    # The rename is on disk only with the folder.
    assert synced == ["new over old", "folder with new"]


def test_a_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    reason = errno.EINVAL

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "fsync", sync)
    write(path, "new")
    reason = errno.EIO
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        write(path, "newer")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_library_removes_what_a_killed_process_left(tmp_path: Path) -> None:
    path = tmp_path / "router.gguf"
    with arms.Router(MODEL, threads=1) as router:
        with replacing(path) as aside:
            router.save(path)
            assert sorted(tmp_path.iterdir()) == sorted([aside, path])
            aside.write_text("new")
        assert path.read_text() == "new"
        # As if nobody held its lock any more.
        aside.touch()
        with beside(path) as other:
            other.touch()
            router.save(path)
            assert sorted(tmp_path.iterdir()) == sorted([other, path])


def test_a_name_as_long_as_they_get(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 127)
    write(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
