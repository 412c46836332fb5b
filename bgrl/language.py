"""The language of tasks, equations, rules and functions: arithmetic, checked where it is written.

An expression has numbers, names, ``+ - * / // % **``, parentheses, the `FUNCTIONS` and the
`CONSTANTS`. Comparisons, joined by ``and``, ``or``, ``not``, stand in ``int(...)``, which makes 0 or 1 of
them. Code is a line for each assignment, ``x = ...`` or ``x += ...``; what follows a ``#`` is a comment.

It looks like Python and is run by NumPy, C++ and Python, which differ in small things. `canonical`
writes an expression without these: every number is a floating-point number, ``x // y`` is
``floor(x/y)``, ``x % y`` is ``x - y*floor(x/y)``, and ``int(x)`` of a number cuts its fraction off. A
division by zero that is only found while running gives an infinite number or NaN, everywhere.
"""

import ast
import functools
import keyword
import math
import re

import numpy as np

from bgrl.errors import InputError

#: Functions that expressions may use, and their numbers of arguments.
FUNCTIONS = dict.fromkeys(
    (
        *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
        *("exp", "expm1", "log", "log10", "log1p", "sqrt"),
        *("abs", "sign", "int", "floor", "ceil"),
    ),
    1,
) | {"clip": 3}
CONSTANTS = {"pi": math.pi, "inf": math.inf}
#: Random numbers of a task's step, by their number.
DRAWS = ("uniform", "normal")
MOST_DRAWS = 1000
#: Deepest nesting of an expression, a sum of n terms being n deep; code generators recurse.
_DEEPEST = 150
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z", re.ASCII)
_OPERATORS = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: lambda x, y: np.floor(np.divide(x, y)),
    ast.Mod: lambda x, y: x - y * np.floor(np.divide(x, y)),
    ast.Pow: lambda x, y: np.power(np.float64(x), y),
}
_CHOICES = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.And: np.logical_and,
    ast.Or: np.logical_or,
}
_NUMPY = {"int": lambda x: np.trunc(np.asarray(x, float))}
_HINTS = {
    ast.BitXor: "a power is written **",
    ast.IfExp: "a choice is written int(a > b)*x + int(a <= b)*y",
    ast.BitAnd: "conditions are joined by and",
    ast.BitOr: "conditions are joined by or",
    ast.Invert: "a condition is turned round by not",
    ast.NamedExpr: "an assignment has a line of its own",
}


# Names --------------------------------------------------------------------------------------


def _words(text):
    return frozenset(text.split())


#: Words of Python and C++; equations become code in both.
KEYWORDS = {
    *keyword.kwlist,
    *_words("""alignas alignof and_eq asm auto bitand bitor bool case catch char char8_t char16_t char32_t
    compl concept const consteval constexpr constinit const_cast co_await co_return co_yield
    decltype default delete do double dynamic_cast enum explicit export extern false float friend
    goto inline int long mutable namespace new noexcept not_eq nullptr operator or_eq private
    protected public register reinterpret_cast requires short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true typedef typeid typename union
    unsigned using virtual void volatile wchar_t xor xor_eq"""),
}


def check_name(where, name, kind="a variable, parameter or drive", taken=()):
    """Refuse what cannot be the name of something in equations or code.

    Parameters
    ----------
    where : str
        What has the name, for the message.
    name : str
    kind : str
        What the name is for, for the message.
    taken : collection of str, optional
        Names in use besides those of the language, Python, C++ and Brian2.

    Raises
    ------
    InputError
        Naming it and why it cannot be.
    """
    reason = None
    if not isinstance(name, str) or not _NAME.match(name):
        reason = "a letter, then letters, digits and underscores are needed"
    elif name.endswith("_") or "__" in name:
        reason = "no underscore at the end and no two in a row"
    else:
        for whose, words in (
            ("a function", FUNCTIONS),
            ("a random number of tasks", DRAWS),
            ("a constant", CONSTANTS),
            ("a word of Python or C++", KEYWORDS),
            ("a name of the headers of C", HEADERS),
            ("a name of Brian2", BRIAN2),
            ("a name that the network uses itself", taken),
        ):
            if name in words:
                reason = f"it is {whose}"
        if name.startswith("static"):
            reason = "C++ has words that start so"
        if UNITS.match(name):
            reason = "it is a unit"
    if reason:
        raise InputError(f"{where}: {name!r} is no name for {kind}; {reason}")


def check_names(where, **kinds):
    """Refuse collections of names that are none, or name something twice.

    Parameters
    ----------
    where : str
        What has the names, for the message.
    **kinds : collection of str
        What the names are for to the names.

    Raises
    ------
    InputError
        Naming what is wrong.
    """
    found = {}
    for kind, names in kinds.items():
        if isinstance(names, str):
            raise InputError(
                f"{where}: {kind} is {names!r}; several names are needed, ({names!r},)"
            )
        try:
            names = list(names)
        except TypeError:
            raise InputError(f"{where}: {kind} is {names!r}; names are needed") from None
        for name in names:
            if not isinstance(name, str) or not name.strip() or not name.isprintable():
                raise InputError(
                    f"{where}: {name!r} in {kind} is no name; a line of text is needed"
                )
            if name in found:
                also = "twice" if found[name] == kind else f"in {found[name]} too"
                raise InputError(
                    f"{where}: {name!r} in {kind} is there {also}; give each name once"
                )
            found[name] = kind


#: Names of Brian2: its functions, constants and special variables.
BRIAN2 = _words("""
    arange exprel poisson rand randn timestep e xi i j N t dt t_in_timesteps lastspike
    not_refractory N_pre N_post N_incoming N_outgoing source start stop name pre post where
    counter_uniform
""")
#: Names of units, which Brian2 reads as such.
UNITS = re.compile(
    r"([yzafpnumcdhkMGTPEZY]|da)?(metre|meter|kilogramme|kilogram|gramme|gram|second|amp|ampere|kelvin|mole|mol|"
    r"candle|radian|steradian|hertz|newton|pascal|joule|watt|coulomb|volt|farad|ohm|siemens|weber|tesla|"
    r"henry|lumen|lux|becquerel|gray|sievert|katal|liter|litre|molar)[234]?\Z|"
    r"([mnpuf]?[AVS]|[munp]F|M?ohm|[kMG]?Hz|[mun]s|[munk]?M|[mcu]m[23]?|celsius)\Z"
)
#: Names of the C and C++ headers of compiled programs: macros, and functions that their code calls.
HEADERS = _words("""
    EOF NULL NAN INFINITY HUGE_VAL HUGE_VALF HUGE_VALL M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_PI_2
    M_PI_4 M_1_PI M_2_PI M_2_SQRTPI M_SQRT2 M_SQRT1_2 FP_NAN FP_INFINITE FP_ZERO FP_SUBNORMAL FP_NORMAL
    FP_ILOGB0 FP_ILOGBNAN FP_INT_UPWARD FP_INT_DOWNWARD MATH_ERRNO MATH_ERREXCEPT math_errhandling
    MAXFLOAT OVERFLOW UNDERFLOW DOMAIN SING PLOSS TLOSS RAND_MAX EXIT_SUCCESS EXIT_FAILURE MB_CUR_MAX
    BUFSIZ FILENAME_MAX FOPEN_MAX L_tmpnam L_ctermid TMP_MAX P_tmpdir SEEK_SET SEEK_CUR SEEK_END
    SEEK_DATA SEEK_HOLE stdin stdout stderr errno assert CLOCKS_PER_SEC TIME_UTC PTRDIFF_MIN PTRDIFF_MAX
    SIZE_MAX SSIZE_MAX WCHAR_MIN WCHAR_MAX WINT_MIN WINT_MAX CHAR_BIT CHAR_MIN CHAR_MAX SCHAR_MIN
    SCHAR_MAX UCHAR_MAX SHRT_MIN SHRT_MAX USHRT_MAX INT_MIN INT_MAX UINT_MAX LONG_MIN LONG_MAX
    ULONG_MAX LLONG_MIN LLONG_MAX ULLONG_MAX linux unix main std brian bgrl offsetof alloca
    int_ pow fabs asin acos atan isnan isinf
""")


# Expressions --------------------------------------------------------------------------------


def parse(where, text):
    """The tree of an expression, refused where it is none of this language.

    Parameters
    ----------
    where : str
        What the expression belongs to, for messages.
    text : str

    Returns
    -------
    ast.expr

    Raises
    ------
    InputError
        In one line, with the expression.
    """
    if not isinstance(text, str):
        raise InputError(f"{where}: {text!r} is no expression; text is needed")
    line = " ".join(_lines(text))
    return _tree(where, line, line)


def check_expression(where, text, known=None, functions=None, tables=None, draws=None):
    """Refuse an expression that means nothing.

    Parameters
    ----------
    where : str
        What the expression belongs to, for messages.
    text : str
    known : collection of str, optional
        Names that it may use; without it all, and all functions.
    functions : dict of str to int, optional
        The user's own functions and their numbers of arguments.
    tables : dict of str to int, optional
        Functions of time, ``table(t, column)``, and their numbers of columns.
    draws : dict of (str, int) to str, optional
        Random numbers that are taken, and the lines that took them; those of this expression are
        added. Without it there are none.

    Raises
    ------
    InputError
        In one line, with the expression.
    """
    tree = parse(where, text)
    _Checker(where, " ".join(_lines(text)), known, functions, tables, draws).number(tree)


@functools.lru_cache(maxsize=4096)
def symbols(text, where="expression"):
    """Names of what an expression depends on, without its functions and constants."""
    tree = parse(where, text)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = (n for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in called)
    return frozenset(n.id for n in names) - set(CONSTANTS)


def canonical(text, names=None, floats=True):
    """An expression without what backends differ in; see the module's text.

    Parameters
    ----------
    text : str
    names : dict of str to str, optional
        Symbols to other names for them.
    floats : bool
        Whether whole numbers become floating-point ones and ``%`` is written out. Symbolic work does
        without: it keeps fractions exact, and has no derivative of ``%``.
    """
    tree = _Canonical(names or {}, floats).visit(parse("expression", text))
    return ast.unparse(ast.fix_missing_locations(tree))


def evaluate(text, values, functions=None):
    """Value of an expression that has been checked.

    Parameters
    ----------
    text : str
    values : dict of str to number or array
        Of its symbols.
    functions : dict of str to bgrl.circuit.Function, optional
        The user's own functions.

    Returns
    -------
    float or ndarray
        Arrays are taken element by element.
    """
    return _value(_parsed(text), values, functions or {})


@functools.lru_cache(maxsize=1024)
def _parsed(text):
    return parse("expression", text)


def _value(node, values, functions):
    def parts(*nodes):
        return [_value(part, values, functions) for part in nodes]

    match node:
        case ast.Constant():
            return np.float64(node.value)
        case ast.Name():
            return values[node.id] if node.id in values else CONSTANTS[node.id]
        case ast.UnaryOp():
            (value,) = parts(node.operand)
            if isinstance(node.op, ast.Not):
                return np.logical_not(value)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp():
            return _OPERATORS[type(node.op)](*parts(node.left, node.right))
        case ast.BoolOp():
            return functools.reduce(_CHOICES[type(node.op)], parts(*node.values))
        case ast.Compare():
            return _CHOICES[type(node.ops[0])](*parts(node.left, *node.comparators))
    name, arguments = node.func.id, parts(*node.args)
    if name in functions:
        own = functions[name]
        return evaluate(own.value, dict(zip(own.arguments, arguments, strict=True)))
    return (_NUMPY.get(name) or getattr(np, name))(*arguments)


def assignments(where, code):
    """Parts of each line of code.

    Parameters
    ----------
    where : str
        What the code belongs to, for messages.
    code : str

    Returns
    -------
    list of (str, str, str)
        Name, value (with ``x += y`` written out) and the line itself.

    Raises
    ------
    InputError
        For a line that is no assignment; it is quoted.
    """
    if not isinstance(code, str):
        raise InputError(f"{where} is {code!r}; lines of code are needed")
    found = []
    for line in _lines(code):
        name, value = _assignment(where, line)
        found.append((name, value, line))
    return found


def single_assignments(code, names):
    """Code in which no name is set twice, so that no value changes under another name.

    Parameters
    ----------
    code : str
    names : dict of str to str
        Name to the name of its last value; those of the lines are added.

    Yields
    ------
    (str, str, str, str)
        Name, the names of the old and the new value, and the new value in `canonical` form.
    """
    for name, value, _ in assignments("code", code):
        value = canonical(value, names)
        old = names.get(name, name)
        number = int(old.rpartition("__")[2]) + 1 if name in names else 1
        names[name] = f"{name}__{number}"
        yield name, old, names[name], value


def _lines(text):
    """Lines without comments and margins, those with nothing left out."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _tree(where, text, line):
    try:
        if not text.isascii():
            raise SyntaxError("letters, digits and signs of ASCII are valid")
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or str(error) or "nested too deeply"
        reason = reason.split("\n")[0]
        raise InputError(f"{where}: {line!r} cannot be read ({reason})") from None


def _assignment(where, line):
    """Name and value of a line."""
    try:
        if not line.isascii():
            raise SyntaxError("letters, digits and signs of ASCII are valid")
        body = ast.parse(line).body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = getattr(error, "msg", None) or str(error) or "nested too deeply"
        reason = reason.split("\n")[0]
        raise InputError(f"{where} line {line!r} cannot be read ({reason})") from None
    statement = body[0] if len(body) == 1 else None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], line.partition("=")[2].strip()
    elif isinstance(statement, ast.AugAssign) and type(statement.op) in _OPERATORS:
        target = statement.target
        left, _, right = line.partition("=")
        value = f"{left.strip()} ({right.strip()})"
    else:
        target = value = None
    if not isinstance(target, ast.Name):
        raise InputError(f"{where} line is no assignment: {line!r}; write one 'x = ...' a line")
    return target.id, value


class _Checker:
    """Walks a tree and raises `InputError`; the value of what is constant is returned."""

    def __init__(self, where, line, known, functions, tables, draws):
        self.where, self.line = where, line
        self.known, self.functions = known, functions or {}
        self.tables, self.draws = tables or {}, draws

    def refuse(self, reason):
        raise InputError(f"{self.where}: {reason}, in {self.line!r}")

    def number(self, node, depth=0):
        """Check that a node is a number; what it is, or None where that is not known."""
        if depth > _DEEPEST:
            raise InputError(
                f"{self.where}: more than {_DEEPEST} operations deep; use several lines"
            )
        kind = type(node)
        if kind is ast.Constant:
            return self.literal(node.value)
        if kind is ast.Name:
            return self.name(node.id)
        if kind is ast.UnaryOp and isinstance(node.op, ast.USub | ast.UAdd):
            value = self.number(node.operand, depth + 1)
            return -value if value is not None and isinstance(node.op, ast.USub) else value
        if kind is ast.BinOp and type(node.op) in _OPERATORS:
            return self.operation(node, depth)
        if kind is ast.Call:
            return self.call(node, depth)
        if kind in (ast.Compare, ast.BoolOp) or (
            kind is ast.UnaryOp and isinstance(node.op, ast.Not)
        ):
            self.condition(node, depth)
            self.refuse(f"a comparison is no number; write int({ast.unparse(node)})")
        self.unknown(node)

    def unknown(self, node):
        operator = getattr(node, "op", None)
        hint = (
            _HINTS.get(type(node))
            or _HINTS.get(type(operator))
            or "nothing but arithmetic is valid"
        )
        self.refuse(f"{ast.unparse(node)!r} is not possible here: {hint}")

    def literal(self, value):
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(f"{value!r} is no number that is possible here")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse("a number is too large")
        return number

    def name(self, name):
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name in FUNCTIONS or name in self.functions:
            self.refuse(f"{name} is a function and needs its argument, {name}(...)")
        if name in DRAWS or name in self.tables:
            arguments = "0" if name in DRAWS else "t, 0"
            self.refuse(f"{name} is a function and needs its argument, {name}({arguments})")
        if self.known is None or name in self.known:
            return None
        known = ", ".join(sorted(self.known)) or "none"
        # As in 20*ms, which is written so in Brian2.
        unit = "; what has a unit is a parameter here, tau : second" if UNITS.match(name) else ""
        raise InputError(
            f"{self.where}: unknown symbol {name}; known: {known}{unit}; in {self.line!r}"
        )

    def operation(self, node, depth):
        left, right = (self.number(side, depth + 1) for side in (node.left, node.right))
        if isinstance(node.op, ast.Div | ast.FloorDiv | ast.Mod) and right == 0:
            self.refuse(f"division by zero, {ast.unparse(node)!r}")
        if left is None or right is None:
            return None
        return self.constant(node, _OPERATORS[type(node.op)], left, right)

    def constant(self, node, function, *values):
        with np.errstate(all="ignore"):
            value = float(function(*values))
        if not math.isfinite(value):
            self.refuse(f"{ast.unparse(node)!r} is no finite number")
        return value

    def condition(self, node, depth):
        """Check that a node is a condition."""
        if depth > _DEEPEST:
            raise InputError(
                f"{self.where}: more than {_DEEPEST} operations deep; use several lines"
            )
        if isinstance(node, ast.BoolOp):
            for value in node.values:
                self.condition(value, depth + 1)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.condition(node.operand, depth + 1)
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if not all(type(op) in _CHOICES for op in node.ops):
                self.refuse(
                    f"{ast.unparse(node)!r} is not possible here: valid are < <= > >= == !="
                )
            if len(node.ops) > 1:
                a, b, c = (ast.unparse(side) for side in sides[:3])
                first, second = (
                    ast.unparse(ast.Compare(ast.Name("_"), [op], [ast.Name("_")])).strip("_ ")
                    for op in node.ops[:2]
                )
                self.refuse(f"a chain of comparisons; write {a} {first} {b} and {b} {second} {c}")
            for side in sides:
                self.number(side, depth + 1)
        else:
            self.number(node, depth)
            self.refuse(
                f"{ast.unparse(node)!r} is no condition; compare it, {ast.unparse(node)} > 0"
            )

    def call(self, node, depth):
        if not isinstance(node.func, ast.Name):
            self.unknown(node)
        name, arguments = node.func.id, node.args
        if node.keywords or any(isinstance(a, ast.Starred) for a in arguments):
            self.refuse(f"{ast.unparse(node)!r} is not possible here: arguments go by their order")
        if name in DRAWS and self.draws is not None:
            return self.draw(node, name, arguments)
        if name in self.tables:
            return self.table(node, name, arguments)
        needed = {**FUNCTIONS, **self.functions}.get(name)
        if needed is None:
            self.unknown_function(name)
        elif len(arguments) != needed:
            self.refuse(
                f"{name} takes {needed} argument(s), {ast.unparse(node)!r} has {len(arguments)}"
            )
        if name == "int" and _is_condition(arguments[0]):
            return self.condition(arguments[0], depth + 1)
        values = [self.number(argument, depth + 1) for argument in arguments]
        if name == "clip" and None not in values[1:] and values[1] > values[2]:
            self.refuse(f"the bounds of {ast.unparse(node)!r} are reversed")
        if None in values or name not in FUNCTIONS:
            return None
        return self.constant(node, _NUMPY.get(name) or getattr(np, name), *values)

    def unknown_function(self, name):
        if name in DRAWS:
            self.refuse(f"{name} is for the step and reset of tasks only")
        if self.known is None:
            return
        if name in self.known:
            self.refuse(
                f"{name} is a number and cannot be called; a product is written {name}*(...)"
            )
        known = ", ".join(sorted({*FUNCTIONS, *self.functions, *self.tables}))
        own = (
            f"; write it, and its derivative if it has steps, as functions={{{name!r}: "
            "Function(('x',), 'value', ('derivative',))}"
        )
        own = ", uniform, normal" if self.draws is not None else own
        raise InputError(
            f"{self.where}: unknown function {name}; known: {known}{own}; in {self.line!r}"
        )

    def draw(self, node, name, arguments):
        k = arguments[0].value if _is_index(arguments, 1) else None
        if k is None or k >= MOST_DRAWS:
            self.refuse(
                f"{ast.unparse(node)!r} needs one number from 0 to {MOST_DRAWS - 1}, its own in the task"
            )
        if (name, k) in self.draws:
            self.refuse(f"{name}({k}) is drawn twice; number each draw of step and reset anew")
        self.draws[name, k] = self.line

    def table(self, node, name, arguments):
        columns = self.tables[name]
        first = arguments[0] if arguments else None
        if not (
            isinstance(first, ast.Name)
            and first.id == "t"
            and _is_index(arguments[1:], 1)
            and arguments[1].value < columns
        ):
            self.refuse(
                f"{ast.unparse(node)!r}; write {name}(t, column), column from 0 to {columns - 1}"
            )


def _is_index(arguments, count):
    """Whether arguments are that many whole numbers, written out."""
    return len(arguments) == count and all(
        isinstance(a, ast.Constant) and type(a.value) is int for a in arguments
    )


class _Canonical(ast.NodeTransformer):
    def __init__(self, names, floats):
        self.names, self.floats = names, floats

    def visit_Name(self, node):
        return ast.Name(self.names.get(node.id, node.id), ast.Load())

    def visit_Constant(self, node):
        whole = isinstance(node.value, int)
        return ast.Constant(float(node.value)) if whole and self._as_float(node) else node

    def _as_float(self, node):
        # Larger ones have no place in an integer of C++.
        return self.floats or node.value >= 2**31

    def visit_BinOp(self, node):
        left = self.visit(node.left)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            return ast.BinOp(left, node.op, node.right)
        right = self.visit(node.right)
        rest = isinstance(node.op, ast.Mod) and self.floats
        if not rest and not isinstance(node.op, ast.FloorDiv):
            return ast.BinOp(left, node.op, right)
        below = _called("floor", ast.BinOp(left, ast.Div(), right))
        if isinstance(node.op, ast.FloorDiv):
            return below
        return ast.BinOp(left, ast.Sub(), ast.BinOp(right, ast.Mult(), below))

    def visit_Call(self, node):
        name, arguments = node.func.id, node.args
        if name not in FUNCTIONS:  # a draw or a table: its number stays whole
            whole = [a if isinstance(a, ast.Constant) else self.visit(a) for a in arguments]
            return ast.Call(node.func, whole, [])
        arguments = [self.visit(argument) for argument in arguments]
        if name == "int" and not _is_condition(node.args[0]):
            size = _called("floor", _called("abs", arguments[0]))
            return ast.BinOp(self._float(_called("sign", arguments[0])), ast.Mult(), size)
        call = ast.Call(node.func, arguments, [])
        return self._float(call) if name in ("int", "sign") else call

    def _float(self, call):
        """What C++ has as an integer, as a floating-point number."""
        return ast.BinOp(ast.Constant(1.0), ast.Mult(), call) if self.floats else call


def _called(name, argument):
    return ast.Call(ast.Name(name, ast.Load()), [argument], [])


def _is_condition(node):
    return isinstance(node, ast.Compare | ast.BoolOp) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )
