"""docs/api.md: the contract as a page, from the descriptors of proto/ and their comments.

Anchors are the full names, which never change: api.md#onrecord.v1.Claim, api.md#onrecord.v1.CheckService.CheckClaim.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from generate_stubs import PROTO, googleapis, wellknown
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)
from grpc_tools import protoc

Path_ = tuple[int, ...]
SCALARS = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in FieldDescriptorProto.Type.items()
    if name not in ("TYPE_MESSAGE", "TYPE_ENUM", "TYPE_GROUP")
}
# field numbers of descriptor.proto, as the paths of source locations have them
MESSAGES, ENUMS, SERVICES, NESTED, NESTED_ENUMS, FIELDS, METHODS, VALUES = 4, 5, 6, 3, 4, 2, 2, 2
FOREIGN = {
    "google.protobuf.": "https://protobuf.dev/reference/protobuf/google.protobuf/#{lower}",
    "google.rpc.": "https://github.com/googleapis/googleapis/blob/master/google/rpc/{lower}.proto",
}


def read() -> list[FileDescriptorProto]:
    """The contract's files with their comments, by name."""
    sources = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set.binpb"
        paths = [f"-I{path}" for path in (PROTO, googleapis(), wellknown())]
        if code := protoc.main(["protoc", *paths, "--include_source_info", f"--descriptor_set_out={out}", *sources]):
            raise SystemExit(code)
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


class Page:
    """Writes one file of the contract after another, services first."""

    def __init__(self, files: Sequence[FileDescriptorProto]) -> None:
        self.files = files
        self.lines: list[str] = []
        self.comments: dict[Path_, str] = {}
        self.package = ""

    def text(self) -> str:
        """The page below its head."""
        for kind, entries in (
            ("Services", lambda f: [(SERVICES, i, s) for i, s in enumerate(f.service)]),
            ("Messages", lambda f: [(MESSAGES, i, m) for i, m in enumerate(f.message_type)]),
            ("Enums", lambda f: [(ENUMS, i, e) for i, e in enumerate(f.enum_type)]),
        ):
            self.lines += [f"## {kind}", ""]
            for file in self.files:
                self.package = file.package
                located = file.source_code_info.location
                self.comments = {tuple(found.path): found.leading_comments for found in located}
                for number, index, entry in entries(file):
                    self.entry(entry, f"{file.package}.{entry.name}", (number, index))
        return "\n".join(self.lines)

    def entry(
        self, entry: ServiceDescriptorProto | DescriptorProto | EnumDescriptorProto, name: str, path: Path_
    ) -> None:
        """A service, a message with what is nested in it, or an enum."""
        self.lines += [f'<a id="{name}"></a>', "", f"### {name.removeprefix(self.package + '.')}", ""]
        self.lines += [*prose(self.comments.get(path, "")), ""]
        if isinstance(entry, ServiceDescriptorProto):
            self.methods(entry, name, path)
        elif isinstance(entry, EnumDescriptorProto):
            rows = (
                (anchored(f"{name}.{value.name}", f"`{value.name}`"), str(value.number), self.cell(*path, VALUES, i))
                for i, value in enumerate(entry.value)
            )
            self.lines += [*table(("value", "number", "what it means"), rows), ""]
        else:
            if entry.field:
                rows = (
                    (
                        anchored(f"{name}.{field.name}", f"`{field.name}`"),
                        str(field.number),
                        self.type_of(field, entry),
                        self.cell(*path, FIELDS, i),
                    )
                    for i, field in enumerate(entry.field)
                )
                self.lines += [*table(("field", "number", "type", "what it is"), rows), ""]
            else:
                self.lines += ["No fields.", ""]
            for i, nested in enumerate(entry.nested_type):
                if not nested.options.map_entry:
                    self.entry(nested, f"{name}.{nested.name}", (*path, NESTED, i))
            for i, enum in enumerate(entry.enum_type):
                self.entry(enum, f"{name}.{enum.name}", (*path, NESTED_ENUMS, i))

    def methods(self, service: ServiceDescriptorProto, name: str, path: Path_) -> None:
        """What a service answers."""
        for i, method in enumerate(service.method):
            asks = ("stream " if method.client_streaming else "") + linked(method.input_type)
            answers = ("stream " if method.server_streaming else "") + linked(method.output_type)
            self.lines += [f'<a id="{name}.{method.name}"></a>', "", f"#### {method.name}", ""]
            self.lines += [f"{asks} → {answers}", ""]
            self.lines += [*prose(self.comments.get((*path, METHODS, i), "")), ""]

    def type_of(self, field: FieldDescriptorProto, message: DescriptorProto) -> str:
        """Type of a field as the .proto says it."""
        name = SCALARS.get(field.type) or linked(field.type_name)
        entries = {f".{self.package}.{message.name}.{n.name}": n for n in message.nested_type if n.options.map_entry}
        if field.type_name in entries:
            key, value = entries[field.type_name].field
            return f"map of {self.type_of(key, message)} to {self.type_of(value, message)}"
        if field.label == FieldDescriptorProto.LABEL_REPEATED:
            return f"repeated {name}"
        if field.proto3_optional:
            return f"optional {name}"
        if field.HasField("oneof_index"):
            return f"{name}, one of `{message.oneof_decl[field.oneof_index].name}`"
        return name

    def cell(self, *path: int) -> str:
        """A comment in one cell of a table: paragraphs stay apart, indented lines begin anew."""
        return "<br>".join(prose(self.comments.get(path, ""), gap=False)).replace("|", "\\|")


def prose(comment: str, *, gap: bool = True) -> list[str]:
    """Lines of a comment as Markdown: a paragraph is one line, an indented line is one of a list."""
    lines: list[str] = []
    begin = True
    for line in comment.splitlines():
        line = re.sub(r"^ ", "", line)
        if not line.strip():
            begin = True
            continue
        listed = line.startswith("  ")
        if listed or begin or not lines:
            if lines and gap and begin:
                lines.append("")
            lines.append(("- " if listed else "") + line.strip())
        else:
            lines[-1] += " " + line.strip()
        begin = False
    return [escaped(line) for line in lines]


def escaped(line: str) -> str:
    """The words themselves, and not what Markdown would make of < and *; code stays code."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(part if part.startswith("`") else re.sub(r"([<*])", r"\\\1", part) for part in parts)


def anchored(name: str, shown: str) -> str:
    """Something to link to."""
    return f'<a id="{name}"></a>{shown}'


def linked(type_name: str) -> str:
    """A type's name, linked to where it is described."""
    name = type_name.removeprefix(".")
    for prefix, address in FOREIGN.items():
        if name.startswith(prefix):
            return f"[{name}]({address.format(lower=name.rpartition('.')[2].lower())})"
    return f"[{name.split('.', 2)[2]}](#{name})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, line by line."""
    for cells in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(cells) + " |"


def api(note: str) -> str:
    """The page."""
    files = read()
    services = [
        f"- [{service.name}](#{file.package}.{service.name}): "
        + ", ".join(f"[{m.name}](#{file.package}.{service.name}.{m.name})" for m in service.method)
        for file in files
        for service in file.service
    ]
    return f"""{note}

# The contract

Package `onrecord.v1`, gRPC over HTTP/2; the source is [proto/onrecord/v1](../proto/onrecord/v1).
Errors: [errors.md](errors.md). Limits: [limits.md](limits.md).
Beside these services the server answers `grpc.health.v1.Health` and reflection.

{chr(10).join(services)}

{Page(files).text().rstrip()}
"""
