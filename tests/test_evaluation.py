"""Methods against metrics: what random order reaches, what is taken up again, and that a planted shortcut is found."""

from __future__ import annotations

import csv
import io
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import rnnx
from rnnx import evaluation, registry, settings
from rnnx.data.eraser import explanations
from rnnx.data.readers import Row
from rnnx.errors import ConfigError, UnknownName, Unsupported
from rnnx.explainers import explainer
from rnnx.metrics.erasure import comprehensiveness
from rnnx.models import checkpoint
from rnnx.models.catalog import Spec
from rnnx.models.engine.classifier import RecurrentClassifier
from rnnx.models.protocols import Batch
from rnnx.standings import summary
from rnnx.text.vocabulary import SPECIAL, Vocabulary
from rnnx.training.network import RecurrentNetwork
from rnnx.types import Standing
from tests.conftest import MODELS, WORDS, Run, random_model

REVIEWS = str(Path(__file__).parent.parent / "sample_data" / "reviews.jsonl")
ONE = ("evaluate", "not bad at all", "--methods", "lrp")
FAST = ("--methods", "lrp,grad,attention", "--limit", "12")


def texts_of(model: RecurrentClassifier, count: int, length: int, seed: int = 0) -> list[evaluation.Judged]:
    rng = np.random.default_rng(seed)
    return evaluation.judged(model, [Row(" ".join(rng.choice(WORDS[:11], length)), None, "") for _ in range(count)])


def standings(
    model: RecurrentClassifier, texts: list[evaluation.Judged], *methods: str, **given: Any
) -> dict[str, Standing]:
    plan = evaluation.evaluation(model, texts, methods, **given)
    return {line.method: line for line in summary(plan.metrics, plan.records())}


# --- the baseline ---------------------------------------------------------------------------------------------------


def test_random_order_is_where_the_mean_of_all_orders_is(tmp_path: Path) -> None:
    model = checkpoint.load(str(random_model(tmp_path, MODELS["attention"])))
    texts = texts_of(model, 150, 4)
    found = standings(model, texts, "grad")["random"].scores["comprehensiveness"]
    batch = model.collate([text.tokens for text in texts])
    target = (model.forward(batch)[:, 0] > 0).astype(int)
    orders = [np.tile(order, (len(texts), 1)) for order in permutations(range(4))]
    expected = np.mean([comprehensiveness(model, batch, target, np.array(order, float)) for order in orders])
    assert found.low < expected < found.high
    assert found.low < found.mean < found.high
    assert found.texts == 150


def test_gains_are_of_the_same_texts(tmp_path: Path) -> None:
    model = checkpoint.load(str(random_model(tmp_path, MODELS["attention"])))
    found = standings(model, texts_of(model, 40, 6), "lrp")
    for name, gain in found["lrp"].gains.items():
        ours, theirs = found["lrp"].scores[name], found["random"].scores[name]
        if not np.isnan(gain.mean):
            assert gain.mean == pytest.approx(ours.mean - theirs.mean)
    assert found["random"].gains["comprehensiveness"] == (0, 0, 0, 40)
    assert not found["random"].ranks
    assert set(found["lrp"].ranks.values()) == {1}


# --- a planted shortcut ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shortcut(tmp_path_factory: pytest.TempPathFactory) -> RecurrentClassifier:
    """A network that has learnt that a text is positive if and only if "good" stands in it."""
    spec, size = Spec("lstm", "last", ("negative", "positive")), len(WORDS) + len(SPECIAL)
    torch.manual_seed(0)
    network = RecurrentNetwork(spec, torch.randn(size, 8), hidden=12, bidirectional=False)
    good = SPECIAL.__len__() + WORDS.index("good")
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    lengths = torch.full((128,), 7)
    for _ in range(300):
        ids = torch.randint(1, size, (128, 7))
        ids[torch.rand(128, 7) < 0.1] = good
        label = (ids == good).any(1).float()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(ids, lengths)[:, 0], label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    folder = tmp_path_factory.mktemp("shortcut")
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    checkpoint.write(folder, spec, weights, Vocabulary(SPECIAL + WORDS))
    return checkpoint.load(str(folder))


def test_a_planted_shortcut_is_found_by_every_method_that_is_rated_faithful(shortcut: RecurrentClassifier) -> None:
    rng, others = np.random.default_rng(0), [word for word in WORDS[:9] if word != "good"]
    words = [[*rng.choice(others, 6)] for _ in range(30)]
    for own in words:
        own[rng.integers(6)] = "good"
    texts = evaluation.judged(shortcut, [Row(" ".join(own), None, "") for own in words])
    assert [p.label for p in rnnx.predict(shortcut, [text.text for text in texts])] == ["positive"] * 30
    found = standings(shortcut, texts, metrics=("normalised-comprehensiveness",))
    faithful = [name for name, line in found.items() if line.scores["normalised-comprehensiveness"].mean > 0.85]
    assert {"lrp", "occlusion", "shapley", "kernel-shap", "ig"} <= set(faithful)
    assert "random" not in faithful
    for name in faithful:
        for own, e in zip(words, rnnx.explain(shortcut, [text.text for text in texts], method=name), strict=True):
            scores = np.array(e.evidence.scores)  # type: ignore[union-attr]
            assert scores.argmax() == own.index("good"), name


# --- what cannot be, and what is left out ---------------------------------------------------------------------------


def test_what_cannot_be_measured_is_refused() -> None:
    model = checkpoint.load("sentiment-lstm")
    texts = evaluation.judged(model, [Row("not bad at all", None, "")])
    for error, match, given in (
        (Unsupported, "attention", {"methods": ["attention"]}),
        (Unsupported, "people marked", {"metrics": ["auprc"]}),
        (UnknownName, "metric", {"metrics": ["comprehension"]}),
        (UnknownName, "removal", {"removal": "sample"}),
        (ConfigError, "samples", {"methods": ["lime"], "given": {"lime": {"samples": "0"}}}),
        (ConfigError, "samples", {"metrics": ["infidelity"], "given": {"infidelity": {"samples": "0"}}}),
    ):
        with pytest.raises(error, match=match):
            evaluation.evaluation(model, texts, **given)  # type: ignore[arg-type]
    assert "auprc" not in evaluation.possible(model, texts)
    assert "randomisation" in evaluation.possible(model, texts)


def test_a_text_that_a_method_cannot_explain_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot explain has no value, the others are as without it."""
    from rnnx.errors import Unexplained

    def picky(model: Any, batch: Batch, target: Any) -> Any:
        if (batch.lengths > 3).any():
            raise Unexplained(dict.fromkeys(np.flatnonzero(batch.lengths > 3).tolist(), "long"))
        return np.where(batch.mask, batch.ids, 0).astype(float)

    model = checkpoint.load("sentiment-lstm")
    texts = evaluation.judged(model, [Row(text, None, "") for text in ("not bad", "a dull film , sadly", "so good")])
    monkeypatch.setattr(evaluation, "explainer", lambda *given: explainer(given[0], "random", {}))
    method = explainer(model, "grad", {})
    plan = evaluation.evaluation(model, texts, [type(method)("picky", True, False, picky, {})])
    found = {r.text: r for r in plan.records() if r.method == "picky"}
    assert [bool(found[i].scores) for i in range(3)] == [True, False, True]
    assert set(found[1].values.values()) == {None}
    assert found[0].values["comprehensiveness"] is not None
    assert summary(plan.metrics, plan.records())[0].explained in (2, 3)


@pytest.mark.parametrize("row", registry.METRICS.values(), ids=lambda row: row.name)
def test_every_metric_says_what_it_is(row: registry.Metric) -> None:
    signature = settings.signature(row.function)
    assert row.paper.split(" et al")[0].split(" &")[0] in signature.doc
    if row.name != "randomisation":  # where less is better down to 0
        assert f"{row.better} is better" in signature.doc.lower()
    assert "Returns (batch" in signature.doc
    assert all(setting.meaning for setting in signature.settings.values())
    assert registry.load(row.function)


# --- the command ----------------------------------------------------------------------------------------------------


def without_times(text: str) -> Any:
    found = json.loads(text)
    for line in found["methods"]:
        del line["milliseconds"]
    return found


def test_the_table_fits_and_names_the_best(run: Run) -> None:
    for width in (80, 120):
        result = run("evaluate", REVIEWS, *FAST, width=width)
        assert result.code == 0, result.err
        assert all(len(line) <= width for line in result.out.splitlines())
        assert [line.split()[0] for line in result.out.splitlines()[3:7]] == ["lrp", "attention", "grad", "random"]
        assert "*" in result.out
    coloured = run("evaluate", REVIEWS, *FAST, "--color", "always")
    assert "\x1b[1m" in coloured.out


def test_an_interrupted_run_goes_on(run: Run, tmp_path: Path) -> None:
    records = tmp_path / "seen.jsonl"
    whole = run("evaluate", REVIEWS, *FAST, "-f", "json")
    first = run("evaluate", REVIEWS, *FAST, "-f", "json", "--records", str(records))
    assert without_times(first.out) == without_times(whole.out)
    lines = records.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 12 * 4
    strange = '5\n{"text": 1}\n'
    records.write_text("".join(lines[:20]) + strange + lines[20][:30])  # a kill in the middle of a line
    again = run("evaluate", REVIEWS, *FAST, "-f", "json", "--records", str(records))
    assert "19 explanations are in" in again.err
    assert without_times(again.out) == without_times(whole.out)
    more = run("evaluate", REVIEWS, "--methods", "lrp,ig", "--limit", "12", "--records", str(records))
    assert "24 explanations are in" in more.err
    assert more.code == 0
    after = run("evaluate", REVIEWS, *FAST, "-f", "json", "--records", str(records))
    assert "48 explanations are in" in after.err  # what was asked for before is still there
    assert without_times(after.out) == without_times(whole.out)
    other = run("evaluate", REVIEWS, *FAST, "--records", str(records), "--removal", "mask")
    assert other.code == 2
    assert "another evaluation (removal)" in other.err


def test_texts_of_one_token_have_no_order(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("good\nbad\n")
    given = ("evaluate", str(tmp_path / "one.txt"), "--methods", "lrp", "--metrics", "n-comp,comp")
    found = run(*given, "--fail-under", "n-comp=0")
    assert found.code == 1
    assert "2 texts of 1 token each" in found.out
    assert "nothing can be said of these texts by normalised-comprehensiveness" in found.out
    assert found.err == "failed: normalised-comprehensiveness of lrp cannot be said of these texts\n"


def test_records_of_other_metrics_add_up(run: Run, tmp_path: Path) -> None:
    records, given = tmp_path / "seen.jsonl", ("evaluate", REVIEWS, "--methods", "lrp", "--limit", "5", "-f", "json")
    for names in ("comp", "suff,loo"):
        assert run(*given, "--metrics", names, "--records", str(records)).code == 0
    both = run(*given, "--metrics", "comp,suff,loo", "--records", str(records))
    assert "10 explanations are in" in both.err
    assert without_times(both.out) == without_times(run(*given, "--metrics", "comp,suff,loo").out)


def test_a_bound_that_is_missed_fails(run: Run) -> None:
    given = ("evaluate", REVIEWS, "--methods", "lrp", "--limit", "5")
    assert run(*given, "--fail-under", "comprehensiveness=-1").code == 0
    low = run(*given, "--fail-under", "comprehensiveness=0.99")
    assert low.code == 1
    assert "failed: comprehensiveness of lrp is" in low.err
    high = run(*given, "--fail-over", "sufficiency=-0.9")
    assert high.code == 1
    by_its_head = run(*given, "--metrics", "comp,comprehensiveness", "--fail-under", "comp=0.99")
    assert (by_its_head.code, by_its_head.err) == (1, low.err)


def test_formats(run: Run, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("evaluate", REVIEWS, *FAST, "-f", "csv").out)))
    assert {row["method"] for row in rows} == {"lrp", "grad", "attention", "random"}
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in rows)
    written = run("evaluate", REVIEWS, *FAST, "-o", str(tmp_path / "table.md"))
    table = (tmp_path / "table.md").read_text()
    assert written.code == 0
    assert "| method | ms | n-comp" in table
    assert "**" in table
    document = json.loads(run("evaluate", REVIEWS, *FAST, "-f", "json", "--set", "infidelity.samples=4").out)
    assert document["methods"][0]["scores"]["normalised-comprehensiveness"]["rank"] == 1
    assert document["metrics"]["sufficiency"]["better"] == "lower"
    (one,) = {line["scores"]["comprehensiveness"]["low"] for line in json.loads(run(*ONE, "-f", "json").out)["methods"]}
    assert one is None  # of one text no interval is known
    assert run(*ONE).out.startswith("sentiment-attention: 1 text of 4 tokens;")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--methods", "lpr"], "unknown method 'lpr'"),
        (["--metrics", "compr"], "unknown metric 'compr'"),
        (["--set", "samples=3"], "names no method"),
        (["--set", "lrp.steps=3"], "steps"),
        (["--fail-under", "comprehensiveness=high"], "is no number"),
        (["--fail-under", "comp"], "--fail-under 'comp' is not NAME=VALUE"),
        (["--fail-under", "comp=nan"], "is no number"),
        (["--methods", ","], "a list without a name"),
        (["--export", REVIEWS], "not a folder"),
        (["--export", str(Path(REVIEWS).parent)], "has files in it already"),
        (["--fail-over", "comp=0.3", "--metrics", "suff"], "comprehensiveness, which is not measured"),
        (["--records", "x.jsonl", "--output", "./x.jsonl"], "--records and --output are both"),
        (["--records", "/dev/null"], "--records /dev/null is no file"),
        (["--removal", "sample"], "--removal"),
        (["--explanations", "x.jsonl"], "--eraser"),
        (["--methods", "lrp", "--set", "ig.steps=4"], "a setting is given for ig, which is not measured"),
        (["--metrics", "comp", "--set", "infidelity.draws=4"], "a setting is given for infidelity, which is not"),
        (["--methods", "attention", "-m", "sentiment-lstm"], "attention needs attention"),
    ],
)
def test_mistakes_are_one_line(run: Run, argv: list[str], said: str) -> None:
    result = run("evaluate", REVIEWS, "--limit", "2", *argv)
    assert result.code == 2
    assert said in result.err
    assert result.err.startswith("error: ")


# --- the ERASER benchmark's format ----------------------------------------------------------------------------------


def eraser_scores(folder: Path, method: str) -> dict[str, float]:
    """What the benchmark's scorer computes, from its definitions in plain loops."""
    lines, annotations, documents = (
        [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in (method, "test", "docs")
    )
    truth = {each["annotation_id"]: each for each in annotations}
    docs = {each["docid"]: each["document"].split(" ") for each in documents}
    found: dict[str, list[float]] = {name: [] for name in ("comprehensiveness", "sufficiency", "token-f1", "p", "r")}
    for line in lines:
        label, whole = line["classification"], line["classification_scores"]
        assert sum(whole.values()) == pytest.approx(1)
        assert len(line["rationales"][0]["soft_rationale_predictions"]) == len(docs[line["annotation_id"]])
        for name in ("comprehensiveness", "sufficiency"):
            parts = [part[f"{name}_classification_scores"][label] for part in line["thresholded_scores"]]
            found[name].append(float(np.mean([whole[label] - part for part in parts])))
        hard = [(h["start_token"], h["end_token"]) for h in line["rationales"][0]["hard_rationale_predictions"]]
        theirs = [(e["start_token"], e["end_token"]) for g in truth[line["annotation_id"]]["evidences"] for e in g]
        a, b = ({t for span in spans for t in range(*span)} for spans in (hard, theirs))
        p, r = len(a & b) / len(a), len(a & b) / len(b)
        found["token-f1"].append(2 * p * r / (p + r) if p + r else 0)
        best = [max(len({*range(*x)} & {*range(*y)}) / len({*range(*x)} | {*range(*y)}) for y in theirs) for x in hard]
        right = sum(iou >= 0.5 for iou in best)
        found["p"].append(right / len(hard))
        found["r"].append(right / len(theirs))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    p, r = means.pop("p"), means.pop("r")
    return {**means, "iou-f1": 2 * p * r / (p + r)}


def test_the_benchmarks_definitions_give_the_same_figures(run: Run, tmp_path: Path) -> None:
    """Of texts in which people have marked something: only those are for its scorer."""
    marked = [line for line in Path(REVIEWS).read_text().splitlines() if json.loads(line)["reasons"]][:15]
    (tmp_path / "marked.jsonl").write_text("\n".join(marked))
    folder = tmp_path / "eraser"
    given = ("evaluate", str(tmp_path / "marked.jsonl"), "--methods", "lrp,grad", "-f", "json")
    document = json.loads(run(*given, "--export", str(folder)).out)
    for line in document["methods"]:
        for name, value in eraser_scores(folder, line["method"]).items():
            assert line["scores"][name]["mean"] == pytest.approx(value, abs=1e-6), name


def test_explanations_come_back(run: Run, tmp_path: Path) -> None:
    """A file of results is a method like others; of words that the model splits each token has the word's score."""
    folder = tmp_path / "eraser"
    metrics = ("--metrics", "comprehensiveness,auprc,seed-stability")
    run("evaluate", REVIEWS, *FAST, *metrics, "--export", str(folder))
    (folder / "theirs.jsonl").write_text((folder / "lrp.jsonl").read_text())
    given = ("evaluate", "--eraser", str(folder), "--explanations", str(folder / "theirs.jsonl"), "--methods", "lrp")
    result = run(*given, *metrics, "-f", "json")
    assert result.code == 0, result.err
    lines = {line["method"]: line["scores"] for line in json.loads(result.out)["methods"]}
    for name in ("comprehensiveness", "auprc"):
        assert lines["theirs"][name]["mean"] == pytest.approx(lines["lrp"][name]["mean"], abs=1e-5)
    same = run(*given[:4], str(folder / "lrp.jsonl"), "--methods", "lrp")
    assert (same.code, same.err.splitlines()[0]) == (2, "error: two methods are called lrp")
    chance = run(*given[:4], str(folder / "random.jsonl"))
    assert "two methods are called random" in chance.err
    records = "--records", str(tmp_path / "seen.jsonl"), "--metrics", "comprehensiveness"
    before = run(*given[:5], *records)
    (folder / "theirs.jsonl").write_text((folder / "grad.jsonl").read_text())
    after = run(*given[:5], *records)
    assert after.code == 0
    assert "theirs" in before.out
    assert before.out.splitlines()[3] != after.out.splitlines()[3]  # not what was measured of the former file
    (folder / "short.jsonl").write_text((folder / "lrp.jsonl").read_text().replace("[", "[0.5, ", 2))
    wrong = run(*given[:4], str(folder / "short.jsonl"))
    assert wrong.code == 2
    assert "one score a word" in wrong.err or "no soft_rationale_predictions" in wrong.err
    assert run("evaluate", "--eraser", str(folder), "--split", "val").code == 2
    assert explanations(folder / "lrp.jsonl").scores


def test_unsigned_explanations_come_back_as_unsigned(run: Run, tmp_path: Path) -> None:
    """Sizes are compared with sizes, which the format cannot say: a field beside its own does."""
    marked = [line for line in Path(REVIEWS).read_text().splitlines() if json.loads(line)["reasons"]][:6]
    (tmp_path / "marked.jsonl").write_text("\n".join(marked))
    folder, metrics = tmp_path / "eraser", ("--metrics", "leave-one-out", "-f", "json")
    made = run("evaluate", str(tmp_path / "marked.jsonl"), "--methods", "grad,lrp", *metrics, "--export", str(folder))
    results = [str(folder / f"{name}.jsonl") for name in ("grad", "lrp")]
    given = ("evaluate", "--eraser", str(folder), "--explanations", results[0], "--explanations", results[1])
    again = run(*given, *metrics)
    before, after = (
        {line["method"]: line["scores"]["leave-one-out"]["mean"] for line in json.loads(each.out)["methods"]}
        for each in (made, again)
    )
    assert after["grad"] == pytest.approx(before["grad"], abs=1e-6)
    assert after["lrp"] == pytest.approx(before["lrp"], abs=1e-6)
    lines = Path(results[0]).read_text().splitlines()
    Path(results[0]).write_text("\n".join([lines[0].replace('"signed": false', '"signed": true'), *lines[1:]]))
    mixed = run(*given, *metrics)
    assert (mixed.code, "some lines have signed scores" in mixed.err) == (2, True)


def test_texts_that_are_the_same_to_the_model_keep_their_own_scores(run: Run, tmp_path: Path) -> None:
    """ERASER asks of one document again and again; and of two unknown words the model knows the same."""
    words = ("not bad xqzzy", "not bad xqzzw", "not bad xqzzw")
    docs = [{"docid": f"d{i}", "document": text} for i, text in enumerate(words)]
    asked = [
        {"annotation_id": f"d{i}", "evidences": [], "docids": [f"d{i}"], "classification": "positive"} for i in range(3)
    ]
    scores = ([3, 2, 1], [1, 2, 3], [2, 1, 3])
    lines = [
        {"annotation_id": f"d{i}", "rationales": [{"docid": f"d{i}", "soft_rationale_predictions": own}]}
        for i, own in enumerate(scores)
    ]
    for name, records in (("docs", docs), ("test", asked), ("theirs", lines)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    seen = tmp_path / "seen.jsonl"
    given = ("evaluate", "--eraser", str(tmp_path), "--explanations", str(tmp_path / "theirs.jsonl"))
    result = run(*given, "--metrics", "comprehensiveness", "--records", str(seen))
    assert result.code == 0, result.err
    records = [json.loads(line) for line in seen.read_text().splitlines()[1:]]
    assert {r["text"]: r["scores"] for r in records if r["method"] == "theirs"} == dict(enumerate(map(list, scores)))
