"""`doctor`: find problems of a deployment before users do."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click

from ..clock import system_clock
from ..web.printable import printable
from .config_file import config_argument, load_settings_or_exit
from .output import counted, json_line


@click.command("doctor")
@config_argument
@click.option("--offline", is_flag=True, help="Send no requests to the issuer and the clients; examine only the settings and the store.")
@click.option("--ca-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CA certificates (PEM) for servers.")
@click.option("--strict", is_flag=True, help="Warnings end with exit code 1 too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def doctor_command(config: Path, offline: bool, ca_file: Path | None, strict: bool, as_json: bool) -> None:
    """Examine a deployment: settings, store, the responses at the issuer, and the clients' logout URIs.

    Each finding has its impact and a fix. Nothing is changed (except a short-lived record, to test whether the store can be
    written), and no user is signed out. Exit code 0 if there is no problem, 1 if there is one, 2 if CONFIG.yaml is invalid.
    """
    settings = load_settings_or_exit(config)
    from ..server.doctor import Severity, diagnose
    from ..server.doctor.visits import Visits

    authorities = ca_file or settings.logout.backchannel.ca_file
    visits = None if offline else Visits(None if authorities is None else str(authorities))
    counts: Counter[Severity] = Counter()
    for finding in diagnose(settings, visits=visits, now=system_clock()):
        counts[finding.severity] += 1
        if as_json:
            click.echo(json_line({**asdict(finding), "severity": finding.severity.value}))
        else:
            click.echo(printable(f"{finding.severity.value}: {finding.about}: {finding.what}"))
            click.echo(printable(f"    {finding.impact}"))
            click.echo(printable(f"    To fix it: {finding.fix}"))
    click.echo(", ".join(counted(counts[severity], severity.value) for severity in Severity), err=True)
    if counts[Severity.PROBLEM] or (strict and counts[Severity.WARNING]):
        raise SystemExit(1)
