"""How numba compiles the loops, and the vectors of a fixed number of lanes that they use.

A compiler that has to find the vectors itself keeps sums in memory where it does not know how long
a loop is. Here vectors are values, and stay in registers for all sizes.

An index counts the elements of a flat array. It is not checked, and must not be negative. `lanes`
is a tuple with one entry for each lane of a vector, so that its type tells the compiler how many
there are. The compiler may fuse a product with the sum that it goes into, and may change floating
point in no other way: NaN and infinity are kept.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core.datamodel.models import PrimitiveModel
from numba.extending import intrinsic, register_model

_FUSED = ("contract",)

# Only compiled functions call it.
part: Callable[[Any], Any] = numba.njit(
    nogil=True,
    error_model="numpy",
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    forceinline=True,
)


def cached(function: Callable[..., None]) -> Callable[..., None]:
    """Compile a function at its first call, or read it from the disk where a process compiled it.

    Numba only looks for changes in the function's file. The digest in the name makes it look for
    changes in all of them.
    """
    function.__qualname__ += f"-{_digest()}"
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", no_cfunc_wrapper=True)(
            function
        )
    except RuntimeError:  # Numba found no folder to write in.
        return numba.njit(nogil=True, error_model="numpy")(function)


@functools.cache
def _digest() -> str:
    """A digest of all sources that are compiled."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


class Vector(types.Type):
    """Numba's type of a vector."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, manager: Any, vector: Vector) -> None:
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


@intrinsic
def get(typing: Any, array: Any, index: Any) -> Any:
    """array[index]"""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, args))

    return array.dtype(array, types.intp), emit


@intrinsic
def put(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] = value"""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[2], _pointer(context, builder, signature, args))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), emit


@intrinsic
def load(typing: Any, array: Any, index: Any, lanes: Any) -> Any:
    """array[index : index + lanes]"""
    vector = Vector(array.dtype, lanes.count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, context.get_value_type(vector))
        return builder.load(pointer, align=array.dtype.bitwidth // 8)

    return vector(array, types.intp, lanes), emit


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """array[index : index + lanes] = vector"""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature, args, args[2].type)
        builder.store(args[2], pointer, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), emit


@intrinsic
def zeros(typing: Any, array: Any, lanes: Any) -> Any:
    """A vector of zeros, of the array's type."""
    vector = Vector(array.dtype, lanes.count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(array, lanes), emit


@intrinsic
def merge(typing: Any, vector: Any, count: Any, rest: Any) -> Any:
    """The first `count` lanes of a vector, and those of `rest` in place of the others."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        small = ir.IntType(32)
        numbers = ir.Constant(ir.VectorType(small, vector.lanes), list(range(vector.lanes)))
        counts = _splat(builder, builder.trunc(args[1], small), vector.lanes)
        keep = builder.icmp_signed("<", numbers, counts)
        return builder.select(keep, args[0], args[2])

    return vector(vector, types.intp, vector), emit


@intrinsic
def splat(typing: Any, number: Any, like: Any) -> Any:
    """A vector of the type of `like` with a number in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], like.lanes)

    return like(like.dtype, like), emit


@intrinsic
def maximum(typing: Any, a: Any, b: Any) -> Any:
    """The larger one in each lane; that of `b` where one is NaN."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return a(a, b), emit


@intrinsic
def subtract(typing: Any, a: Any, b: Any) -> Any:
    """a - b"""
    return a(a, b), lambda context, builder, signature, args: builder.fsub(*args)


@intrinsic
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """a * b"""
    return a(a, b), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def divide(typing: Any, a: Any, b: Any) -> Any:
    """a / b"""
    return a(a, b), lambda context, builder, signature, args: builder.fdiv(*args)


@intrinsic
def sum_of(typing: Any, vector: Any) -> Any:
    """The sum of all lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _fold(builder, args[0], builder.fadd)

    return vector.dtype(vector), emit


@intrinsic
def largest_of(typing: Any, vector: Any) -> Any:
    """The largest lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return _fold(builder, args[0], larger)

    return vector.dtype(vector), emit


@intrinsic
def add(typing: Any, a: Any, b: Any) -> Any:
    """a + b"""
    return a(a, b), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def add_product(typing: Any, total: Any, factor: Any, vector: Any) -> Any:
    """total + factor * vector; `factor` is a vector, or a number for all lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        by = args[1] if isinstance(factor, Vector) else _splat(builder, args[1], vector.lanes)
        return builder.fadd(builder.fmul(by, args[2], flags=_FUSED), args[0], flags=_FUSED)

    return total(total, factor, vector), emit


@intrinsic
def sums_of_four(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """A vector of four lanes: the sums over the lanes of a, of b, of c and of d."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = a.lanes
        choose = _chooser(builder)

        def blocks(x: Any, y: Any, *picks: tuple[int, ...]) -> Any:
            """The sum of two mixtures of x and y, mixed alike in every block of four lanes."""
            mixed = [choose(x, y, [f + p for f in range(0, lanes, 4) for p in q]) for q in picks]
            return builder.fadd(*mixed)

        pairs = (0, lanes, 1, lanes + 1), (2, lanes + 2, 3, lanes + 3)
        halves = (0, 1, lanes, lanes + 1), (2, 3, lanes + 2, lanes + 3)
        total = blocks(blocks(args[0], args[1], *pairs), blocks(args[2], args[3], *pairs), *halves)
        while total.type.count > 4:
            half = total.type.count // 2
            low, high = range(half), range(half, 2 * half)
            total = builder.fadd(choose(total, total, low), choose(total, total, high))
        return total

    return Vector(a.dtype, 4)(a, b, c, d), emit


@intrinsic
def transpose(
    typing: Any, source: Any, at: Any, step: Any, target: Any, to: Any, target_step: Any
) -> Any:
    """target[to + i * target_step + k] = source[at + k * step + i] for i and k from 0 to 3."""
    vector = Vector(source.dtype, 4)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def row_pointers(array: int, index: Any, stride: Any) -> list[Any]:
            data = context.make_array(signature.args[array])(context, builder, args[array]).data
            start = builder.gep(data, [index])
            strides = [builder.mul(stride, ir.Constant(stride.type, row)) for row in range(4)]
            kind = context.get_value_type(vector).as_pointer()
            return [builder.bitcast(builder.gep(start, [stride]), kind) for stride in strides]

        choose, align = _chooser(builder), source.dtype.bitwidth // 8
        a, b, c, d = (builder.load(row, align=align) for row in row_pointers(0, args[1], args[2]))
        low, high = (0, 4, 1, 5), (2, 6, 3, 7)
        ac, bd = (choose(a, c, low), choose(a, c, high)), (choose(b, d, low), choose(b, d, high))
        columns = [choose(x, y, half) for x, y in zip(ac, bd, strict=True) for half in (low, high)]
        for column, row in zip(columns, row_pointers(3, args[4], args[5]), strict=True):
            builder.store(column, row, align=align)
        return context.get_dummy_value()

    return types.void(source, types.intp, types.intp, target, types.intp, types.intp), emit


def _pointer(
    context: Any, builder: Any, signature: Any, args: Any, vector: Any | None = None
) -> Any:
    """A pointer to element args[1] of args[0]; to a vector that starts there, if one is given."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    pointer = builder.gep(array.data, [args[1]])
    return pointer if vector is None else builder.bitcast(pointer, vector.as_pointer())


def _fold(builder: Any, vector: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """Combine the halves of a vector until one number is left."""
    choose = _chooser(builder)
    while vector.type.count > 1:
        half = vector.type.count // 2
        low, high = range(half), range(half, 2 * half)
        vector = combine(choose(vector, vector, low), choose(vector, vector, high))
    return builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))


def _splat(builder: Any, number: Any, lanes: int) -> Any:
    undefined = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return _chooser(builder)(one, undefined, [0] * lanes)


def _chooser(builder: Any) -> Callable[[Any, Any, Sequence[int]], Any]:
    def choose(x: Any, y: Any, picks: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(picks)), list(picks))
        return builder.shuffle_vector(x, y, mask)

    return choose
