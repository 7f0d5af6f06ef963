"""Other pictures of our own methods."""

from __future__ import annotations

from rnnx.registry.kinds import View

_PHRASES = {
    "score": "the phrase's share of the target's logit: + for, \u2212 against",
    "interaction": "what of it is not in the scores of its parts",
}
VIEWS = {
    "chain": View(
        "chain",
        "rnnx.methods.chain:chain",
        "grad",
        "the chain rule, factor by factor: dy/dh_T, what of it reaches step t, dh_t/dx_t",
        columns={
            "dy/dh_T": "the gradient at what the output layer reads, the same for all tokens",
            "dy/dh_t": "what of it arrives at the hidden state (of the lowest layer) after this token",
            "dy/dc_t": "and at the cell state, its other road through time",
            "dh_t/dx_t": "how far this token can move its hidden state (near 0: gates shut or saturated)",
            "dy/dx_t": "the whole gradient: the score of grad",
        },
        needs=frozenset({"recurrence"}),
        cost="1 forward, 1 backward, and the Jacobian of each step",
        adds_up="nothing",
        paper="Hochreiter 1991",
        weakness="sizes without directions: the product of large factors can be small",
    ),
    "memory": View(
        "memory",
        "rnnx.methods.memory:memory",
        "grad",
        "dh_T/dh_t, how much of each state is left in the last one: how far back the model still listens",
        columns={
            "dh_T/dh_t": "how far a change of the hidden state after this token can move the last one",
            "dh_T/dc_t": "the same for a change of the cell state, its other road through time",
            "dh_1/dh_t": "the same of the direction that reads from the last token to the first",
            "dh_1/dc_t": "and for a change of its cell state",
        },
        needs=frozenset({"recurrence"}),
        targeted=False,
        cost="3 forward, 1 backward, and 1 backward more a hidden unit",
        adds_up="nothing",
        paper="Pascanu et al. 2013",
        weakness="the most that any change could do, not what the words of the text do",
    ),
    "phrases": View(
        "phrases",
        "rnnx.methods.contextual:phrases",
        "cd",
        "phrases up to a length: what they say together, and how much of it their words do not say alone",
        columns=_PHRASES,
        needs=frozenset({"decomposition"}),
        signed=True,
        cost="about 4 forward passes a phrase",
        adds_up="nothing; the tokens of a phrase and its interaction to its score",
        paper="Murdoch, Liu & Yu 2018",
        weakness="phrases overlap and cannot be added up; in long texts long ones can be unstable",
    ),
    "hierarchy": View(
        "hierarchy",
        "rnnx.methods.hierarchy:hierarchy",
        "cd",
        "the text as a tree of phrases, what changes its meaning together joined first",
        columns=_PHRASES,
        needs=frozenset({"decomposition"}),
        signed=True,
        cost="about 4 forward passes a phrase, fewer than 4 phrases a token",
        adds_up="the tokens and all interactions to the logit without its own bias",
        paper="Singh, Murdoch & Yu 2019",
        weakness="greedy: what was joined once stays so; words that stand apart are never joined alone",
    ),
    "interaction": View(
        "interaction",
        "rnnx.methods.interaction:interaction",
        "cd",
        "two phrases that are named: what they say together, and neither of them alone, as a number",
        columns={
            "score": "the phrase's own share of the target's logit: + for, \u2212 against",
            "interaction": "what the two say together beyond that",
            "together": "the sum: the share of both as one",
        },
        needs=frozenset({"decomposition"}),
        signed=True,
        cost="about 12 forward passes",
        adds_up="the two scores and the interaction to the share of both phrases together",
        paper="Murdoch, Liu & Yu 2018",
        weakness="what the two say only together with a third word is in no number of it",
    ),
}
