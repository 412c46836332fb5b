"""Sums, running means and variances, which take in very small changes for very long."""


def taken_in(b, group, name, change):
    """Lines that add a change to a number of a group, with what rounding leaves of it for the next.

    After millions of steps a change is below what single precision tells apart, and a mean that only
    adds changes up no longer moves. What was lost is therefore kept and added to the next change (Kahan
    1965, Commun. ACM 8:40).

    Parameters
    ----------
    b : Blueprint
    group : str
    name : str
        A variable of the group; ``name_lost`` is added to it.
    change : str
        An expression.

    Returns
    -------
    str
    """
    b.variables(group, f"{name}_lost")
    return (
        # NumPy does this in place: what is computed in double precision is rounded here, and not later.
        f"{name}_lost = {name}_lost + {change}\n"
        f"{name}_moved = {name} + {name}_lost\n"
        # Two lines: Brian2 would rearrange the sum of three.
        f"{name}_arrived = {name}_moved - {name}\n"
        f"{name}_lost = {name}_lost - {name}_arrived\n"
        f"{name} = {name}_moved"
    )
