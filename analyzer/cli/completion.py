"""``analyze completion bash|zsh|fish``: the script that completes commands, options and their values in a shell."""

from __future__ import annotations

import sys
from argparse import Action, ArgumentParser, Namespace, _AppendAction
from collections.abc import Iterable, Iterator

from analyzer.cli.commands import COMMANDS
from analyzer.cli.parsers import arguments, flags, parser_of, placeholder
from analyzer.policy.profiles import PROFILES
from analyzer.query._rules import INDEX

BASH = """\
# completion of analyze for bash: source <(analyze completion bash)
_analyze() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=check index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case ${COMP_WORDS[index]} in
            @COMMANDS@) command=${COMP_WORDS[index]}; break ;;
            -*) ;;
            *) break ;;
        esac
    done
    COMPREPLY=()
    case $command:$before in
@VALUES@
    esac
    if [[ $word == -* ]]; then
        case $command in
@OPTIONS@
        esac
        return
    fi
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "@WORDS@" -- "$word"))
    fi
    case $command in
@CHOICES@
    esac
    COMPREPLY+=($(compgen -f -- "$word"))
}
complete -o filenames -F _analyze analyze kubectl-analyze
"""

ZSH = """\
#compdef analyze kubectl-analyze
# completion of analyze for zsh: source <(analyze completion zsh)
_analyze() {
    local -a commands specs
    commands=(
@COMMANDS@
    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe -t commands command commands
        _files
        return
    fi
    case $words[2] in
        @NAMES@) ;;
        *) words=($words[1] check "${(@)words[2,-1]}"); (( CURRENT++ )) ;;
    esac
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
@CASES@
    esac
    _arguments -s $specs
}
if [[ $funcstack[1] == _analyze ]]; then _analyze "$@"; else compdef _analyze analyze kubectl-analyze; fi
"""


def options(parser: ArgumentParser) -> None:
    """Adds the shell."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(options: Namespace, parser: ArgumentParser) -> int:
    """Prints the script."""
    del parser
    sys.stdout.write({"bash": bash, "zsh": zsh, "fish": fish}[options.shell]())
    return 0


def bash() -> str:
    """The script for bash."""
    values, options, choices = [], [], []
    for name in COMMANDS:
        parser = parser_of(name)
        for action in flags(parser):
            if action.nargs != 0:
                keys = "|".join(f"{name}:{text}" for text in action.option_strings)
                known = choices_of(action)
                reply = "-f" if known is None else f'-W "{" ".join(known)}"'
                values.append(f'        {keys}) COMPREPLY=($(compgen {reply} -- "$word")); return ;;')
        words = " ".join(text for action in flags(parser) for text in action.option_strings)
        options.append(f'            {name}) COMPREPLY=($(compgen -W "{words}" -- "$word")) ;;')
        if chosen := " ".join(chosen_by(name)):
            choices.append(f'        {name}) COMPREPLY=($(compgen -W "{chosen}" -- "$word")); return ;;')
    script = BASH.replace("@COMMANDS@", "|".join(COMMANDS)).replace("@WORDS@", " ".join(COMMANDS))
    return (
        script.replace("@VALUES@", "\n".join(values))
        .replace("@OPTIONS@", "\n".join(options))
        .replace("@CHOICES@", "\n".join(choices))
    )


def choices_of(action: Action) -> list[str] | None:
    """The words that an option is given one of; empty where they are not known, None where it is given a file."""
    if action.choices:
        return [str(choice) for choice in action.choices]
    match placeholder(action):
        case "RULE":
            return sorted(INDEX)
        case "NAME":
            return sorted(PROFILES)
        case words:
            return None if "FILE" in words or "FOLDER" in words else []


def chosen_by(name: str) -> list[str]:
    """The words that a command itself is given one of."""
    found = [str(choice) for action in arguments(parser_of(name)) for choice in action.choices or ()]
    return [*found, *sorted(INDEX)] if name == "rules" else found


def zsh() -> str:
    """The script for zsh."""
    cases = "\n".join(f"        {name}) specs+=(\n{indented(zsh_lines(name))}\n        ) ;;" for name in COMMANDS)
    listed = indented(worded(f"{name}:{summary}") for name, summary in COMMANDS.items())
    return ZSH.replace("@COMMANDS@", listed).replace("@NAMES@", "|".join(COMMANDS)).replace("@CASES@", cases)


def indented(lines: Iterable[str]) -> str:
    """Lines inside of a list of zsh."""
    return "\n".join(f"            {line}" for line in lines)


def zsh_lines(name: str) -> Iterator[str]:
    """What _arguments is told of a command: its options, each by all its names, and the words that it chooses among."""
    parser = parser_of(name)
    for action in flags(parser):
        many = isinstance(action, _AppendAction)
        start = "*" if many else f"({' '.join(action.option_strings)})"
        takes = "" if action.nargs == 0 else f":{placeholder(action).replace(':', ' ')}:{completed(action)}"
        for text in action.option_strings:
            yield worded(f"{start}{text}[{in_brackets(action.help or '')}]{takes}")
    chosen = chosen_by(name)
    yield worded(f"*:word:{among(chosen)}" if chosen else "*:path:_files")


def completed(action: Action) -> str:
    """What follows an option, as _arguments takes it: words, files, or a blank for what is not known."""
    known = choices_of(action)
    return "_files" if known is None else among(known) or " "


def among(choices: Iterable[object] | None) -> str:
    """The words of a choice, as _arguments takes them; empty for none."""
    words = " ".join(map(str, choices or ()))
    return f"({words})" if words else ""


def in_brackets(text: str) -> str:
    """A description, which ends at a bracket."""
    return text.replace("%%", "%").replace("[", "\\[").replace("]", "\\]")


def worded(text: str) -> str:
    """A text as one word of zsh."""
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """The script for fish."""
    return "\n".join(["# completion of analyze for fish: analyze completion fish | source", *fish_lines()]) + "\n"


def fish_lines() -> Iterator[str]:
    """A line for each command, each option, and the words that a command chooses among."""
    yield "complete -c kubectl-analyze -w analyze"
    first = f'"not __fish_seen_subcommand_from {" ".join(COMMANDS)}"'
    for name, summary in COMMANDS.items():
        yield f"complete -c analyze -n {first} -a {name} -d {quoted(summary)}"
        for action in flags(parser_of(name)):
            names = " ".join(f"-l {text[2:]}" if text.startswith("--") else f"-s {text[1:]}" for text in action.option_strings)
            takes = "" if action.nargs == 0 else " -r" + in_fish(choices_of(action))
            yield f'complete -c analyze -n "__fish_seen_subcommand_from {name}" {names}{takes} -d {quoted(action.help or "")}'
        if chosen := " ".join(chosen_by(name)):
            yield f'complete -c analyze -n "__fish_seen_subcommand_from {name}" -fa {quoted(chosen)}'


def in_fish(known: list[str] | None) -> str:
    """What follows an option, as ``complete`` takes it."""
    return " -F" if known is None else f" -xa {quoted(' '.join(known))}" if known else " -x"


def quoted(text: str) -> str:
    """A text as one word of fish."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("%%", "%") + "'"
