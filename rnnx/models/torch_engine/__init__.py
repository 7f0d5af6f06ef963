"""Recurrent networks unrolled in torch, step by step, for what cannot be asked of ``torch.nn`` from outside.

``cells`` have one step; ``network`` runs it along the texts and composes the layers with ``pooling``. Every quantity is
made by a rule (``rules``), and autograd goes backwards by the rule that the forward pass was made with; ``contextual``
is one more rule, over quantities that are split. ``classifier`` makes arrays of it. Importing this imports torch.
"""
