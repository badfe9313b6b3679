"""Inputs made to hit one weakness each. Random damage finds them rarely or never."""

from __future__ import annotations

import ctypes
import resource
import struct
import threading
import time
import zlib
from collections.abc import Callable
from ctypes import byref, c_char_p, c_void_p
from pathlib import Path
from typing import Final

import abi
import cases
import numpy as np
from abi import Library, ViolationError
from cases import QUESTION, Session
from model_files import ARRAY, F32, STRING, Model, Tensor, Value, to_float


def read(name: str) -> Model:
    """Take a fixture apart."""
    return Model.read((cases.FIXTURES / "models" / f"{name}.gguf").read_bytes())


def opened(library: Library, model: Model, scratch: Path, name: str = "known.gguf") -> Session | None:
    """Write a model and open it; None if it is refused."""
    path = scratch / name
    path.write_bytes(model.write())
    if session := Session.open(library, path):
        library.call("router_describe", session.handle, byref(session.info))
    return session


def must_open(library: Library, model: Model, scratch: Path, name: str = "known.gguf") -> Session:
    """Write a model and open it."""
    session = opened(library, model, scratch, name)
    if session is None:
        raise ViolationError("the file is refused")
    return session


def refused(library: Library, model: Model, scratch: Path) -> None:
    """Check that a model is refused."""
    if opened(library, model, scratch):
        raise ViolationError("the file is accepted")


def float_layers(library: Library, scratch: Path) -> None:
    """Expect that a float layer in an int8 file loads OpenBLAS, which nothing else in the file does."""
    for layer in ("expert.0.attn_out", "expert.1.attn_q", "expert.2.attn_v"):
        model = read("distilbert-patches-scaled-int8")
        to_float(model, f"{layer}.weight")
        if "attn_q" in layer:
            model.tensors["expert.1.attn_k.weight"] = Tensor(F32, [16, 32], bytearray(4 * 16 * 32))
        must_open(library, model, scratch).exercise(scratch)


def one_hash_two_encoders(library: Library, scratch: Path) -> None:
    """Expect that an encoded image of fewer tokens is no image of a router that names its encoder by the same hash."""
    sound, other = read("distilbert-patches-scaled"), read("distilbert-patches-scaled")
    for model in (sound, other):
        model.keys["arms.vision.hash"] = Value(STRING, b"the same")
    other.keys["arms.vision.patch_size"].content = 32
    for name, shape in (("v.position_embd.weight", [2, 32]), ("v.patch_embd.weight", [32, 3 * 32 * 32])):
        other.tensors[name] = Tensor(F32, shape, bytearray(4 * shape[0] * shape[1]))
    reader, writer = must_open(library, sound, scratch), must_open(library, other, scratch, "other.gguf")
    image = writer.encode("image", byref(writer.prepared()))
    query = reader.query()
    query.image_count, query.encoded_images = 1, (c_void_p * 1)(image)
    decision = abi.sized(abi.Decision)
    outcome = library.call("route", reader.handle, byref(query), None, byref(decision), None, 0)
    if image is None or "encode it with this router" not in outcome.message:
        raise ViolationError(f"the image of another encoder is not told: {outcome}")


def token(model: Model, spelling: bytes, flags: int = 0) -> None:
    """Add an added token to a vocabulary."""
    tokens = model.keys["arms.tokenizer.tokens"].content
    tokens.append(spelling)
    model.keys["arms.tokenizer.added.ids"].content.append(len(tokens) - 1)
    model.keys["arms.tokenizer.added.flags"].content.append(flags)
    table = model.tensors["t.token_embd.weight"]
    table.shape[0] = len(tokens)
    table.data += bytes(4 * table.shape[1])


def white_space_tokens(library: Library, scratch: Path) -> None:
    """Tokens of white space that strip white space: a text of it must not be passed over again and again."""
    for flags in (4, 8, 12, 13):
        model = read("distilbert-pooled-paper")
        token(model, b" ", flags)
        if not must_open(library, model, scratch).tokenize(b" " * (1 << 20)):
            raise ViolationError("the text is refused")


def half_characters(library: Library, scratch: Path) -> None:
    """Refuse a token that ends within a character: the rest would be decoded past the text."""
    model = read("distilbert-pooled-paper")
    token(model, b"\xf0\x9f\x98")
    refused(library, model, scratch)


def long_tokens(library: Library, scratch: Path) -> None:
    """Every length of token up to the longest that is read, in the texts that take most time."""
    model = read("distilbert-pooled-paper")
    model.keys["arms.tokenizer.max_word_length"].content = 4_096
    for length in range(2, 129):
        token(model, b"a" * (length - 1) + b"b")
        model.keys["arms.tokenizer.tokens"].content[-1] = b"##" + b"a" * (length - 3) + b"b"[: length - 2]
    session = must_open(library, model, scratch)
    session.tokenize(b"a" * (1 << 20))
    session.tokenize((b"a" * 4_095 + b" ") * 256)
    token(model, b"a" * 5_000)
    refused(library, model, scratch)


def boundless_images(library: Library, scratch: Path) -> None:
    """Refuse a file of some megabytes whose images would have a quarter of a million tokens."""
    model = read("distilbert-pooled-paper")
    model.keys["arms.vision.image_size"].content = model.keys["arms.vision.resize_size"].content = 4_096
    size = 1 + 512 * 512
    model.tensors["v.position_embd.weight"] = Tensor(F32, [size, 32], bytearray(4 * 32 * size))
    refused(library, model, scratch)


def boundless_questions(library: Library, scratch: Path) -> None:
    """Refuse a context whose activations no machine holds."""
    model = read("distilbert-pooled-paper")
    model.keys["arms.text.context_length"].content = 65_536
    model.tensors["t.position_embd.weight"] = Tensor(F32, [65_536, 32], bytearray(4 * 32 * 65_536))
    refused(library, model, scratch)


def last_query_fails(library: Library, scratch: Path) -> None:
    """Expect that a batch of several passes whose last query fails gives no scores."""
    session = must_open(library, read("bert-patches-paper"), scratch)
    if session.score([session.query()] * 70 + [session.query(b"\xff")]):
        raise ViolationError("a text that is not UTF-8 is scored")
    if not session.score([session.query()] * 70):
        raise ViolationError("the batch is refused")


def boundless_utility(library: Library, scratch: Path) -> None:
    """Expect that a utility beyond every number is an error and no decision."""
    session = must_open(library, read("bert-patches-paper"), scratch)
    candidate = abi.sized(abi.Candidate)
    candidate.name, candidate.flags, candidate.cost = b"small", 2, 1e300
    options = abi.sized(abi.RouteOptions)
    options.policy, options.lambda_ = 2, 1e300
    options.allowed, options.allowed_count = (c_char_p * 1)(b"small"), 1
    if not library.call("candidates_update", session.handle, byref(candidate), 1):
        raise ViolationError("a large cost is refused")
    if session.route(session.query(), options):
        raise ViolationError("an infinite utility is accepted")


def extreme_column_sums(library: Library, scratch: Path) -> None:
    """Column sums that contradict their weights give numbers, whatever numbers."""
    for sign in (-1, 1):
        model = read("bert-patches-paper-int8")
        for name, tensor in model.tensors.items():
            if name.endswith(".colsum"):
                groups = model.tensors[name.removesuffix(".colsum")].shape[1]
                tensor.array()[:] = sign * 128 * 4 * groups
        must_open(library, model, scratch).exercise(scratch)


def other_widths(library: Library, scratch: Path) -> None:
    """Every size is checked against every tensor that it shapes."""
    sound = read("distilbert-patches-scaled-int8")
    sizes = [name for name, value in sound.keys.items() if value.type == 4 and "tokenizer" not in name]
    for name in sizes:
        for step in (-1, 1, 16, 64):
            model = read("distilbert-patches-scaled-int8")
            model.keys[name].content += step
            if model.keys[name].content >= 0 and (session := opened(library, model, scratch)):
                session.exercise(scratch)
                session.free()


def other_types(library: Library, scratch: Path) -> None:
    """Expect that a key of any other type is refused or ignored."""
    for name, value in read("bert-pooled-scaled").keys.items():
        for other in (
            Value(4, 1),
            Value(6, 1.0),
            Value(STRING, b"x"),
            Value(ARRAY, [], 4),
            Value(ARRAY, [b"x"], STRING),
        ):
            model = read("bert-pooled-scaled")
            model.keys[name] = other
            if (other.type, other.element) != (value.type, value.element) and (
                session := opened(library, model, scratch)
            ):
                session.exercise(scratch)
                session.free()


def save_in_place(library: Library, scratch: Path) -> None:
    """Expect that a router saved over the file that it maps goes on, and opens again."""
    session = must_open(library, read("distilbert-patches-scaled-int8"), scratch)
    path = scratch / "known.gguf"
    for _ in range(3):
        if not library.call("router_save", session.handle, str(path).encode()):
            raise ViolationError("the file is not replaced")
        again = Session.open(library, path)
        if again is None or not session.route(session.query()) or again.names() != session.names():
            raise ViolationError("the replaced file is another one")
    if [one.name for one in scratch.iterdir()] != ["known.gguf"]:
        raise ViolationError("saving leaves files behind")


def thread_counts(library: Library, scratch: Path) -> None:
    """Routers of different thread counts at work at once give what each gives alone."""
    path = scratch / "known.gguf"
    path.write_bytes(read("bert-patches-paper").write())
    sessions = [session for count in (1, 2, 3, 4) if (session := Session.open(library, path, count))]
    wrong: list[float] = []

    def confidence(session: Session, query: abi.Query) -> float:
        decision = abi.sized(abi.Decision)
        library.call("route", session.handle, byref(query), None, byref(decision), None, 0)
        return float(decision.confidence)

    def work(session: Session, want: float) -> None:
        query = session.query(images=[session.prepared()] * 4)
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if abs(confidence(session, query) - want) > 1e-5:
                wrong.append(want)

    for session in sessions:
        library.call("router_describe", session.handle, byref(session.info))
    want = confidence(sessions[0], sessions[0].query(images=[sessions[0].prepared()] * 4))
    threads = [threading.Thread(target=work, args=(session, want)) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong or not 0 < want < 1:
        raise ViolationError(f"{len(wrong)} routes differ")


def half_structs(library: Library, scratch: Path) -> None:
    """Expect that a struct_size that is too small writes nothing, and of one that is larger the rest becomes zero."""
    session = must_open(library, read("bert-pooled-scaled"), scratch)
    for size in (0, 3, 4, ctypes.sizeof(abi.RouterInfo) - 1, 2**32 - 1):
        raw = bytearray(b"\xaa" * 256)
        info = abi.RouterInfo.from_buffer(raw)
        info.struct_size = size
        if library.call("router_describe", session.handle, byref(info)) or set(raw[4:]) != {0xAA}:
            raise ViolationError(f"struct_size {size} is accepted")
    raw = bytearray(b"\xaa" * 256)
    info = abi.RouterInfo.from_buffer(raw)
    info.struct_size = 128
    known = ctypes.sizeof(abi.RouterInfo)
    if (
        not library.call("router_describe", session.handle, byref(info))
        or set(raw[known:128]) != {0}
        or set(raw[128:]) != {0xAA}
    ):
        raise ViolationError(
            "a struct of a later version is refused, keeps garbage, or is written beyond its end"
        )


def stale_handles(library: Library, scratch: Path) -> None:
    """Expect that a slot that is used again does not revive the handles that it had."""
    session = must_open(library, read("bert-pooled-scaled"), scratch)
    stale = []
    for _ in range(1_000):
        handle = session.encode("question", QUESTION, len(QUESTION))
        library.free("question", handle)
        stale.append(handle)
    live = session.encode("question", QUESTION, len(QUESTION))
    for handle in stale:
        library.free("question", handle)
        if library.call("question_embedding", handle, None, 0, byref(ctypes.c_size_t())):
            raise ViolationError("a freed handle is valid")
    for handle in (live ^ 1 << 48, live ^ 3 << 48) if live else ():
        if library.call("router_describe", handle, byref(session.info)):
            raise ViolationError("a handle of another kind is valid")
    if not library.call("question_embedding", live, None, 0, byref(ctypes.c_size_t())):
        raise ViolationError("a live handle is not valid")


def constants(library: Library, scratch: Path) -> None:
    """Extreme preprocessing constants give numbers or an error."""
    for mean, std in (
        ([0.0] * 2, [1.0] * 3),
        ([0.0] * 3, [0.0] * 3),
        ([3e38] * 3, [1e-45] * 3),
        ([1e38] * 3, [1.0] * 3),
    ):
        model = read("distilbert-patches-scaled")
        model.keys["arms.vision.image_mean"].content = mean
        model.keys["arms.vision.image_std"].content = std
        if session := opened(library, model, scratch):
            image = abi.sized(abi.ImageInput)
            pixels = np.zeros(3 * 40 * 40, dtype=np.uint8)
            image.format, image.width, image.height = 2, 40, 40
            image.data, image.size = pixels.ctypes.data, pixels.size
            session.prepare(image)
            session.route(session.query(images=[image]))


def peak_growth(work: Callable[[], object]) -> int:
    """Return by how many bytes the most memory that this process ever held exceeds what it holds now."""

    def status(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    # 5: forget the peak so far.
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    work()
    return status("VmHWM") - before


def refused_at_once(what: str, work: Callable[[], bool]) -> None:
    """Check that something is refused within 16 MB and a second of processor time."""
    began = time.process_time()
    accepted: list[bool] = []
    growth = peak_growth(lambda: accepted.append(work()))
    if accepted[0]:
        raise ViolationError(f"{what} is accepted")
    if growth > 16 << 20 or time.process_time() - began > 1:
        raise ViolationError(f"{what} takes {growth >> 20} MB and {time.process_time() - began:.1f} s")


def pixel_bombs(library: Library, scratch: Path) -> None:
    """Refuse images of some hundred bytes that claim gigabytes of pixels, before any is decoded."""
    session = must_open(library, read("distilbert-patches-scaled-int8"), scratch)

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    def png(interlaced: int) -> bytes:
        header = struct.pack(">IIBBBBB", 32_768, 32_768, 8, 2, 0, 0, interlaced)
        data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 16))) + chunk(b"IEND", b"")
        return b"\x89PNG\r\n\x1a\n" + data

    jpeg = bytearray((cases.FIXTURES / "images" / "jpeg_progressive.jpg").read_bytes())
    frame = jpeg.index(b"\xff\xc2") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", 65_500, 65_500)
    for name, raw in (("a PNG", png(0)), ("an interlaced PNG", png(1)), ("a progressive JPEG", bytes(jpeg))):
        image = abi.sized(abi.ImageInput)
        # In writable memory of its own, which stays until the call is over.
        content = ctypes.create_string_buffer(raw, len(raw))
        image.data, image.size = ctypes.addressof(content), len(raw)
        refused_at_once(name, lambda image=image: session.prepare(image))


def model_bombs(library: Library, scratch: Path) -> None:
    """Refuse models that claim 2^60 tensors, keys, elements or bytes."""
    sound = (cases.FIXTURES / "models" / "distilbert-patches-scaled-int8.gguf").read_bytes()
    name = b"arms.tokenizer.tokens"
    tensor = b"t.token_embd.weight"
    places = {
        "tensors": 8,
        "keys": 16,
        # Behind the name: the type of the value and of its elements.
        "elements": sound.index(name) + len(name) + 8,
        # Behind the name: the number of dimensions.
        "rows": sound.rindex(tensor + struct.pack("<I", 2)) + len(tensor) + 4,
    }
    path = scratch / "bomb.gguf"
    for what, place in places.items():
        damaged = bytearray(sound)
        damaged[place : place + 8] = struct.pack("<Q", 1 << 60)
        path.write_bytes(damaged)
        for flags in (0, 1):
            refused_at_once(
                f"a model of 2^60 {what}",
                lambda flags=flags: Session.open(library, path, flags=flags) is not None,
            )


def endless_marks(library: Library, scratch: Path) -> None:
    """Expect that a question of combining marks alone, which are put in order, takes no memory of its length."""
    model = read("distilbert-patches-scaled-int8")
    model.keys["arms.tokenizer.strip_accents"].content = 1
    session = must_open(library, model, scratch)
    query = session.query("\u302e".encode() * (1 << 20))
    session.route(session.query())
    growth = peak_growth(lambda: session.route(query))
    if growth > 4 << 20:
        raise ViolationError(f"it takes {growth >> 20} MB")


def endless_normalized_text(library: Library, scratch: Path) -> None:
    """Refuse a text whose normalised form, in which added tokens are looked for, there is no memory for."""
    model = read("distilbert-pooled-paper")
    token(model, b"abc", 1)
    session = must_open(library, model, scratch)
    text = b"a " * (32 << 20)
    session.tokenize(b"a ")
    limit = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (40 << 20), limit[1]))
    accepted = session.tokenize(text)
    resource.setrlimit(resource.RLIMIT_AS, limit)
    if accepted:
        raise ViolationError("the text is accepted")
    if not session.tokenize(text):
        raise ViolationError("the text is refused where there is memory")


def lists_of_millions(library: Library, scratch: Path) -> None:
    """Refuse models whose lists have more entries than their tensors or their vocabulary, before any is copied."""
    entries = 200_000
    names, candidates, added = (read("distilbert-patches-scaled-int8") for _ in range(3))
    names.keys["arms.candidate.names"].content = [b""] * (4 * entries)
    for key in ("names", "profiles", "encoders", "costs", "latencies", "max_images", "enabled"):
        value = candidates.keys[f"arms.candidate.{key}"]
        value.content = [b"" if value.element == STRING else value.content[0]] * entries
    for key in ("ids", "flags"):
        added.keys[f"arms.tokenizer.added.{key}"] = Value(ARRAY, [1] * (5 * entries), 4)
    path = scratch / "lists.gguf"
    for what, model in (("candidates' names", names), ("candidates", candidates), ("added tokens", added)):
        path.write_bytes(model.write())
        for flags in (0, 1):
            refused_at_once(
                f"a model of too many {what}",
                lambda flags=flags: Session.open(library, path, flags=flags) is not None,
            )


CASES: Final[list[Callable[[Library, Path], None]]] = [
    float_layers, one_hash_two_encoders, white_space_tokens, half_characters, long_tokens, boundless_images,
    boundless_questions, last_query_fails, boundless_utility, extreme_column_sums, other_widths, other_types,
    save_in_place, thread_counts, half_structs, stale_handles, constants, pixel_bombs, model_bombs, lists_of_millions, endless_marks,
    endless_normalized_text,
]  # fmt: skip
