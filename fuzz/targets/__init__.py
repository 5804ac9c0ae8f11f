"""One module for each reader of hostile input, with ``fuzz_one`` and the invariant that it must keep."""
