"""Recurrent networks in numpy: forward, backward to the embeddings, resume from a cached state.

``cells`` know one step and its backward; ``layer`` runs a cell along the text; ``pooling`` makes one vector
of the hidden states; ``network`` composes them. Torch trains the same networks (``rnnx.training.network``)
and is the oracle that tests this package.
"""
