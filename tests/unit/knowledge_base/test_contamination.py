"""What of an evaluation is known already."""

import pytest

from novum.core.errors import UsageError
from novum.knowledge_base.contamination import SHARE, WORDS, By, Example, find_overlaps, inchikey


def words(n, start=0):
    return " ".join(f"w{i}" for i in range(start, start + n))


def overlaps(example, *texts, item):
    items = [item(text, id=f"K-{n}", subject="s") for n, text in enumerate(texts)]
    return {(o.item, o.by, round(o.share, 2)) for o in find_overlaps([example], items).overlaps}


def test_the_share_of_runs_decides(item):
    n = 27  # twenty runs of eight words
    example = Example(id="e", text=words(n))
    assert overlaps(example, words(n) + " and more", item=item) == {("K-0", By.WORDS, 1.0)}
    enough = words(WORDS - 1 + round(20 * SHARE))
    assert overlaps(example, enough, item=item) == {("K-0", By.WORDS, SHARE)}
    assert overlaps(example, words(WORDS - 2 + round(20 * SHARE)), item=item) == set()
    assert overlaps(example, " ".join(reversed(words(n).split())), item=item) == set()


def test_spelling_does_not_hide_a_text(item):
    example = Example(id="e", text="The  Gap, of BENZENE.")
    assert overlaps(example, "the gap of benzene", "the gap of toluene", item=item) == {("K-0", By.HASH, 1.0)}
    assert overlaps(Example(id="e"), "", "...", item=item) == set()


def test_molecules_are_found_by_their_key(item):
    key = inchikey("C1=CC=CC=C1")
    assert key == inchikey("c1ccccc1") == "UHOVQNZJYSORNB-UHFFFAOYSA-N"
    known = [item("x", id="K-1", subject=key), item("y", id="K-2", object=f"reacts to {key}")]
    for example in (Example(id="e", smiles="c1ccccc1"), Example(id="e", inchikey=key)):
        found = find_overlaps([example, Example(id="f", smiles="C")], known)
        assert {o.item for o in found.overlaps} == {"K-1", "K-2"}
        assert (found.n_known, found.n_examples, found.share) == (1, 2, 0.5)
    with pytest.raises(UsageError, match="no SMILES"):
        find_overlaps([Example(id="e", smiles="C(")], known)
    assert find_overlaps([], known).share == 0.0
