"""One lab per data folder, however its holder ends."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backend.lab.ownership import AlreadyRunning, Note, Ownership, is_held, read_note

NOTE = Note(pid=4711, address="http://127.0.0.1:8765", redis_url="redis+socket:///tmp/x/redis.sock", started_at=1.0)


def test_a_second_lab_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    with Ownership(tmp_path) as first:
        first.write(NOTE)
        with (
            pytest.raises(AlreadyRunning, match=r"process 4711, at http://127\.0\.0\.1:8765") as refused,
            Ownership(tmp_path),
        ):
            pass
        assert refused.value.note == NOTE
        assert is_held(tmp_path)
        assert read_note(tmp_path) == NOTE


def test_the_note_is_its_owners_only_and_goes_with_the_lab(tmp_path: Path) -> None:
    with Ownership(tmp_path) as first:
        first.write(NOTE)
        assert stat.S_IMODE((tmp_path / "lab.json").stat().st_mode) == 0o600
    assert not (tmp_path / "lab.json").exists()
    assert not is_held(tmp_path)


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    holds = (
        "import sys, time; from pathlib import Path; from backend.lab.ownership import Ownership\n"
        f"with Ownership(Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", holds], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        assert is_held(tmp_path)
        holder.kill()
    assert not is_held(tmp_path)
    with Ownership(tmp_path):
        assert is_held(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '"x"'])
def test_a_broken_note_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "lab.json").write_text(content)
    assert read_note(tmp_path) is None
