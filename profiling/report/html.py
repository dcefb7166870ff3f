"""A report as one HTML page that needs no other file, no script and no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from amptorch.report.html import document, prose, table

from . import content, svg
from .parts import Figure, Listing, Section

if TYPE_CHECKING:
    from .document import Report

STYLE = """
:root { --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --good: #57ab5a; --bad: #ff6b61; } }
.checks { border-left: .4rem solid var(--faint); background: var(--card); padding: .7rem 1rem;
          margin: 1rem 0; }
.checks p { margin: 0; font-weight: 600; }
.checks ul { margin: .4rem 0 0; padding-left: 1.4rem; }
.checks li::marker { content: "✓ "; color: var(--good); }
.checks li.failed::marker { content: "✗ "; color: var(--bad); }
.passed { border-color: var(--good); }
.failed { border-color: var(--bad); color: var(--bad); }
.checks li.passed { color: var(--words); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; font-size: 13px; }
dt { color: var(--faint); }
dd { margin: 0; overflow-wrap: anywhere; }
nav { border: solid var(--line); border-width: 1px 0; padding: .5rem 0; display: flex;
      flex-wrap: wrap; gap: .2rem 1.4rem; }
figure { margin: 1rem 0; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--faint); font-size: 13px; }
pre { background: var(--card); padding: .6rem 0; overflow-x: auto; }
pre span { display: block; width: max-content; min-width: 100%; }
pre i { display: inline-block; width: 3.2rem; margin-right: 1rem; text-align: right;
        color: var(--faint); font-style: normal; user-select: none; }
pre span:target { outline: 2px solid var(--link); outline-offset: -2px; }
"""


def page(report: Report) -> str:
    """The whole page."""
    sections = content.sections(report)
    links = [f'<a href="#{name}">{escape(each.heading)}</a>' for name, each in sections.items()]
    facts = [
        f"<dt>{escape(name)}</dt><dd>{prose(text)}</dd>"
        for name, text in content.facts(report).items()
    ]
    body = [f"<h1>{escape(report.title)}</h1>", _checks(report), f"<dl>{''.join(facts)}</dl>"]
    body += [f"<nav>{''.join(links)}</nav>"] if len(links) > 1 else []
    for anchor, section in sections.items():
        body += _section(anchor, section)
    return document(report.title, body, STYLE)


def _checks(report: Report) -> str:
    kind = ("passed" if report.agrees else "failed") if report.checks else "none"
    items = [
        f'<li class="{"passed" if each.passed else "failed"}">{escape(content.checked(each))}</li>'
        for each in report.checks
    ]
    found = f"<ul>{''.join(items)}</ul>" if items else ""
    return f'<div class="checks {kind}"><p>{escape(content.verdict(report))}.</p>{found}</div>'


def _section(anchor: str, section: Section) -> list[str]:
    return [
        f'<h2 id="{anchor}">{escape(section.heading)}</h2>',
        *(f"<p>{prose(text)}</p>" for text in section.text),
        *map(table, section.tables),
        *map(_figure, section.figures),
        *map(_listing, section.listings),
    ]


def _figure(figure: Figure) -> str:
    caption = f"<figcaption>{prose(figure.caption)}</figcaption>" if figure.caption else ""
    picture = svg.in_a_page(figure.svg, figure.name)
    return f'<figure id="{figure.name}" class="wide">\n{picture}{caption}</figure>'


def _listing(listing: Listing) -> str:
    lines = []
    for index, line in enumerate(listing.lines):
        number = listing.first + index
        share = listing.shares[index] if listing.shares else 0.0
        color = f' style="background: rgb(230 120 40 / {share:.0%})"' if share > 0 else ""
        lines.append(
            f'<span id="{listing.name}-{number}"{color}><i>{number}</i>{escape(line)}</span>'
        )
    caption = f"<figcaption>{prose(listing.caption)}</figcaption>" if listing.caption else ""
    return f'<figure id="{listing.name}">{caption}<pre>{"".join(lines)}</pre></figure>'
