"""Lists the experiments: ``python -m experiments``."""

import ast
import pkgutil
from pathlib import Path

import experiments


def listing():
    """Name and first line of every experiment, as lines of text."""
    lines = []
    for module in sorted(pkgutil.iter_modules(experiments.__path__), key=lambda m: m.name):
        if not module.name.startswith("_"):
            source = Path(experiments.__path__[0], f"{module.name}.py").read_text()
            first = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
            lines.append(f"  {module.name:<14} {first}")
    return lines


if __name__ == "__main__":
    print("python -m experiments.NAME [--help]\n")
    print("\n".join(listing()))
