"""What is done to the library in one case, by kind. Each case is determined by its seed."""

from __future__ import annotations

import ctypes
import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_float,
    c_int32,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from pathlib import Path
from typing import Any, Final

import abi
import model_files
import numpy as np
from abi import SIZE_MAX, Library, ViolationError

FIXTURES: Final = Path(__file__).resolve().parents[1] / "Fixtures"
MODELS: Final = sorted((FIXTURES / "models").glob("*.gguf"))
IMAGES: Final = sorted(path for path in (FIXTURES / "images").iterdir() if path.suffix in (".jpg", ".png"))
QUESTION: Final = b"What is the highest value in the chart?"
CANARY: Final = 12345.678


def finite(values: Iterable[float], what: str) -> None:
    """Check numbers that the library gave."""
    if not all(math.isfinite(value) for value in values):
        raise ViolationError(f"{what} is not finite although the status is ARMS_OK")


class Session:
    """A router handle with what is asked of it."""

    def __init__(self, library: Library, handle: int) -> None:
        self.library, self.handle = library, handle
        self.info = abi.sized(abi.RouterInfo)

    @staticmethod
    def open(library: Library, path: Path, threads: int = 1, flags: int = 0) -> Session | None:
        """Open a model file; None if the library refuses it."""
        options = abi.sized(abi.OpenOptions)
        options.threads, options.flags = threads, flags
        handle = c_void_p()
        if library.call("router_open", str(path).encode(), byref(options), byref(handle)):
            if not handle.value:
                raise ViolationError("router_open succeeded without a handle")
            return Session(library, handle.value)
        if handle.value is not None:
            raise ViolationError("router_open failed and wrote a handle")
        return None

    def free(self) -> None:
        """Free the router."""
        self.library.free("router", self.handle)

    def names(self) -> list[bytes]:
        """List the candidates."""
        count = c_size_t()
        if not self.library.call("candidates_list", self.handle, None, 0, byref(count), None):
            raise ViolationError("candidates_list fails for an open router")
        array = (abi.CandidateInfo * max(1, count.value))()
        array[0].struct_size = ctypes.sizeof(abi.CandidateInfo)
        self.library.call("candidates_list", self.handle, array, len(array), byref(count), None)
        for one in array[: count.value]:
            finite([one.cost, one.latency, one.temperature, one.bias, one.beta], "a candidate's number")
        return [one.name for one in array[: count.value]]

    def prepared(self) -> abi.ImageInput:
        """Return an image of the size that the encoder reads."""
        side = self.info.image_size
        image: abi.ImageInput = abi.sized(abi.ImageInput)
        pixels = np.linspace(-1, 1, 3 * side * side, dtype=np.float32)
        image.format, image.size = 5, pixels.nbytes
        image.data = pixels.ctypes.data
        image.keep = pixels
        return image

    def query(self, text: bytes = QUESTION, images: Iterable[abi.ImageInput] = ()) -> abi.Query:
        """Return a query of text and images."""
        query: abi.Query = abi.sized(abi.Query)
        images = list(images)
        query.text, query.text_length = text, len(text)
        query.image_count = len(images)
        if images:
            query.images = (abi.ImageInput * len(images))(*images)
        query.keep = images
        return query

    def route(self, query: abi.Query, options: abi.RouteOptions | None = None) -> bool:
        """Route, and check what comes back."""
        decision = abi.sized(abi.Decision)
        ranked = (abi.Ranked * 8)()
        ranked[0].struct_size = ctypes.sizeof(abi.Ranked)
        decision.confidence = CANARY
        arguments = (
            byref(query),
            None if options is None else byref(options),
            byref(decision),
            ranked,
            len(ranked),
        )
        if not self.library.call("route", self.handle, *arguments):
            if decision.confidence != c_float(CANARY).value or ranked[0].name:
                raise ViolationError("route failed and wrote")
            return False
        finite([decision.confidence, decision.utility, *decision.gate, *decision.second_gate], "a decision")
        if not 0 <= decision.confidence <= 1 or (
            abs(sum(decision.gate) - 1) > 1e-3 and sum(decision.gate) != 0
        ):
            raise ViolationError(f"confidence {decision.confidence}, gate {list(decision.gate)}")
        for entry in ranked[: min(decision.ranked_count, len(ranked))]:
            finite([entry.confidence, entry.logit, entry.utility], "the ranked list")
        return True

    def score(self, queries: list[abi.Query]) -> bool:
        """Score, and check what comes back and that a failure wrote nothing."""
        scores = np.full(16 * len(queries), CANARY, dtype=np.float32)
        columns = c_size_t(77)
        array = (abi.Query * len(queries))(*queries)
        target = scores.ctypes.data_as(POINTER(c_float))
        done = self.library.call(
            "score", self.handle, array, len(queries), None, target, scores.size, byref(columns), None
        )
        if not done:
            if not (scores == np.float32(CANARY)).all() or columns.value != 77:
                raise ViolationError("score failed and wrote")
            return False
        finite(scores[: columns.value * len(queries)], "a score")
        return True

    def tokenize(self, text: bytes) -> bool:
        """Tokenise, and check the ids."""
        tokens = (c_int32 * max(1, self.info.max_question_tokens))()
        count, total = c_size_t(), c_size_t()
        if not self.library.call(
            "text_tokenize", self.handle, text, len(text), tokens, len(tokens), byref(count), byref(total)
        ):
            return False
        if not 2 <= count.value <= len(tokens) or total.value < count.value or min(tokens[: count.value]) < 0:
            raise ViolationError(f"text_tokenize wrote {count.value} of {total.value} tokens")
        return True

    def encode(self, kind: str, *arguments: Any) -> int | None:
        """Encode a question or an image, check its embedding, and return the handle."""
        handle = c_void_p()
        if not self.library.call(f"{kind}_encode", self.handle, *arguments, byref(handle)):
            return None
        values = (c_float * (self.info.text_width if kind == "question" else self.info.image_width))()
        count = c_size_t()
        if not self.library.call(f"{kind}_embedding", handle, values, len(values), byref(count)):
            raise ViolationError(f"{kind}_embedding fails")
        finite(values, f"{kind}_embedding")
        return handle.value

    def prepare(self, image: abi.ImageInput) -> bool:
        """Prepare an image, and check the pixels and that a failure wrote none."""
        pixels = np.full(3 * self.info.image_size**2 + 16, CANARY, dtype=np.float32)
        count = c_size_t()
        target = pixels.ctypes.data_as(POINTER(c_float))
        done = self.library.call(
            "image_prepare", self.handle, byref(image), target, pixels.size - 16, byref(count)
        )
        if not (pixels[-16 if done else 0 :] == np.float32(CANARY)).all():
            raise ViolationError(f"image_prepare wrote {'too much' if done else 'and failed'}")
        finite(pixels, "a pixel")
        return bool(done)

    def exercise(self, scratch: Path) -> None:
        """Ask for everything once."""
        if not self.library.call("router_describe", self.handle, byref(self.info)):
            raise ViolationError("router_describe fails for an open router")
        self.library.call("router_memory", self.handle, byref(abi.sized(abi.Memory)))
        before = self.names()
        candidate = abi.sized(abi.Candidate)
        candidate.name, candidate.parameters = b"new", b"7B"
        added = self.library.call("candidates_add", self.handle, byref(candidate), 1)
        for name in before[:2]:
            values = (c_float * self.info.text_width)()
            self.library.call(
                "candidate_embedding", self.handle, name, values, len(values), byref(c_size_t())
            )
            finite(values, "a candidate's embedding")
            buffer = ctypes.create_string_buffer(1 << 10)
            self.library.call("candidate_profile", self.handle, name, buffer, len(buffer), byref(c_size_t()))
        self.tokenize(QUESTION)
        with_image = self.query(images=[self.prepared()] * min(2, self.info.max_images))
        self.route(self.query())
        self.route(with_image)
        self.route(self.query(QUESTION * 40))
        cascade = abi.sized(abi.RouteOptions)
        cascade.policy = 1
        self.route(with_image, cascade)
        self.score([self.query(), with_image, self.query(b"")])
        prepared = self.prepared()
        for kind, arguments in (("question", (QUESTION, len(QUESTION))), ("image", (byref(prepared),))):
            self.library.free(kind, self.encode(kind, *arguments))
        saved = scratch / "saved.gguf"
        if self.library.call("router_save", self.handle, str(saved).encode()):
            again = Session.open(self.library, saved)
            if again is None:
                raise ViolationError("a saved router does not open again")
            if again.names() != self.names() or len(self.names()) != len(before) + bool(added):
                raise ViolationError("a saved router has other candidates")
            again.free()


class Cases:
    """The kinds of cases, each a method of a seed's generator and of what is told what it does."""

    def __init__(self, library: Library, scratch: Path) -> None:
        self.library, self.scratch = library, scratch
        self.sessions: dict[Path, Session] = {}

    def session(self, path: Path) -> Session:
        """Return an open router of a sound fixture."""
        if path not in self.sessions:
            self.sessions[path] = self.fresh(path)
        return self.sessions[path]

    def fresh(self, path: Path) -> Session:
        """Open a sound fixture, and let it have a candidate."""
        session = Session.open(self.library, path)
        if session is None:
            raise ViolationError(f"{path.name} does not open")
        self.library.call("router_describe", session.handle, byref(session.info))
        if not session.names():
            candidate = abi.sized(abi.Candidate)
            candidate.name = b"only"
            self.library.call("candidates_add", session.handle, byref(candidate), 1)
        return session

    def models(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Open and use a damaged model file."""
        fixture = generator.choice(MODELS)
        damage = generator.choice(
            [model_files.damage_bytes, model_files.damage_meaning, model_files.damage_meaning]
        )
        what, raw = damage(fixture.read_bytes(), generator)
        say(f"{fixture.stem}: {what}")
        path = self.scratch / "damaged.gguf"
        path.write_bytes(raw)
        flags = generator.choice([0, 1])
        if session := Session.open(self.library, path, generator.choice([1, 1, 2]), flags):
            session.exercise(self.scratch)
            session.free()

    def images(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Prepare and route with a damaged image file, or raw pixels of an odd shape."""
        session = self.session(generator.choice(MODELS))
        image = abi.sized(abi.ImageInput)
        image.flags = generator.choice([0, 1])
        if generator.random() < 0.6:
            data, what = damaged_image(generator)
        else:
            image.format = generator.choice([2, 3, 4, generator.randrange(2**32)])
            data, what = raw_image(image, generator)
        say(f"{what}, format {image.format}, flags {image.flags}")
        buffer = np.frombuffer(data + b"\0", dtype=np.uint8)
        image.data, image.size = buffer.ctypes.data, len(data)
        prepared = session.prepare(image)
        if prepared != session.route(session.query(images=[image])):
            raise ViolationError("image_prepare and route disagree on whether the image is one")
        if encoded := session.encode("image", byref(image)):
            self.library.free("image", encoded)

    def texts(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Tokenise and route a random text."""
        session = self.session(generator.choice(MODELS))
        what, text = random_text(generator)
        say(f"{what}, {len(text)} bytes: {text[:40]!r}")
        valid = True
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            valid = False
        results = [session.tokenize(text), session.route(session.query(text))]
        handle = session.encode("question", text, len(text))
        results.append(handle is not None)
        self.library.free("question", handle)
        if results != [valid] * 3:
            raise ViolationError(f"UTF-8: {valid}, but tokenize, route, encode succeeded: {results}")
        candidate = abi.sized(abi.Candidate)
        candidate.name = text[:120]
        candidate.profile = text
        if self.library.call("candidates_add", session.handle, byref(candidate), 1):
            names = (c_char_p * 1)(candidate.name)
            if not self.library.call("candidates_remove", session.handle, names, 1):
                raise ViolationError("a candidate that was added cannot be removed")

    def arguments(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Call some exports with arguments of which any may be wrong."""
        pool = ArgumentPool(self.library, self.fresh(generator.choice(MODELS)), generator, self.scratch)
        try:
            for _ in range(8):
                name = generator.choice(list(abi.SIGNATURES))
                arguments = [pool.argument(name, place) for place in range(len(abi.SIGNATURES[name]))]
                arguments = pool.consistent(arguments, abi.SIGNATURES[name])
                say(f"{name}{arguments}"[:300])
                self.library.call(
                    name.removeprefix("arms_"), *arguments, wants_error=generator.random() < 0.9
                )
            pool.session.exercise(self.scratch)
        finally:
            pool.free()
            pool.session.free()

    def races(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Open, use and free routers from eight threads at once."""
        fixtures = generator.sample(MODELS, 2)
        say(" and ".join(path.stem for path in fixtures))
        handles: list[Session | None] = [None] * 4
        failures: list[str] = []
        end = time.monotonic() + 2.5

        def work(seed: int) -> None:
            own = random.Random(seed)
            while time.monotonic() < end and not failures:
                try:
                    self.race(own, handles, fixtures)
                except (ViolationError, OSError, ctypes.ArgumentError) as failure:
                    failures.append(f"{type(failure).__name__}: {failure}")

        threads = [threading.Thread(target=work, args=(generator.randrange(2**32),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for session in handles:
            if session:
                session.free()
        if failures:
            raise ViolationError(failures[0])

    def race(self, generator: random.Random, handles: list[Session | None], fixtures: list[Path]) -> None:
        """Do one thing to a handle that others use too; only a freed handle may be refused."""
        place = generator.randrange(len(handles))
        session = handles[place]
        if session is None or generator.random() < 0.1:
            fresh = Session.open(self.library, generator.choice(fixtures), generator.choice([1, 2, 3]))
            if fresh is None:
                raise ViolationError("a sound model file does not open")
            self.library.call("router_describe", fresh.handle, byref(fresh.info))
            handles[place] = fresh
            if session:
                session.free()
                session.free()
            return
        candidate = abi.sized(abi.Candidate)
        candidate.name = candidate.profile = b"racer %d" % generator.randrange(10)
        match generator.randrange(5):
            case 0:
                self.library.call("candidates_add", session.handle, byref(candidate), 1)
            case 1:
                self.library.call("candidates_remove", session.handle, (c_char_p * 1)(candidate.name), 1)
            case 2:
                session.score([session.query()] * 3)
            case 3:
                self.library.free("image", session.encode("image", byref(session.prepared())))
            case _:
                session.route(session.query(images=[session.prepared()]))

    def leaks(self, generator: random.Random, say: Callable[[str], None]) -> None:
        """Open, encode, fail and free, again and again: memory and descriptors stay flat."""
        fixture = generator.choice(MODELS)
        say(fixture.stem)
        damaged = self.scratch / "cut.gguf"
        damaged.write_bytes(fixture.read_bytes()[:-100_000])

        def turns(count: int) -> None:
            for turn in range(count):
                session = Session.open(self.library, fixture, generator.choice([1, 2]), turn % 2)
                if session is None or Session.open(self.library, damaged):
                    raise ViolationError("the wrong file opens")
                self.library.call("router_describe", session.handle, byref(session.info))
                self.library.free("question", session.encode("question", QUESTION, len(QUESTION)))
                self.library.free("image", session.encode("image", byref(session.prepared())))
                session.route(session.query(b"\xff"))
                session.free()

        turns(400)
        before = resident(), descriptors()
        turns(1_600)
        after = resident(), descriptors()
        if after[0] > before[0] + (6 << 20) or after[1] != before[1]:
            raise ViolationError(f"memory and descriptors grew from {before} to {after} in 1,600 turns")


def resident() -> int:
    """Return the bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def descriptors() -> int:
    """Return how many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def damaged_image(generator: random.Random) -> tuple[bytes, str]:
    """Return the bytes of an image file with some damage."""
    path = generator.choice(IMAGES)
    data = bytearray(path.read_bytes())
    what = generator.choice(["flip", "flip", "front", "truncate", "cut", "repeat", "length", "none"])
    place = generator.randrange(len(data))
    match what:
        case "flip":
            for _ in range(generator.choice([1, 4, 32])):
                data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        case "front":
            for _ in range(generator.choice([1, 4])):
                data[generator.randrange(2, min(len(data), 700))] = generator.randrange(256)
        case "truncate":
            del data[place:]
        case "cut":
            del data[place : place + generator.choice([1, 2, 100])]
        case "repeat":
            data[place:place] = data[place : place + generator.choice([1, 2, 100])]
        case "length":
            data[place : place + 2] = generator.choice(
                [b"\0\0", b"\xff\xff", b"\xff\xda", b"\xff\xc4", b"\xff\xdd"]
            )
    return bytes(data), f"{path.name} {what}"


def raw_image(image: abi.ImageInput, generator: random.Random) -> tuple[bytes, str]:
    """Give `image` the sizes of raw pixels, right or wrong, and return the pixels."""
    sides = [0, 1, 2, 3, 5, 31, 32, 33, 100, 641]
    width, height = generator.choice(sides), generator.choice(sides)
    row = width * {2: 3, 3: 4}.get(image.format, 1)
    stride = generator.choice([0, 0, row, row + 1, row + 13, max(0, row - 1), 2**31, 2**62, SIZE_MAX])
    data = generator.randbytes(1 << 10) * 2_000
    needed = min(len(data), (height - 1) * (stride or row) + row if height else 0)
    data = data[: max(0, needed + generator.choice([0, 0, 0, -1, 1, 7]))]
    if generator.random() < 0.1:
        width, height = (
            generator.choice(model_files.EXTREMES) % 2**32,
            generator.choice(model_files.EXTREMES) % 2**32,
        )
    image.width, image.height, image.stride = width, height, stride
    return data, f"{width} x {height} raw, stride {stride}, {len(data)} bytes"


def random_text(generator: random.Random) -> tuple[str, bytes]:
    """Return a kind of text and one of it."""
    ranges = [(0, 0x20), (0x20, 0x7F), (0x80, 0x250), (0x300, 0x370), (0x600, 0x700), (0xAC00, 0xD7A4), (0x4E00, 0x9FFF),
              (0x2000, 0x2070), (0xE000, 0xF8FF), (0xFFF0, 0x10000), (0x1F300, 0x1FAFF), (0x20000, 0x2FA1F),
              (0xE0000, 0xE01F0), (0x10FF00, 0x110000), (0, 0xD800), (0xE000, 0x110000)]  # fmt: skip

    def scalars(count: int) -> str:
        first, last = generator.choice(ranges)
        return "".join(chr(generator.randrange(first, last)) for _ in range(count)).replace("\0", "\1")

    what = generator.choice(
        ["unicode", "unicode", "mixed", "long", "marks", "invalid", "bytes", "nul", "empty"]
    )
    match what:
        case "unicode":
            return what, scalars(generator.randrange(200)).encode()
        case "mixed":
            return what, "".join(scalars(generator.randrange(9)) for _ in range(30)).encode()
        case "long":
            return what, (scalars(64).encode() * 20_000)[: 1 << 20].decode(errors="ignore").encode()
        case "marks":
            return what, ("e" + "\u0301\u0327\u05b0" * generator.randrange(1, 3_000)).encode()
        case "invalid":
            text = bytearray(scalars(30).encode() + b" end")
            text[generator.randrange(len(text)) :] = generator.choice(
                [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x98"]
            )
            return what, bytes(text)
        case "bytes":
            return what, generator.randbytes(generator.randrange(1, 300)).replace(b"\0", b"\1")
        case "nul":
            return what, b"a\0b [SEP] \0"
    return what, b""


class ArgumentPool:
    """Arguments of every type, right and wrong. A pointer that is not NULL has behind it what its size says."""

    def __init__(self, library: Library, session: Session, generator: random.Random, scratch: Path) -> None:
        self.library, self.session, self.generator, self.scratch = library, session, generator, scratch
        question = session.encode("question", QUESTION, len(QUESTION))
        image = session.encode("image", byref(session.prepared()))
        stale = session.encode("question", b"", 0)
        self.library.free("question", stale)
        self.handles = [question, image, stale]
        self.mine: list[tuple[str, int | None]] = [("question", question), ("image", image)]
        self.keep: list[Any] = []

    def free(self) -> None:
        """Free what was made."""
        for kind, handle in self.mine:
            self.library.free(kind, handle)
        for target in [one for one in self.keep if isinstance(one, c_void_p)]:
            for kind in ("router", "question", "image"):
                self.library.free(kind, target.value)

    def handle(self) -> int | None:
        """Return a handle: mostly the right router."""
        pick = self.generator.random()
        if pick < 0.6:
            return self.session.handle
        marked = 0xA5 << 56 | self.generator.randrange(5) << 48 | self.generator.randrange(2**48)
        near = self.session.handle ^ 1 << self.generator.randrange(64)
        return self.generator.choice(
            [None, *self.handles, self.generator.randrange(2**64), marked, near, 1, 4_096]
        )

    def text(self) -> bytes | None:
        """Return a C string or NULL."""
        names = [b"small", b"large", b"reader", b"nobody", b"", b"\xff", b"n" * 200, b"a\nb", QUESTION, None]
        return self.generator.choice(names)

    def number(self) -> float:
        """Return a float of an option."""
        return self.generator.choice([0, 0, 0, 0.5, 1, *model_files.FLOATS])

    def struct_size(self, structure: Any) -> int:
        """Return a struct_size: mostly the right one, never one that claims more memory than there is."""
        size = ctypes.sizeof(structure)
        wrong = [0, 1, 4, size - 1, size - 8, 65_537, 2**31, 2**32 - 1]
        return size if self.generator.random() < 0.85 else self.generator.choice(wrong)

    def names(self) -> tuple[Any, int]:
        """Return an array of names and its count."""
        count = self.generator.randrange(4)
        if self.generator.random() < 0.2:
            return None, self.generator.choice([0, 1, 2**31, 2**62, 2**63, SIZE_MAX])
        array = (c_char_p * max(1, count))(*[self.text() for _ in range(count)])
        self.keep.append(array)
        return array, count

    def filled(self, structure: Any) -> Any:
        """Return a struct with right and wrong fields."""
        generator, value = self.generator, structure()
        value.struct_size = self.struct_size(structure)
        for name, kind in structure._fields_[1:]:
            if kind in (ctypes.c_uint32, c_int32, c_uint64) and generator.random() < 0.2:
                setattr(value, name, generator.choice([1, 2, 3, 7, generator.randrange(2**31)]))
            elif kind in (c_float, ctypes.c_double):
                setattr(value, name, self.number())
            elif kind is c_char_p and generator.random() < 0.5:
                setattr(value, name, self.text())
        completions: dict[Any, Callable[[Any], Any]] = {
            abi.Query: self.query,
            abi.ImageInput: self.image,
            abi.RouteOptions: self.options,
            abi.ScoreOptions: self.options,
            abi.Candidate: self.candidate,
        }
        complete = completions.get(structure)
        return complete(value) if complete else value

    def query(self, value: abi.Query) -> abi.Query:
        """Make the pointers of a query agree with its counts."""
        generator = self.generator
        value.text = generator.choice([QUESTION, QUESTION, b"\xff", None])
        value.text_length = generator.choice([SIZE_MAX, len(value.text or b""), 0, 2**63])
        if generator.random() < 0.2:
            value.tokens = (c_int32 * 3)(2, generator.choice([7, -1, 2**31 - 1]), 3)
            value.token_count = generator.choice([3, 3, 0, 2**31, 2**63, SIZE_MAX])
            value.text = generator.choice([None, value.text])
        if generator.random() < 0.2:
            value.question = self.handle()
            value.text = generator.choice([None, value.text])
        value.image_count = generator.choice([0, 1, 2, 5])
        match generator.randrange(4):
            case 0:
                prepared = [self.session.prepared() for _ in range(5)]
                self.keep.append(prepared)
                value.images = (abi.ImageInput * 5)(*prepared)
            case 1:
                value.images = (abi.ImageInput * 5)(*[self.filled(abi.ImageInput) for _ in range(5)])
                value.images[0].struct_size = ctypes.sizeof(abi.ImageInput)
            case 2:
                value.encoded_images = (c_void_p * 5)(*[self.handle() for _ in range(5)])
        return value

    def image(self, value: abi.ImageInput) -> abi.ImageInput:
        """Make the pointer of an image agree with its size."""
        data = np.frombuffer(self.generator.choice(IMAGES).read_bytes() + b"\0", dtype=np.uint8)
        self.keep.append(data)
        value.data = self.generator.choice([data.ctypes.data, data.ctypes.data, None])
        value.size = self.generator.choice([data.size - 1, 0, 1])
        value.format = self.generator.choice([0, 1, 2, 3, 4, 5, 6, 2**32 - 1])
        if value.format == 1:
            value.size = self.generator.choice([value.size, SIZE_MAX])
        elif value.data is None or value.format == 0:
            value.size = self.generator.choice([value.size, 2**62, 2**63, SIZE_MAX])
        return value

    def options(self, value: Any) -> Any:
        """Give options names and a second router."""
        if self.generator.random() < 0.4:
            if isinstance(value, abi.RouteOptions):
                value.allowed, value.allowed_count = self.names()
                value.second = self.handle()
            else:
                value.names, value.name_count = self.names()
        return value

    def candidate(self, value: abi.Candidate) -> abi.Candidate:
        """Make an embedding agree with its count."""
        value.embedding_count = 0
        if self.generator.random() < 0.3:
            width = self.session.info.text_width
            values = (c_float * (1 << 16))(*[self.number() if self.generator.random() < 0.3 else 0.5] * width)
            self.keep.append(values)
            value.embedding = self.generator.choice([values, None])
            value.embedding_count = self.generator.choice([width, width, 0, 1, 2**62, 2**64 - 1])
        return value

    def argument(self, name: str, place: int) -> Any:
        """Return an argument for that place of an export."""
        kind, generator = abi.SIGNATURES[name][place], self.generator
        if kind is c_void_p and place > 0:
            return ctypes.create_string_buffer(64) if generator.random() < 0.8 else None
        if kind is c_void_p:
            question = name.startswith("arms_question_embedding") or name.startswith("arms_image_embedding")
            return self.handles["image" in name] if question and generator.random() < 0.7 else self.handle()
        if kind is c_char_p:
            target = str(self.scratch / "argument.gguf").encode()
            paths = [target, target, str(self.scratch).encode(), b"", None, b"/nowhere/x", b"\xff"]
            return generator.choice(paths) if "router" in name else self.text()
        if kind in (c_size_t, c_int32, c_uint32):
            return generator.choice([0, 1, 2, 3])
        if generator.random() < 0.1:
            return None
        if kind == POINTER(c_void_p):
            self.keep.append(c_void_p())
            return byref(self.keep[-1])
        target = kind._type_
        if issubclass(target, ctypes.Structure):
            self.keep.append((target * 4)(*[self.filled(target) for _ in range(4)]))
            return self.keep[-1]
        self.keep.append((target * (1 << 12))())
        return self.keep[-1]

    def consistent(self, arguments: list[Any], kinds: list[Any]) -> list[Any]:
        """Make the sizes behind pointers true, or so wrong that no memory can be meant."""
        for place in range(1, len(kinds)):
            if kinds[place] is not c_size_t:
                continue
            before = arguments[place - 1]
            garbage = [2**63, SIZE_MAX - 1, 2**64 - 8]
            if before is None:
                arguments[place] = self.generator.choice([0, 1, 2**32, 2**62, SIZE_MAX, *garbage])
            elif isinstance(before, bytes):
                arguments[place] = self.generator.choice(
                    [len(before), len(before), 0, SIZE_MAX, *garbage[:1]]
                )
            elif kinds[place - 1] in (abi.NAMES, POINTER(abi.Candidate), POINTER(abi.Query)):
                if kinds[place - 1] == abi.NAMES:
                    arguments[place - 1], arguments[place] = self.names()
                elif self.generator.random() < 0.1:
                    arguments[place] = self.generator.choice([2**31, 2**62, *garbage])
            else:
                sizes = [0, 1, len(before), len(before)]
                arguments[place] = self.generator.choice(sizes)
        return arguments
