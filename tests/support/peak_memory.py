"""How much memory a child process has taken at its worst."""

PEAK_MIB = """
def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) // 1024
"""
"""Source of a function for the child itself. ``ru_maxrss`` will not do: Linux counts into it what the parent held when
the child was made, so a large test run would be taken for the child's own use, and hide it."""
