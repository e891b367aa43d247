"""`doctor`: what will not work in a deployment, before users find out."""

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
@click.option("--offline", is_flag=True, help="Visit neither the issuer nor the clients; look at the settings and the store alone.")
@click.option("--ca-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Certificates (PEM) to check servers by.")
@click.option("--strict", is_flag=True, help="Warnings end with exit code 1 too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def doctor_command(config: Path, offline: bool, ca_file: Path | None, strict: bool, as_json: bool) -> None:
    """Look at a deployment: settings, store, what answers at the issuer, and the clients' logout addresses.

    Each finding says what it breaks and how to mend it. Nothing is changed (but a short-lived record, to see whether
    the store can be written), and nobody is signed out. Exit code 0 when there is no
    problem, 1 when there is one, 2 when CONFIG.yaml is bad.
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
