"""Attribution methods and views: pure functions on arrays, listed in ``rnnx.registry``."""
