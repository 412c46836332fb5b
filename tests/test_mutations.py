"""The table of faults fits the code, so that `tests/mutate.py` can put them into it."""

from tests.mutate import SURVIVES, code, read


def test_every_text_occurs_once():
    everything = "\n".join(code().values())
    assert [row[:2] for row in read() if everything.count(row[1]) != 1] == []


def test_there_are_many_and_all_are_seen():
    rows = read()
    assert len({row[0] for row in rows}) == len(rows) >= 50
    assert not [row[0] for row in rows if row[1] == row[2] or row[3] == SURVIVES]
