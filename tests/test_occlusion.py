"""Taking tokens away: what then stands there, and by how much the score falls, against loops over single texts."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given

import rnnx
from rnnx.errors import Unsupported
from rnnx.methods.occlusion import occlusion
from rnnx.methods.references import NOTHING, follower
from rnnx.methods.removal import removing
from rnnx.models import checkpoint
from rnnx.models.batching import padded
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Array, Batch, Integers
from rnnx.models.scores import score
from rnnx.settings import Removal
from rnnx.text.sentences import sentences
from rnnx.text.tokenizer import words
from rnnx.types import Token
from tests.conftest import WORDS, Run
from tests.test_networks import VOCABULARY, Shape, arrays, few, named, numpy_model, random_batch, seeds, some_lengths
from tests.test_paths import rngs

FIXED: tuple[Removal, ...] = ("mask", "delete", "pad", "mean")
SHAPES = [
    Shape(kind, directions, layers, pooling, "softmax" if kind == "gru" else "sigmoid")
    for kind, directions, layers, pooling in [
        ("lstm", 1, 1, "last"),
        ("lstm", 2, 1, "attention"),
        ("gru", 2, 2, "mean"),
        ("gru", 1, 2, "attention"),
        ("rnn", 2, 1, "max"),
        ("rnn-relu", 1, 3, "mean"),
    ]
]


def embeddings(model: RecurrentClassifier, ids: Integers, taken: set[int], removal: str) -> Array:
    """Of one text without some of its tokens, one row after another."""
    table = model.network.embedding
    other = {"mask": table[1], "pad": 0 * table[0], "mean": table[2:].mean(0)}
    if removal == "delete":
        left = [table[i] for place, i in enumerate(ids) if place not in taken]
        return np.array(left or [table[1]])
    return np.array([other[removal] if place in taken else table[i] for place, i in enumerate(ids)])


def read(model: RecurrentClassifier, x: Array, target: int, of: str) -> float:
    """The score of one text."""
    logits = model.logits(x[None], Batch(np.zeros((1, len(x)), int), np.array([len(x)])))
    return float(score(logits, np.array([target]), of)[0])


def by_loops(model: RecurrentClassifier, ids: Integers, target: int, window: int, removal: str, of: str) -> Array:
    """Every window by itself, and each token's mean."""
    whole, wide = read(model, embeddings(model, ids, set(), removal), target, of), min(window, len(ids))
    falls: list[list[float]] = [[] for _ in ids]
    for start in range(len(ids) - wide + 1):
        taken = set(range(start, start + wide))
        fall = whole - read(model, embeddings(model, ids, taken, removal), target, of)
        for place in taken:
            falls[place].append(fall)
    return np.array([np.mean(values) for values in falls])


@pytest.mark.parametrize("removal", FIXED)
@pytest.mark.parametrize("shape", SHAPES, ids=named)
@few
@given(seed=seeds, lengths=some_lengths)
def test_occlusion_is_what_a_loop_finds(shape: Shape, removal: Removal, seed: int, lengths: list[int]) -> None:
    model, batch = numpy_model(shape, arrays(shape.torch(seed))), random_batch(seed, lengths)
    target = np.arange(len(lengths)) % len(model.labels)
    for window, of in ((1, "logit"), (3, "prob"), (2, "loss")):
        found, said = occlusion(model, batch, target, (), window=window, removal=removal, of=of)  # type: ignore[arg-type]
        assert found.shape == batch.ids.shape
        assert not said
        for row, ids, n, label in zip(found, batch.ids, batch.lengths, target, strict=True):
            expected = by_loops(model, ids[:n], label, window, removal, of)
            np.testing.assert_allclose(row[:n], expected, atol=1e-9)
            assert not row[n:].any()


def test_a_linear_model_loses_what_the_token_gives() -> None:
    """With zeros in its place: w . x_t, which gradient times input says at once."""
    network = Shape("rnn-relu", 1, 1, "mean").torch(0)
    weights = arrays(network)
    weights["recurrent.weight_hh_l0"][:] = 0
    weights["recurrent.bias_ih_l0"][:] = 100  # never below 0
    model, batch = numpy_model(Shape("rnn-relu", 1, 1, "mean"), weights), random_batch(0, [5, 3])
    found = occlusion(model, batch, np.ones(2, int), (), removal="pad").found
    x = model.embed(batch)
    np.testing.assert_allclose(found, (x * model.gradient(x, batch, np.ones(2, int))).sum(-1), atol=1e-9)


def test_one_token_and_only_unknown_ones() -> None:
    model = checkpoint.load("sentiment-lstm")
    for text in ("dull", "xyzzy plugh", "xyzzy"):
        for removal in get_args(Removal):
            (e,) = rnnx.explain(model, [text], "occlusion", removal=removal)
            scores = np.array(e.evidence.scores)  # type: ignore[union-attr]
            assert np.isfinite(scores).all()
            if "xyzzy" in text and removal == "mask":
                assert not scores.any()
    (deleted,), (masked,) = (rnnx.explain(model, ["dull"], "occlusion", removal=r) for r in ("delete", "mask"))
    assert deleted.evidence == masked.evidence  # nothing is left: an unknown word is read


# --- sentences ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three", "0 0 1 1 2"),
        ("really?! Yes... no", "0 0 0 1 1 2"),
        ('He said "no." (Or so.) End', "0 0 0 0 0 0 1 1 1 1 1 2"),
        ("Mr. Smith vs. Dr. No. End", "0 0 0 0 0 0 0 0 0 1"),
        ("one", "0"),
        ("! go", "0 1"),
        ("\u597d\u3002 \u597d", "0 0 1"),
        ("", ""),
    ],
)
def test_where_sentences_end(text: str, expected: str) -> None:
    assert " ".join(map(str, sentences(words(text)))) == expected


def test_a_field_is_a_sentence_of_its_own() -> None:
    tokens = [Token("a", 0, 1, "title"), Token("b", 2, 3, "title"), Token("c", 4, 5, "body")]
    assert sentences(tokens) == [0, 0, 1]


@pytest.mark.parametrize("window", [1, 2, 9])
def test_sentences_are_taken_away_whole(window: int) -> None:
    model = checkpoint.load("sentiment-attention")
    text = "A good film. The plot is thin! But fun"
    batch = model.encode([text, "dull"])
    edges, ids = [0, 4, 9, 11], batch.ids[0, :11]
    found = occlusion(model, batch, np.ones(2, int), (), unit="sentence", window=window, removal="delete").found
    wide = min(window, 3)
    falls: list[list[float]] = [[] for _ in ids]
    for i in range(4 - wide):
        left = [token for place, token in enumerate(ids) if not edges[i] <= place < edges[i + wide]] or [1]
        logits = model.forward(padded([list(ids), left]))
        for place in range(edges[i], edges[i + wide]):
            falls[place].append(float(logits[0, 0] - logits[1, 0]))
    np.testing.assert_allclose(found[0], [np.mean(values) for values in falls], atol=1e-4)


def test_ids_alone_have_no_sentences() -> None:
    model = checkpoint.load("sentiment-lstm")
    with pytest.raises(Unsupported, match="not of ids"):
        occlusion(model, padded([[5, 6]]), np.ones(1, int), (), unit="sentence")


# --- other words ----------------------------------------------------------------------------------------------------


CORPUS = ("not good", "not bad", "not bad", "unheard")


def corpus_of(model: RecurrentClassifier) -> list[Integers]:
    return [model.encode([text]).ids[0] for text in CORPUS]


def probabilities(model: RecurrentClassifier, references: list[Integers] | None, before: int) -> Array:
    """Of each word after this one, over a fine grid of random numbers."""
    grid = (np.arange(200) + 0.5) / 200
    at = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1).reshape(-1, 2)
    drawn = follower(model, references)(np.full(len(at), before), at)
    return np.bincount(drawn, minlength=len(model.vocabulary)) / len(at)


def test_words_follow_as_in_the_references(model: RecurrentClassifier) -> None:
    """After not, 3 times there with 2 followers: 3 in 5 times one of them, else any of the six known words."""
    references = corpus_of(model)
    ids = {word: model.vocabulary.id(word) for word in ("not", "good", "bad")}
    any_word = {"not": 3 / 6, "good": 1 / 6, "bad": 2 / 6}
    after_not = {"not": 0.0, "good": 1 / 3, "bad": 2 / 3}
    found = probabilities(model, references, ids["not"])
    assert found.sum() == pytest.approx(1)
    for word, i in ids.items():
        assert found[i] == pytest.approx(0.6 * after_not[word] + 0.4 * any_word[word], abs=0.01)
    for before in (ids["bad"], model.vocabulary.id("film"), model.unknown):
        unseen = probabilities(model, references, before)
        assert [unseen[i] for i in ids.values()] == pytest.approx(list(any_word.values()), abs=0.01)
    first = probabilities(model, references, NOTHING)  # not, three times; what is not known is never drawn
    assert first[ids["not"]] == pytest.approx(3 / 4 + 1 / 4 * 3 / 6, abs=0.01)


@pytest.mark.parametrize("references", [None, [np.ones(3, int)]])
def test_without_references_the_rank_decides(model: RecurrentClassifier, references: list[Integers] | None) -> None:
    found = probabilities(model, references, 5)[2:]
    expected = 1 / np.arange(1, len(WORDS) + 1)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=0.01)


def test_drawn_words_follow_the_drawn_ones(model: RecurrentClassifier) -> None:
    """In a run that is taken away, the second word comes after the first one's replacement."""
    removed = removing(model, "sample", corpus_of(model))
    batch = model.encode(["film film film"])
    spans, count = np.repeat(np.arange(500), 2), 500
    found = removed.variants(batch, np.zeros(count, int), spans, np.tile([1, 2], count), rngs(batch))
    first, second = found.symbol.reshape(count, 2).T
    is_not = model.vocabulary.id("not")
    assert (second[first == is_not] == is_not).mean() < 0.3 < (second[first != is_not] == is_not).mean()


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_sampled_scores_are_the_mean_over_the_words(name: str) -> None:
    """Up to chance, which the standard error measures."""
    model = numpy_model(Shape(name, 2), arrays(Shape(name, 2).torch(4)))
    batch, target = padded([[VOCABULARY.id(word) for word in ("film", "not", "plot")]]), np.ones(1, int)
    corpus = corpus_of(model)
    given: dict[str, Any] = {"references": corpus, "samples": 3000, "tolerance": 0.0}
    found, said = occlusion(model, batch, target, rngs(batch), removal="sample", of="prob", **given)
    assert said["draws"] == [3000]
    ids = batch.ids[0].tolist()
    whole = score(model.forward(batch), target, "prob")
    for place, before in enumerate([NOTHING, *ids[:2]]):
        p = probabilities(model, corpus, before)
        variants = padded([[*ids[:place], word, *ids[place + 1 :]] for word in np.flatnonzero(p)])
        mean = p[p > 0] @ score(model.forward(variants), np.ones(len(variants.ids), int), "prob")
        assert found[0, place] == pytest.approx(float(whole[0] - mean), abs=5 * said["standard_error"][0])


def test_more_draws_until_the_error_is_small() -> None:
    model = checkpoint.load("sentiment-lstm")
    given: dict[str, Any] = {"removal": "sample", "samples": 200}
    text = "I expected to hate it but loved it"
    loose, tight, all_ = (
        next(rnnx.explain(model, [text], "occlusion", tolerance=t, **given)).diagnostics for t in (0.3, 0.02, 0)
    )
    assert loose["draws"] < tight["draws"] < all_["draws"] == 200
    assert loose["standard_error"] > tight["standard_error"] > all_["standard_error"]


def test_draws_belong_to_the_text() -> None:
    model = checkpoint.load("sentiment-lstm")
    texts = ["not a bad film", "dull", "a masterpiece, if a long one, and never dull"]
    given: dict[str, Any] = {"removal": "sample", "window": 2, "seed": 4}
    together = list(rnnx.explain(model, texts, "occlusion", **given))
    for text, e in zip(texts, together, strict=True):
        (alone,) = rnnx.explain(model, [text], "occlusion", **given)
        np.testing.assert_allclose(alone.evidence.scores, e.evidence.scores, atol=1e-5)  # type: ignore[union-attr]
        assert alone.diagnostics["draws"] == e.diagnostics["draws"]


@pytest.mark.parametrize("removal", ["mask", "sample"])
def test_parts_change_nothing(removal: Removal, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever parts the windows are read, also where each of them is one."""
    model, batch = checkpoint.load("sentiment-lstm"), random_batch(1, [9, 4, 1])
    given: dict[str, Any] = {"window": 3, "removal": removal, "samples": 20}
    whole = occlusion(model, batch, np.ones(3, int), rngs(batch), **given).found
    for at_once in (1, 20):
        monkeypatch.setattr("rnnx.methods.occlusion.AT_ONCE", at_once)
        found = occlusion(model, batch, np.ones(3, int), rngs(batch), **given).found
        np.testing.assert_allclose(found, whole, atol=1e-5)


class OnlyWords:
    """A classifier without embeddings."""

    name, unknown, provides = "words", 1, frozenset[str]()


@pytest.mark.parametrize("removal", ["pad", "mean", "sample"])
def test_a_model_of_words_cannot_have_embeddings_taken_away(removal: Removal) -> None:
    model: Any = OnlyWords()
    assert removing(model, "mask").symbol == 1
    with pytest.raises(Unsupported, match="reads only words"):
        removing(model, removal)


# --- as a user ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "part", "hint"),
    [
        ("window=0", "window must be a whole number from 1 to 1000000000, not '0'", ""),
        ("window=two", "window must be a whole number", ""),
        ("removal=erase", "removal must be one of mask, delete, pad, mean, sample", ""),
        ("removal=samples", "removal must be one of", "did you mean sample"),
        ("unit=sentense", "unit must be one of token, sentence", "did you mean sentence"),
        ("widow=2", "'widow'", "did you mean window"),
        ("tolerance=-1", "tolerance must be a number of at least 0", ""),
    ],
)
def test_nonsense_is_said_in_a_line(run: Run, setting: str, part: str, hint: str) -> None:
    result = run("explain", "--method", "occlusion", "--set", setting, "fine")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: ")
    assert part in result.err
    assert hint in result.err


def test_references_are_named_in_the_error(run: Run) -> None:
    argv = ["explain", "--method", "occlusion", "--set", "removal=sample", "--set", "references=nowhere.txt", "fine"]
    result = run(*argv)
    assert result.code == 2
    assert result.err.startswith("error: nowhere.txt")
    assert "Traceback" not in result.err


def test_a_sentence_is_one_colour(run: Run) -> None:
    result = run("explain", "--method", "occlusion", "--set", "unit=sentence", "-f", "plain", "A bad film. I loved it.")
    assert result.code == 0
    marked = result.out.splitlines()[1]
    assert marked.count("{++") + marked.count("[--") in (4, 8)
