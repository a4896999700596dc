"""Changes to a message that is as it should be: a field somewhere in it is emptied, filled anew or repeated."""

from __future__ import annotations

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from making import Maker, repeated

DOWN = 0.75
WILDNESS = 0.5


class Mutator:
    """Changes messages in place, with the chance of a maker."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker

    def mutate(self, message: Message, times: int) -> None:
        """So many changes, each at a place of its own."""
        self.maker.wildness = WILDNESS
        for _ in range(times):
            self._change(*self._place(message))

    def _place(self, message: Message) -> tuple[Message, FieldDescriptor]:
        """A field somewhere in the message; one that is set is likelier."""
        chance, depth = self.maker.chance, 0
        while True:
            inside = [part for field, value in message.ListFields() if field.message_type is not None
                      for part in (value if repeated(field) else [value])]  # fmt: skip
            if not inside or chance.random() > DOWN:
                break
            message, depth = chance.choice(inside), depth + 1
        fields = [field for field, _ in message.ListFields()]
        if not fields or chance.random() < 0.3:
            fields = list(message.DESCRIPTOR.fields)
        return (message, chance.choice(fields)) if fields else self._place(message)

    def _change(self, message: Message, field: FieldDescriptor) -> None:
        chance = self.maker.chance
        draw = chance.random()
        if not repeated(field):
            message.ClearField(field.name)
            if draw > 0.3:
                self.maker.fill(message, field, 1)
            return
        values = getattr(message, field.name)
        if draw < 0.2:
            message.ClearField(field.name)
        elif draw < 0.4 and values:
            del values[chance.randrange(len(values))]
        elif draw < 0.65 and values:
            values.extend([values[chance.randrange(len(values))]] * chance.choice((1, 2, 33)))
        else:
            self.maker.fill(message, field, 1)
