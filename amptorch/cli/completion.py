"""``completion``: commands, options and files at the press of a key."""

from __future__ import annotations

import argparse
from typing import Any

from .parser import Parser, examples

_BASH = """\
_amptorch() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} words
    case ${{COMP_CWORD}},${{COMP_WORDS[1]}} in
        1,*) words="{commands}" ;;
{cases}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ $word == -* || $COMP_CWORD == 1 ]] || COMPREPLY+=($(compgen -f -- "$word"))
}}
complete -o filenames -F _amptorch amptorch
"""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def add_command(commands: Any) -> None:
    """Add this command to a parser."""
    parser = commands.add_parser(
        "completion",
        help="print what completes commands and options in a shell",
        epilog=examples(
            "amptorch completion bash >> ~/.bashrc",
            "amptorch completion zsh >> ~/.zshrc",
            "amptorch completion fish > ~/.config/fish/completions/amptorch.fish",
        ),
    )
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    parser.set_defaults(run=lambda arguments: run(arguments, commands))


def run(arguments: argparse.Namespace, commands: Any) -> None:
    """Print it."""
    options = {name: options_of(parser) for name, parser in commands.choices.items()}
    print({"bash": bash, "zsh": zsh, "fish": fish}[arguments.shell](options), end="")


def options_of(parser: Parser) -> list[str]:
    """The long options of a command."""
    known = parser._option_string_actions
    return sorted(option for option in known if option.startswith("--"))


def bash(options: dict[str, list[str]]) -> str:
    """For bash."""
    cases = "\n".join(
        f'        *,{name}) words="{" ".join(own)}" ;;' for name, own in options.items()
    )
    return _BASH.format(commands=" ".join(options), cases=cases)


def zsh(options: dict[str, list[str]]) -> str:
    """For zsh, which reads what is for bash."""
    return _ZSH + bash(options)


def fish(options: dict[str, list[str]]) -> str:
    """For fish."""
    commands = f'complete -c amptorch -n __fish_use_subcommand -f -a "{" ".join(options)}"\n'
    return commands + "".join(
        f'complete -c amptorch -n "__fish_seen_subcommand_from {name}" -l {option[2:]}\n'
        for name, own in options.items()
        for option in own
    )
