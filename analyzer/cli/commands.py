"""The commands, and what each is for."""

from __future__ import annotations

COMMANDS = {
    "check": "the guarantees and the rules that the input permits (the default)",
    "trace": "one packet, there and back, hop by hop",
    "ask": "a question about policies: a proof, or a flow that refutes it",
    "connectivity": "who may talk to whom, by policies",
    "diff": "what changes in meaning between two inputs, with a flow for each change",
    "whatif": "the input as it would be after an edit: its difference, or any other command on it",
    "fleet": "many clusters, each checked by itself, and one report of all",
    "cache": "what is kept on the disk to be faster, and how it is forgotten",
    "collect": "print the script that captures a node",
    "rules": "the rules, or one rule's manual page",
    "completion": "print the completion script of a shell",
    "lsp": "the language server, for editors",
    "man": "print the manual page",
}

EPILOG = "exit status: 0 clean, 1 something is wrong, 2 wrong usage, 3 incomplete or undecided"
