"""Random pickles that call the names which the reader of tables permits, rightly and wrongly."""

import random
import struct
from collections.abc import Callable

from avlib.io.pickle_tables import ALLOWED, ALLOWED_VALUES

NAMES = sorted({*ALLOWED, *ALLOWED_VALUES})
NUMBERS = (0, 1, 2, 3, 8, 255, 2**31 - 1, -1, -(2**31))
LONG = (2**40, 2**62, 2**63 - 1, -(2**63), 2**200)
TYPES = (
    *("f8", "i8", "b1", "O8", "O", "U1", "U3", "S0", "U0", "V8", "M8", "m8", "c16", "i1", "i4"),
    *("u1", "f4", "S2147483647"),
)
WORDS = (
    *("C", "F", "", "latin1", "zlib", "_unpickle", "large_string", "string", "double", "bool"),
    *("_mgr", "_data", "_mask", "_ndarray", "_dtype", "_pa_array", "axes", "blocks", "0.14.1"),
    *("data", "name", "levels", "codes", "names", "start", "stop", "step", "values", "mgr_locs"),
    *("categories", "ordered", "narration_id", "video_id", "start_sec", "<", "|", "q"),
)
INDEX = "pandas.core.indexes.base._new_Index"
NONE = b"N"


class Programs:
    """Writes pickles; a part in `slip` of what a name needs is replaced by anything."""

    def __init__(self, chance: random.Random, slip: float = 0.05) -> None:
        self.chance, self.slip = chance, slip

    def program(self, first: int) -> bytes:
        """Return a pickle that calls the name of a number, and what it makes in a table."""
        name, depth = NAMES[first % len(NAMES)], self.chance.randrange(1, 4)
        made = self.named(name, depth) if self.chance.random() < 0.5 else self.call(name, depth)
        if self.chance.random() < 0.7:
            made = self.table(made)
        return b"\x80\x04Nq\x000" + made + b"."

    def table(self, values: bytes) -> bytes:
        block = self.of("pandas._libs.internals._unpickle_block", values, self.slice(), number(2))
        names = self.of(INDEX, glob("pandas.Index"), mapping(data=self.objects(1), name=NONE))
        axes = b"(" + (self.index() if self.slipped() else names) + self.index() + b"l"
        home = "pandas.core.internals.managers.BlockManager"
        manager = self.of(home, b"(" + block + b"t", axes)
        return glob("pandas.DataFrame") + b")\x81" + mapping(_mgr=manager) + b"b"

    def named(self, name: tuple[str, str], depth: int) -> bytes:
        """Return a call with what the name needs, where that is known."""
        known: dict[str, Callable[[], bytes]] = {
            "dtype": self.dtype,
            "slice": self.slice,
            "_frombuffer": self.array,
            "_reconstruct": self.objects,
            "scalar": lambda: self.of("numpy._core.multiarray.scalar", self.dtype(), self.raw(8)),
            "_new_Index": self.index,
            "Categorical": self.categorical,
            "__pyx_unpickle_NDArrayBacked": self.categorical,
            "CategoricalDtype": self.categories,
            "StringArray": self.text,
            "_restore_array": self.arrow,
            "chunked_array": lambda: self.of("pyarrow.lib.chunked_array", self.list(self.arrow)),
            "BlockManager": lambda: self.table(self.array()),
            "DataFrame": lambda: self.table(self.any(depth)),
            "_unpickle_block": lambda: self.table(self.masked()),
            "ArrowStringArray": self.arrow_column,
            "ArrowExtensionArray": self.arrow_column,
        }
        masked = dict.fromkeys(("IntegerArray", "FloatingArray", "BooleanArray"), self.masked)
        return (known | masked).get(name[1], lambda: self.call(name, depth))()

    def of(self, name: str, *arguments: bytes) -> bytes:
        """Return a call; now and then one of the arguments is something else."""
        parts = [self.any(1) if self.chance.random() < self.slip else part for part in arguments]
        return glob(name) + b"(" + b"".join(parts) + b"tR"

    def dtype(self, code: str = "") -> bytes:
        made = self.of("numpy.dtype", word(code or self.chance.choice(TYPES)), b"\x89", b"\x88")
        order = word(self.chance.choice("<<<>|="))
        state = number(3) + order + b"NNN" + number(-1) * 2 + number(0)
        return made + (b"(" + state + b"tb" if self.chance.random() < 0.5 else b"")

    def shape(self, *sizes: int) -> bytes:
        if self.chance.random() < self.slip:
            sizes = tuple(self.chance.choice((*NUMBERS, *LONG)) for _ in range(3))
        return b"(" + b"".join(map(number, sizes)) + b"t"

    def raw(self, size: int) -> bytes:
        size = max(0, size + (self.chance.choice((-1, 1, 64)) if self.slipped() else 0))
        return short(self.chance.randbytes(size))

    def slipped(self) -> bool:
        return self.chance.random() < self.slip

    def array(self, code: str = "", size: int = 0, is_row: bool = False) -> bytes:
        code = code or self.chance.choice(("f8", "i8", "i1", "b1", "U1", "i4", "M8"))
        size = size or self.chance.choice((2, 2, 3))
        data = self.raw(size * int(code[1:]))
        if code == "i1":
            data = short(bytes(self.chance.choices((0, 1, 255, 9), k=size)))
        elif code == "U1":
            data = short("".join(self.chance.choices("aü", k=size)).encode("utf-32-le"))
        is_row = is_row or self.chance.random() < 0.5
        shape = self.shape(size) if is_row else self.shape(1, size)
        home = "numpy._core.numeric._frombuffer"
        return self.of(home, data, self.dtype(code), shape, word(self.chance.choice("CF")))

    def objects(self, size: int = 2) -> bytes:
        made = self.of("numpy._core.multiarray._reconstruct", glob("numpy.ndarray"), b")", NONE)
        items = self.list(lambda: self.cell(), size)
        state = number(1) + self.shape(size) + self.dtype("O8") + b"\x89" + items
        return made + b"(" + state + b"tb"

    def cell(self) -> bytes:
        return self.any(1) if self.slipped() else word(self.chance.choice(WORDS))

    def list(self, make: Callable[[], bytes], size: int = 2) -> bytes:
        return b"(" + b"".join(make() for _ in range(size)) + b"l"

    def slice(self) -> bytes:
        ends = (0, 1, 1) if self.chance.random() < 0.9 else self.chance.choices(NUMBERS, k=3)
        return self.of("builtins.slice", *map(number, ends))

    def index(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.2:
            ends = self.chance.choice(((0, 1, 1), (0, 2, 1), (0, 2**62, 1), (5, 0, -1)))
            start, stop, step = map(number, ends)
            state = mapping(name=NONE, start=start, stop=stop, step=step)
        elif kind < 0.3:
            codes = self.list(lambda: self.array("i1"), 1)
            levels = self.list(lambda: self.index(), 1)
            state = mapping(
                levels=levels, codes=codes, names=self.list(lambda: word("video_id"), 1)
            )
        else:
            numbers = self.array(self.chance.choice(("i8", "U1")), is_row=not self.slipped())
            data = self.objects() if kind < 0.7 else numbers
            state = mapping(data=data, name=self.chance.choice((NONE, word("narration_id"))))
        return self.of(INDEX, glob("pandas.Index"), state)

    def categories(self) -> bytes:
        state = mapping(categories=self.index(), ordered=b"\x89")
        return glob("pandas.CategoricalDtype") + b")\x81" + state + b"b"

    def _backed(self, kind: str, dtype: bytes, values: bytes) -> bytes:
        made = self.of(
            "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked", glob(kind), number(1), NONE
        )
        parts = [values, dtype] if self.chance.random() < 0.5 else [dtype, values]
        return made + b"(" + b"".join(parts) + b"}tb"

    def categorical(self) -> bytes:
        codes = self.array(self.chance.choice(("i1", "i1", "i8")))
        return self._backed("pandas.Categorical", self.categories(), codes)

    def text(self) -> bytes:
        dtype = self.of("pandas.StringDtype", word("python"))
        return self._backed("pandas.arrays.StringArray", dtype, self.objects())

    def masked(self) -> bytes:
        size = self.chance.choice((2, 3))
        values = self.array(self.chance.choice(("i8", "f8", "b1")), size, is_row=True)
        state = mapping(_data=values, _mask=self.array("b1", size, is_row=True))
        kind = self.chance.choice(("IntegerArray", "FloatingArray", "BooleanArray"))
        return glob(f"pandas.arrays.{kind}") + b")\x81" + state + b"b"

    def arrow(self) -> bytes:
        kinds = ("large_string", "string", "int64", "double", "bool", "uint8", "date32[day]")
        kind = self.of("pyarrow.lib.type_for_alias", word(self.chance.choice(kinds)))
        places = struct.pack("<3q", *sorted(self.chance.choices((0, 1, 2, 3, 2**40), k=3)))
        contents = (b"\x03", places, b"abc", b"", b"\xff\xfe\xfd")
        buffers = self.list(lambda: self._buffer(self.chance.choice(contents)), 3)
        numbers = [number(self.chance.choice((2, 2, 2, *NUMBERS, *LONG))) for _ in range(3)]
        content = b"(" + kind + b"".join(numbers) + buffers + b"]Nt"
        return self.of("pyarrow.lib._restore_array", content)

    def _buffer(self, content: bytes) -> bytes:
        if self.chance.random() < 0.2:
            return NONE
        return self.of("pyarrow.lib.py_buffer", self.of("builtins.bytearray", short(content)))

    def arrow_column(self) -> bytes:
        return (
            glob("pandas.arrays.ArrowStringArray")
            + b")\x81"
            + mapping(_pa_array=self.arrow())
            + b"b"
        )

    def any(self, depth: int) -> bytes:
        """Return the operations that put a random value on the stack."""
        kind = self.chance.random()
        if depth <= 0 or kind < 0.4:
            simple = (
                number(self.chance.choice((*NUMBERS, *LONG))),
                word(self.chance.choice((*WORDS, *TYPES))),
                short(self.chance.randbytes(8)),
                self.chance.choice((b"N", b"\x88", b"\x89", b")", b"]", b"}", b"h\x00", b"\x8f")),
                b"G" + struct.pack(">d", self.chance.choice((0.0, 1.5, float("nan"), 1e300))),
            )
            return self.chance.choice(simple)
        if kind < 0.55:
            return b"(" + self.any(depth - 1) * 2 + self.chance.choice((b"t", b"l"))
        if kind < 0.65:
            return mapping(**{self.chance.choice(WORDS): self.any(depth - 1)})
        return self.named(self.chance.choice(NAMES), depth - 1)

    def call(self, name: tuple[str, str], depth: int) -> bytes:
        """Return a call of a name with anything, and perhaps any state."""
        arguments = b"".join(self.any(depth - 1) for _ in range(self.chance.randrange(5)))
        made = glob(".".join(name)) + b"(" + arguments + b"t"
        made += self.chance.choice((b"R", b"R", b"R", b"\x81"))
        return made + (self.any(depth - 1) + b"b" if self.chance.random() < 0.5 else b"")


def glob(name: str) -> bytes:
    module, _, rest = name.rpartition(".")
    return f"c{module}\n{rest}\n".encode()


def word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def short(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    digits = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(digits)]) + digits


def mapping(**items: bytes) -> bytes:
    return b"}(" + b"".join(word(name) + item for name, item in items.items()) + b"u"
