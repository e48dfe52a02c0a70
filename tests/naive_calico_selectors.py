"""Selectors of Calico, read plainly (libcalico-go lib/selector): apart from everything in the analyzer."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"""[ \t]*(?:("[^"]*"|'[^']*')|(has|all|global)\([ \t]*([\w./-]*)[ \t]*\)|(&&|\|\||==|!=|[!(){},])|([\w./-]+))""", re.ASCII
)
WORDS = ("contains", "starts", "ends", "with", "in", "not")


class Selector:
    """Holds or does not hold for labels; reads the text anew each time."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip(" \t"):
            match = TOKEN.match(text, position)
            assert match, text
            quoted, call, argument, sign, word = match.groups()
            if quoted:
                self.tokens.append(("text", quoted[1:-1]))
            elif call:
                self.tokens.append((call, argument))
            else:
                self.tokens.append(("sign" if sign else "word", sign or word))
            position = match.end()

    def holds(self, labels: dict[str, str]) -> bool:
        self.place = 0
        return self.either(labels) if self.tokens else True

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("end", "")

    def take(self) -> tuple[str, str]:
        self.place += 1
        return self.tokens[self.place - 1]

    def either(self, labels: dict[str, str]) -> bool:
        found = self.both(labels)
        while self.peek() == ("sign", "||"):
            self.take()
            found = self.both(labels) or found
        return found

    def both(self, labels: dict[str, str]) -> bool:
        found = self.one(labels)
        while self.peek() == ("sign", "&&"):
            self.take()
            found = self.one(labels) and found
        return found

    def one(self, labels: dict[str, str]) -> bool:
        kind, value = self.take()
        if (kind, value) == ("sign", "!"):
            return not self.one(labels)
        if (kind, value) == ("sign", "("):
            found = self.either(labels)
            self.take()
            return found
        if kind == "has":
            return value in labels
        return True if kind == "all" else self.compared(value, labels)

    def compared(self, key: str, labels: dict[str, str]) -> bool:
        operator = self.take()[1]
        if operator in ("starts", "ends", "not"):
            self.take()
        if operator in ("in", "not"):
            values = []
            while self.take() != ("sign", "}"):
                values.append(self.tokens[self.place - 1][1])
            return (labels.get(key) in values) == (operator == "in")
        text, value = self.take()[1], labels.get(key)
        if operator == "!=":
            return value != text
        if value is None:
            return False
        tests = {"==": value == text, "contains": text in value, "starts": value.startswith(text), "ends": value.endswith(text)}
        return tests[operator]


def prefixed(text: str, prefix: str) -> str:
    """A selector with each key lengthened."""
    found: list[tuple[bool, str]] = []
    position = 0
    while text[position:].strip(" \t"):
        match = TOKEN.match(text, position)
        assert match
        quoted, call, argument, sign, word = match.groups()
        lengthen = word and not (found and found[-1][0] and word in WORDS)
        shown = quoted or (
            f"{call}({prefix + argument if call == 'has' else ''})" if call else sign or (prefix + word if lengthen else word)
        )
        found.append((bool(word), shown))
        position = match.end()
    return " ".join(shown for _, shown in found)
