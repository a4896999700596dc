"""Random requests for any method, from its descriptor: plausible ones, ones at the edges, and bytes that are none.

Nothing here knows a message by name. What makes a request plausible goes by the names of fields ("text", "parent",
"page_token"), and by what earlier answers held: names, tokens and etags come back in later requests.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.internal.encoder import _VarintBytes as varint  # type: ignore[attr-defined]
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

DEEPEST = 5
SENTENCES = (
    "Putin said that Russia opposes interference in China's domestic affairs.",
    "China respects the sovereignty of Afghanistan.",
    "The harbour was closed in May, and nobody knew why.",
    "The bridge cost 1,000 dollars; it opened on August 15, 2021.",
    'According to Xi Jinping, "the two sides" did not agree.',
    "Neither A nor B supports X, but C opposes Y and D denied that Z.",
)
PEOPLE = ("Vladimir Putin", "Xi Jinping", "Xi", "Example Times", "harbour")
HARD_TEXTS = (
    "",
    " ",
    "\u200b\u200d\ufeff",
    "\x00",
    "a\x00b",
    "\x1b[31mred\x1b[0m",
    "line\r\nline\ttab\u2028\u2029",
    "\u202eright to left\u202c \u0627\u0644\u0633\u0644\u0627\u0645",
    "e" + "\u0301" * 300,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 20,
    "\U0010ffff\ue000\ufffe\uffff",
    "' OR 1=1; DROP TABLE statements; --",
    '" OR NEAR(a b, 3) * ^ - : { } text:x AND NOT',
    "%s %n {0} ${HOME} `id` $(id) ../../etc/passwd",
    "1" * 400 + " dollars",
    "٣٫١٤ ½ ⅷ 1e999 -0 0x10 1,00,000",
    "“" * 60 + "said" + "”" * 60,
    "(" * 200 + ")" * 200,
    "said that " * 180,
    "A. " * 600,
    "no. not. never, " * 100,
    "\n\n" * 500,
)
LENGTHS = (99, 100, 101, 199, 200, 201, 999, 1_000, 1_001, 1_999, 2_000, 2_001, 7_999, 8_000, 8_001)
LONG = (199_999, 200_000, 200_001, 1_000_000)
INTEGERS = (0, 1, -1, 2, 31, 32, 33, 99, 1_000, 1_001, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
SECONDS = (0, 1, -1, 1_630_195_200, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 2**62, -(2**62))
NANOS = (0, 1, 999_999_999, 1_000_000_000, -1, 2**31 - 1)
SIZES = (31, 32, 33, 255, 256, 257, 499, 500, 501)
NAMES = (
    "collections/default",
    "collections/fuzz",
    "collections/" + "a" * 63,
    "collections/" + "a" * 64,
    "collections/Default",
    "collections/",
    "default",
    "collections/fuzz/statements/s1",
    "collections/default/statements/none",
    "collections/fuzz/statements/../x",
    "//",
)
CHARACTERS = "aé\u4e00\U0001d518 "


class Maker:
    """Makes requests. `wildness`: the share of fields that get a value from the edges, 0 to 1."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.wildness = 0.0
        self.seen: dict[str, list[str]] = defaultdict(list)

    def request(self, descriptor: Descriptor) -> bytes:
        """One message of the type, or bytes that are none."""
        chance = self.chance
        self.wildness = chance.choice((0.0, 0.0, 0.02, 0.1, 0.5))
        data = self.message(descriptor).SerializeToString()
        draw = chance.random()
        if draw < 0.12:
            return self.damaged(data)
        if draw < 0.16:
            return data + self.unknown_field(descriptor)
        if draw < 0.162:  # around the limit of messages, and around what the transport takes
            return data + self.padding(chance.choice((4, 8)) * 1024 * 1024 + chance.randint(-40, 40) - len(data))
        return data

    def learn(self, message: Message) -> None:
        """Keep names, tokens and etags of an answer, so that later requests are about what is there."""
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                for part in _items(field, value)[:3]:
                    self.learn(part)
            elif field.type == FieldDescriptor.TYPE_STRING and not repeated(field):
                known = self.seen[_kind(field.name)]
                if value and len(value) < 500 and value not in known and ("/" in value or field.name != "name"):
                    known.append(value)
                    if len(known) > 200:
                        del known[self.chance.randrange(len(known))]

    def message(self, descriptor: Descriptor, depth: int = 0) -> Message:
        """A message of the type."""
        chance = self.chance
        if descriptor.full_name == "google.protobuf.Timestamp":
            wild = chance.random() < max(self.wildness, 0.02)
            seconds = chance.choice(SECONDS) if wild else chance.randint(1_500_000_000, 1_800_000_000)
            return GetMessageClass(descriptor)(seconds=seconds, nanos=chance.choice(NANOS) if wild else 0)
        if descriptor.full_name == "google.protobuf.FieldMask":
            return GetMessageClass(descriptor)(paths=[self.path() for _ in range(chance.randint(0, 3))])
        message = GetMessageClass(descriptor)()
        density = chance.choice((0.1, 0.25, 0.5))
        chosen = {oneof.name: chance.choice(oneof.fields) for oneof in descriptor.oneofs}
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and len(oneof.fields) > 1 and chosen[oneof.name] is not field:
                continue
            needed = field.name in ("text", "parent", "name", "claim", "statement", "premise", "hypothesis", "query")
            if depth < DEEPEST and chance.random() < (0.95 if needed else density):
                self.fill(message, field, depth)
        return message

    def fill(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        """Give one field a value."""
        if not repeated(field):
            if field.message_type is not None:
                getattr(message, field.name).CopyFrom(self.message(field.message_type, depth + 1))
            else:
                setattr(message, field.name, self.scalar(field, depth))
            return
        chance = self.chance
        count = chance.choice(SIZES) if chance.random() < self.wildness / 10 else chance.choice((0, 1, 1, 1, 2, 3))
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return  # the contract has no maps
        if field.message_type is not None:
            one = [self.message(field.message_type, depth + 1) for _ in range(min(count, 4))]
            getattr(message, field.name).extend(one[i % len(one)] for i in range(count) if one)
        else:
            getattr(message, field.name).extend(self.scalar(field, depth) for _ in range(count))

    def scalar(self, field: FieldDescriptor, depth: int) -> Any:
        """A value for a field that is no message."""
        chance = self.chance
        wild = chance.random() < self.wildness
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING:
                text = self.hard_text() if wild else self.text(field, depth)
                return text if field.type == FieldDescriptor.TYPE_STRING else text.encode()
            case FieldDescriptor.CPPTYPE_BOOL:
                return chance.random() < 0.5
            case FieldDescriptor.CPPTYPE_ENUM:
                assert field.enum_type is not None
                known = [value.number for value in field.enum_type.values]
                return chance.choice((-1, 99, 2**31 - 1, -(2**31))) if wild else chance.choice(known)
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return chance.choice(DOUBLES) if wild else round(chance.random(), 3)
            case FieldDescriptor.CPPTYPE_INT32:
                return max(-(2**31), min(2**31 - 1, chance.choice(INTEGERS))) if wild else chance.randint(0, 20)
            case FieldDescriptor.CPPTYPE_UINT32 | FieldDescriptor.CPPTYPE_UINT64:
                return abs(chance.choice(INTEGERS)) % 2**32 if wild else chance.randint(0, 20)
            case _:
                return chance.choice(INTEGERS) if wild else chance.randint(0, 20)

    def text(self, field: FieldDescriptor, depth: int) -> str:
        """What somebody might send there."""
        chance, kind = self.chance, _kind(field.name)
        if field.containing_type is not None and "aliases" in field.containing_type.fields_by_name:
            return chance.choice(PEOPLE)
        if ((kind == "name" and depth) or kind == "etag") and chance.random() < 0.5:
            return ""  # of what is to be created, a name is the caller's to leave; so is every etag
        if kind in ("name", "token", "etag", "id"):
            known = self.seen[kind]
            if kind == "name" and field.containing_type is not None:
                inside = "Collection" not in field.containing_type.name
                known = [name for name in known if ("/statements/" in name) == inside]
            if known and chance.random() < 0.8:
                return chance.choice(known)
            return chance.choice(NAMES) if kind == "name" else chance.choice(("", f"i{chance.randint(0, 50)}"))
        if field.name in ("parent", "collection"):
            return chance.choice(("", "collections/default", f"collections/fuzz-{chance.randint(0, 3)}"))
        if field.name in ("speaker", "speakers", "publisher", "publishers", "relayed_by", "aliases", "labels"):
            return chance.choice(PEOPLE)
        sentences = chance.choices(SENTENCES, k=chance.choice((1, 1, 1, 2, 5)))
        return " ".join(sentences) + (f" {chance.randint(0, 999)}" if chance.random() < 0.5 else "")

    def hard_text(self) -> str:
        """A string from the edges: valid Unicode, as all that a protobuf string can hold."""
        chance = self.chance
        draw = chance.random()
        if draw < 0.6:
            return chance.choice(HARD_TEXTS)
        if draw < 0.8:
            return chance.choice(CHARACTERS) * chance.choice(LENGTHS)
        if draw < 0.805:
            return (chance.choice(SENTENCES) + chance.choice((" ", "\n\n"))) * (chance.choice(LONG) // 60)
        if draw < 0.9:
            return chance.choice(NAMES)
        points = (chance.choice((0x7F, 0xFF, 0xD7FF, 0xFFFF, 0x10FFFF)) for _ in range(chance.randint(1, 60)))
        return "".join(chr(p) for p in map(chance.randint, [0] * 60, points) if not 0xD800 <= p <= 0xDFFF)

    def path(self) -> str:
        """A path of a field mask."""
        return self.chance.choice(
            ("text", "speaker", "speaker.name", "labels", "*", "", "nothing.there", "name", "a..b")
        )

    def damaged(self, data: bytes) -> bytes:
        """The bytes with something wrong."""
        chance = self.chance
        match chance.randrange(6):
            case 0:
                return chance.randbytes(chance.randint(1, 200))
            case 1:
                return data[: chance.randrange(len(data) + 1)]
            case 2 if data:
                place = chance.randrange(len(data))
                return data[:place] + bytes([chance.randrange(256)]) + data[place + 1 :]
            case 3:  # not UTF-8, a lone surrogate or an overlong NUL where the text is a plain letter
                return data.replace(b"a", chance.choice((b"\xff", b"\xc0", b"\x80")), chance.randint(1, 3))
            case 4:
                bad = chance.choice((b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"))
                number = chance.randint(1, 6)
                inner = varint(number << 3 | 2) + varint(len(bad)) + bad
                return data + chance.choice((inner, varint(number << 3 | 2) + varint(len(inner)) + inner))
            case _:  # a length beyond the end, an endless varint, groups without an end
                return data + chance.choice(
                    (b"\x0a\xff\xff\xff\xff\x0f", b"\x08" + b"\xff" * 11, b"\x0b" * 200, b"\x0c")
                )

    def unknown_field(self, descriptor: Descriptor) -> bytes:
        """A field of a newer contract, or a known one in another wire type: both are legal to send."""
        chance = self.chance
        numbers = [field.number for field in descriptor.fields] or [1]
        number = chance.choice((*numbers, 100, 19_001, 536_870_911))
        kind = chance.choice((0, 1, 2, 5))
        body = {0: b"\x7f", 1: bytes(8), 2: b"\x03abc", 5: bytes(4)}[kind]
        return bytes(varint(number << 3 | kind)) + body

    def padding(self, size: int) -> bytes:
        """An unknown field of about that size."""
        head = varint(15_000 << 3 | 2)
        return bytes(head + varint(size)) + bytes(max(0, size))


def _kind(field: str) -> str:
    """Fields whose values come from answers: the page's next token is a later request's token."""
    for kind, words in (("token", ("token",)), ("etag", ("etag",)), ("name", ("name", "superseded_by"))):
        if field in words or field.endswith(tuple(f"_{w}" for w in words if w != "name")):
            return kind
    return "id" if field.endswith("_id") else field


def repeated(field: FieldDescriptor) -> bool:
    """Whether it holds a list."""
    return bool(field.is_repeated) if hasattr(field, "is_repeated") else field.label == FieldDescriptor.LABEL_REPEATED


def _items(field: FieldDescriptor, value: Any) -> list[Any]:
    return list(value) if repeated(field) else [value]
