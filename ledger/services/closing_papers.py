"""What a closing archive says to whoever opens it: README.txt, and a page that works from disk."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from ledger.core.canonical import encode_time, parse
from ledger.core.closing import Custodian, PublicRecord
from ledger.core.closing_archive import (
    achievement_name,
    image_name,
    part_name,
    profile_name,
    status_name,
)
from ledger.core.credential import Achievement


@dataclass(frozen=True, slots=True)
class Papers:
    """What the two papers tell: all of it public."""

    public: PublicRecord
    custodians: Sequence[Custodian]
    parts: int
    credentials: int
    pictures: bool
    with_page: bool

    @property
    def closed_on(self) -> str:
        """The moment of closing."""
        return _moment(self.public.history.closed_at)

    @property
    def website(self) -> str:
        """The school's address, as its newest profile has it."""
        return self.public.profiles[-1].url

    @property
    def heir(self) -> str:
        """Who may still withdraw."""
        successor = self.public.statement.successor
        if successor is None:
            return (
                "Nobody can withdraw a credential any more: what counted on that day counts"
                " for ever."
            )
        return f"Credentials can still be withdrawn, by the successor alone: {successor.text}"


def readme(papers: Papers) -> str:
    """README.txt: for whoever inherits it."""
    public = papers.public
    text = public.statement.text
    return _README.format(
        name=public.statement.name,
        website=papers.website,
        closed_on=papers.closed_on,
        issuer=public.history.issuer.text,
        heir=papers.heir,
        credentials=papers.credentials,
        custodians="\n".join(
            f"    {each.name}\n        {each.recipient}" for each in papers.custodians
        ),
        first=part_name(1),
        parts="one file"
        if papers.parts == 1
        else f"{papers.parts} files, each of them a ZIP of its own",
        pictures="\n    earners/000001.zip …     everything of one earner, to be handed to that person"
        if papers.pictures
        else "",
        page="Open verifier.html in any browser and drop the file on it; the page needs no web site."
        if papers.with_page
        else "Any copy of verifier.html does it, in any browser; or, with Python:",
        words=f"\nWhat {public.statement.name} had to say:\n\n{text}\n" if text else "",
        achievements="\n".join(
            f"    {achievement_name(code, version)}"
            for code, version in public.achievements
        ),
    )


_README = """\
{name}: closing archive

{name} ({website}) closed on {closed_on}.
This archive is all that its ledger knew. Keep it whole, in two places at least, and pass
it on. Whoever reads this needs no account anywhere and no help from anybody named here.

{heir}
{words}
WHAT IS IN IT

Everybody may read:

    index.html            the same as this text, with pictures; open it in a browser
    statement.json        what {name} stated when it closed
    issuer.json           its record on the blockchain: its keys and when each was good
    proof.json            proves both, and every withdrawal, from the hash of one block
    status/               which credentials were withdrawn, for other people's verifiers
    achievements/         what could be earned, in every version
    images/               the badges
    profiles/             how {name} described itself
    contracts.json        the two contracts on the blockchain
    networks.json         which blockchain that is
    checkpoints.json      the blocks under which the credentials are proved
    manifest.json         every file with its size and SHA-256

Only the custodians may read the {credentials} credentials, because they are about people:

    personal/             {parts}, sealed with age (age-encryption.org)

It is sealed for:

{custodians}

If you are one of them, open it with the key that belongs to that recipient:

    age -d -i your-key.txt -o 0001.zip {first}

and find in it

    index.json               who earned what, and how to reach them
    credentials/ID.json      each credential with its signature and its proof{pictures}

Do not publish what is in there. Give each person their own credentials when they ask, and
nobody else's. Law on personal data applies to you as it did to {name}.

HOW A CREDENTIAL IS CHECKED

{page}

    pip install perdure
    perdure verify FILE --checkpoints LIST

works without any network, now and in thirty years. LIST is a list of blocks from somebody you
trust. checkpoints.json has this form and names the blocks that are needed, but it is only as
good as whoever gave you this archive: compare its hashes with another source first.

HOW TO BRING IT BACK TO LIFE

Another ledger can take the public record in, so that the addresses of achievements and
status lists answer again. Nobody needs a private key of {name} for that, and there is none in here:

    perdure import ARCHIVE

With a custodian's key it takes the credentials in as well. They stay hidden until the
person whom one is about asks for it (perdure credential release).

The issuer on the blockchain: {issuer}

Achievements:

{achievements}
"""


def index(papers: Papers) -> str:
    """index.html: no script, nothing from elsewhere; it works from a folder on a disk."""
    public = papers.public
    return _INDEX.format(
        name=escape(public.statement.name),
        website=escape(papers.website, quote=True),
        closed_on=papers.closed_on,
        issuer=escape(public.history.issuer.text),
        heir=escape(papers.heir),
        words="".join(
            f"<p>{escape(line)}</p>"
            for line in (public.statement.text or "").splitlines()
            if line.strip()
        ),
        verifier='<p class="call"><a href="verifier.html">Check a credential</a></p>'
        if papers.with_page
        else "",
        credentials=papers.credentials,
        custodians="".join(
            f"<li>{escape(each.name)} <code>{each.recipient}</code></li>"
            for each in papers.custodians
        ),
        parts="".join(
            f'<li><a href="{part_name(n)}">{part_name(n)}</a></li>'
            for n in range(1, papers.parts + 1)
        ),
        achievements="".join(_achievements(papers)),
        keys="".join(
            f"<tr><td><code>{escape(key.public)}</code><td>{_role(key.role)}"
            f"<td>{_moment(key.opened)}<td>{_moment(key.until)}"
            f"<td>{_moment(key.compromised_since)}"
            for key in public.history.keys
        ),
        lists="".join(
            f'<li><a href="{status_name(key)}">{status_name(key)}</a></li>'
            for key in public.status_lists
        ),
        profiles="".join(
            f'<li><a href="{profile_name(each.profile_hash)}">since'
            f" {_moment(each.recorded_at)}</a></li>"
            for each in public.history.profiles
        ),
    )


def _achievements(papers: Papers) -> Iterator[str]:
    for (code, version), source in papers.public.achievements.items():
        achievement = Achievement.from_json(parse(source))
        yield (
            f'<li><img src="{image_name(code, version, "svg")}" alt="" width="96" height="96">'
            f'<div><h3 lang="{escape(achievement.language, quote=True)}">'
            f"{escape(achievement.name)}</h3>"
            f"<p>{escape(achievement.description)}</p>"
            f'<p><a href="{achievement_name(code, version)}">{escape(code)}, version'
            f" {escape(version)}</a></p></div></li>"
        )


def _role(role: int) -> str:
    return {1: "signs credentials", 2: "withdraws credentials"}[role]


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "–"  # noqa: RUF001 - a dash
    text = encode_time(datetime.fromtimestamp(seconds, UTC))
    return f"{text[:10]} {text[11:19]} UTC"


_INDEX = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{name}: closing archive</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 1rem/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ line-height: 1.2 }}
code {{ overflow-wrap: anywhere; font-size: .9em }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top }}
ul.badges {{ list-style: none; padding: 0 }}
ul.badges li {{ display: flex; gap: 1rem; align-items: start; margin: 1rem 0 }}
ul.badges h3 {{ margin: 0 }}
ul.badges p {{ margin: .2rem 0 }}
.call a {{ display: inline-block; padding: .6rem 1.1rem; border: 2px solid; border-radius: .5rem }}
</style>
</head>
<body>
<main>
<h1>{name}</h1>
<p><a href="{website}">{website}</a>, as it was. Closed on <strong>{closed_on}</strong>.</p>
<p>{heir}</p>
{words}
{verifier}
<p>This folder is all that its ledger knew. <a href="README.txt">README.txt</a> says what to do
with it, and how a credential is checked without anybody's help.</p>
<h2>Achievements</h2>
<ul class="badges">{achievements}</ul>
<h2>Credentials</h2>
<p>{credentials} credentials are in here. They are about people, so they are sealed for these custodians,
who hand each person their own:</p>
<ul>{custodians}</ul>
<ul>{parts}</ul>
<h2>On the blockchain</h2>
<p><code>{issuer}</code></p>
<table><thead><tr><th>Key<th>What it did<th>From<th>Until<th>Compromised since</thead><tbody>{keys}</tbody></table>
<p>Every key ended with the closing at the latest.
<a href="issuer.json">The record</a>, <a href="statement.json">the statement</a>,
<a href="proof.json">the proof of both</a>, <a href="contracts.json">the contracts</a>,
<a href="networks.json">the network</a>, <a href="checkpoints.json">the blocks to trust</a>.</p>
<h3>Profiles</h3>
<ul>{profiles}</ul>
<h3>Status lists</h3>
<ul>{lists}</ul>
<p><a href="manifest.json">Every file with its SHA-256</a></p>
</main>
</body>
</html>
"""
