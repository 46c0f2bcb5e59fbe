"""Commands of the registry: what there is, who is champion, and how that changes."""

from __future__ import annotations

from typing import Any

import click

from .output import JSON, percent, print_json, say, table


@click.command()
@click.argument("name")
@JSON
def versions(name: str, as_json: bool) -> int:
    """List the versions of the program NAME, the newest first."""
    from ..ship import versions as run

    found = run(name)
    if as_json:
        print_json({"name": name, "versions": found})
        return 0
    rows = []
    for one in found:
        ci = one["ci"]
        interval = f"{100 * ci[0]:.1f} to {100 * ci[1]:.1f}" if ci else ""
        usd = "" if one["usd_per_call"] is None else f"{one['usd_per_call']:.4g}"
        tokens = "" if one["tokens_per_call"] is None else f"{one['tokens_per_call']:,.0f}"
        rows.append(
            [
                str(one["version"]),
                ", ".join(one["aliases"]),
                one["created"][:16].replace("T", " "),
                (one["lm_name"] or one["lm"] or "none")[-28:],
                percent(one["score"]),
                interval,
                tokens,
                usd,
                one["verdict"] or "",
            ]
        )
    headers = ["version", "alias", "when (UTC)", "LM", "score", "95 % interval", "tokens", "US$", "verdict"]
    click.echo(table(headers, rows))
    for one in found:
        if one["problem"]:
            say(f"version {one['version']}: {one['problem']}")
    return 0


@click.command()
@click.argument("name")
@JSON
def history(name: str, as_json: bool) -> int:
    """Show who made which version of NAME champion, when, and on which evidence."""
    from ..ship import history as run

    ledger = run(name)
    if as_json:
        entries = [
            {**entry.data, "number": entry.number, "sha256": entry.sha256} for entry in ledger.accepted
        ]
        print_json(
            {
                "name": name,
                "champion": ledger.head.champion,
                "entries": entries,
                "refused": [entry.number for entry in ledger.refused],
                "damage": list(ledger.damage),
            }
        )
        return 0
    for entry in ledger.accepted:
        data = entry.data
        before = "none" if data["from"] is None else data["from"]
        click.echo(
            f"{data['at'][:19].replace('T', ' ')}  {data['kind']} {before} -> {data['to']}  {data['who']}"
        )
        for reason in ([f"by force: {data['forced']}"] if data["forced"] else []) + list(data["reasons"]):
            click.echo(f"    {reason}")
    if ledger.refused:
        say(f"{len(ledger.refused)} came too late and did not count")
    for one in ledger.damage:
        say(f"the ledger was altered: {one}; `shipworthy doctor {name} --repair`")
    return 0


@click.command()
@click.argument("version")
@click.option("--force", metavar="REASON", help="Do not ask the gate, for this reason, which is kept.")
@click.option("--expects", type=click.IntRange(min=0), help="Only if this version is champion; 0 for none.")
@JSON
def promote(version: str, force: str | None, expects: int | None, as_json: bool) -> int:
    """Make VERSION (NAME/V) the champion, if its evidence holds.

    Asked are the certificate's verdict under the gate as it is now, and that it is no step
    back against the present champion on the same rows.
    """
    from ..ship import promote as run
    from .progress import TerminalProgress

    done = run(version, force=force, expects=expects, progress=TerminalProgress())
    if as_json:
        print_json(done.as_json())
    else:
        for reason in done.reasons:
            click.echo(f"  - {reason}")
        place = f"{done.name}/{done.to}"
        click.echo(f"{place} is the champion" if done.moved else f"held: {place} ({done.verdict})")
    return 0 if done.moved else 1


@click.command()
@click.argument("name")
@click.option("--to", type=click.IntRange(min=1), help="Version; by default the champion before this one.")
@click.option("--reason", help="Why; it is kept.")
@JSON
def rollback(name: str, to: int | None, reason: str | None, as_json: bool) -> int:
    """Go back to the champion before: at once on this machine, and in the registry if it answers."""
    from ..ship import rollback as run
    from .progress import TerminalProgress

    done = run(name, to=to, reason=reason, progress=TerminalProgress())
    if as_json:
        print_json(done.as_json())
        return 0
    click.echo(
        f"{done.name}/{done.to} is the champion{' here' if done.pending else ''}, before: {done.before}"
    )
    for line in done.reasons:
        say(line)
    return 0


@click.command()
@click.argument("name")
@click.option("--keep", type=click.IntRange(min=0), default=10, show_default=True, help="Newest versions.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@JSON
def prune(name: str, keep: int, dry_run: bool, as_json: bool) -> int:
    """Remove versions of NAME that nobody needs.

    The champion, those that a rollback goes back through, the newest, and those that an alias
    points to always stay.
    """
    from ..ship import prune as run
    from .progress import TerminalProgress

    done = run(name, keep=keep, dry_run=dry_run, progress=TerminalProgress())
    if as_json:
        print_json(done.as_json())
        return 0
    numbers = ", ".join(map(str, done.removed)) or "none"
    click.echo(f"{'would be removed' if dry_run else 'removed'}: {numbers}")
    for version, why in sorted(done.kept.items(), reverse=True):
        say(f"  {version} stays: {why}")
    return 0


@click.command()
@click.argument("name", required=False)
@click.option("--repair", is_flag=True, help="Put right what can be, and say what was done.")
@JSON
def doctor(name: str | None, repair: bool, as_json: bool) -> int:
    """Look the registry through, of one program or of all: what is damaged, half-done or out of step."""
    from ..ship import doctor as run

    found = run(name, repair=repair)
    left = [one for one in found if one.repaired is None]
    if as_json:
        print_json({"problems": [one.as_json() for one in found], "left": len(left)})
        return 1 if left else 0
    for one in found:
        click.echo(f"{one.where}: {one.what}")
        click.echo(f"    {one.repaired or one.hint}")
    if not found:
        click.echo("nothing is wrong")
    return 1 if left else 0


COMMANDS: tuple[Any, ...] = (versions, history, promote, rollback, prune, doctor)
