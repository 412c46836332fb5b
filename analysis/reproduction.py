"""x"""
def summary(data): return ["x"]
def figure(data):
    from analysis.style import new_figure
    return new_figure(3,3)
