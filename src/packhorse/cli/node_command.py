"""``packhorse node``: point a node's container runtime at the site's registry."""

from pathlib import Path
from typing import Any

import click

from packhorse.app import node_mirror
from packhorse.app.node_mirror import MirrorRequest, Proof
from packhorse.base.errors import PackhorseError, UsageError
from packhorse.base.units import plural
from packhorse.cli.console import Console, examples, pass_console
from packhorse.cli.output import OutputFormat, output_option, print_json
from packhorse.cli.password_option import read_password
from packhorse.registry.nodes.commands import NodeCommands
from packhorse.registry.nodes.model import Mirror, NodePlan, Runtime
from packhorse.registry.nodes.plan import NodePaths
from packhorse.registry.nodes.probe import Outcome

__all__ = ["command"]


@click.group("node")
def command() -> None:
    """Point a node's container runtime at the site's registry."""


@command.command(
    "mirror",
    epilog=examples(
        "packhorse node mirror --registry https://10.0.0.5:5000 --ca-file ca.crt",
        "packhorse node mirror --registry http://10.0.0.5:5000 --runtime k3s --dry-run",
        "packhorse node mirror --registry https://10.0.0.5:5000 --ca-file ca.crt --login node < password",
        "packhorse node mirror --remove",
    ),
)
@click.option("--registry", metavar="URL", help="The site's registry, as this node reaches it.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="Certificates, in PEM, that sign the registry's.")
@click.option("--login", metavar="USER", help="Pull as this user; the password is read from stdin.")
@click.option(
    "--runtime", type=click.Choice([runtime.value for runtime in Runtime]), help="Found out where it is left out."
)
@click.option("--config-dir", type=click.Path(path_type=Path), help="The runtime's folder, such as its certs.d.")
@click.option("--runtime-config", type=click.Path(path_type=Path), help="The file that containerd was started with.")
@click.option("--socket", metavar="PATH", help="Where containerd or CRI-O listens.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), help="Where the node's file system is.")
@click.option("--upstream", "upstreams", multiple=True, metavar="HOST", help="For CRI-O and Podman: a registry that "
              "images are named after. All that the registry has, where it is left out.")  # fmt: skip
@click.option("--remove", is_flag=True, help="Take away what this command wrote, and put back what was there before.")
@click.option("--force", is_flag=True, help="Replace files that somebody else wrote; they are kept beside ours.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--probe/--no-probe",
    "wants_probe",
    default=True,
    help="Ask the runtime for an image that can't exist; without it the registry need not run yet.",
)
@output_option
@pass_console
def mirror(console: Console, /, output: OutputFormat, dry_run: bool, wants_probe: bool, **options: Any) -> None:  # noqa: FBT001 - click's
    """Make a node pull every image from the site's registry, under its own name and from nowhere else.

    The change is shown first. Then the runtime itself is asked for an image that can't exist: the registry must be the
    one that says so, and nobody else may be asked.
    """
    request = _request(**options)
    planned = node_mirror.plan(request)
    if output == "text":
        _show(console, planned, remove=request.remove, dry_run=dry_run)
    asks = wants_probe and _is_here(request)
    if not dry_run:
        if asks and not request.remove:
            # A node whose files point to nowhere pulls nothing: better not to write them.
            node_mirror.check_registry(request)
        node_mirror.write(planned)
        if output == "text":
            # Before the proof, which may end in an error: the files stay as they are written.
            _changed(console, planned)
    proof = None
    must_restart = planned.restart is not None and bool(planned.pending)
    if not dry_run and not request.remove:
        try:
            proof = node_mirror.prove(request, NodeCommands(), ask_runtime=asks and not must_restart, ask_registry=asks)
        except PackhorseError:
            if output == "json":
                # What was written stays, and is told though the verdict is bad.
                print_json(_as_json(planned, None, dry_run=dry_run))
            raise
    if output == "json":
        print_json(_as_json(planned, proof, dry_run=dry_run))
    else:
        _conclude(console, planned, request, proof, dry_run=dry_run)


def _request(  # noqa: PLR0913 - one for each option
    *,
    registry: str | None,
    ca_file: Path | None,
    login: str | None,
    runtime: str | None,
    config_dir: Path | None,
    runtime_config: Path | None,
    socket: str | None,
    root: Path,
    upstreams: tuple[str, ...],
    remove: bool,
    force: bool,
) -> MirrorRequest:
    if registry is None and not remove:
        message = "the registry must be named"
        raise UsageError(message, hint="--registry https://HOST:5000")
    chosen = Runtime(runtime) if runtime else node_mirror.detect_runtime(root, NodeCommands().find)
    shown = None if login is None or remove else (login, read_password())
    site = Mirror.parse(registry, _read_ca(ca_file), shown) if registry is not None else None
    return MirrorRequest(
        NodePaths.usual(chosen, root=root, folder=config_dir),
        site,
        upstreams,
        remove=remove,
        force=force,
        socket=socket,
        ca_file=ca_file,
        runtime_config=runtime_config,
    )


def _read_ca(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}"
        raise UsageError(message) from error
    if b"-----BEGIN CERTIFICATE-----" not in content:
        message = f"{path} holds no certificate in PEM"
        raise UsageError(message)
    return content


def _is_here(request: MirrorRequest) -> bool:
    """Whether the node is this machine, so that its runtime can be asked."""
    return request.paths.root == Path("/")


def _show(console: Console, planned: NodePlan, *, remove: bool, dry_run: bool) -> None:
    if not planned.pending and remove:
        console.say(f"{planned.runtime.value} has nothing that this command wrote; nothing to remove.")
    elif not planned.pending:
        console.say(f"{planned.runtime.value} is set up like that already; nothing to change.")
    for change in planned.pending:
        click.echo(change.diff(), nl=False)
    if dry_run and planned.pending:
        console.say(f"{plural(len(planned.pending), 'file')} would change. Nothing was written.")


def _changed(console: Console, planned: NodePlan) -> None:
    if planned.pending:
        console.say(f"Changed {plural(len(planned.pending), 'file')}.")


def _conclude(
    console: Console, planned: NodePlan, request: MirrorRequest, proof: Proof | None, *, dry_run: bool
) -> None:
    for note in planned.notes:
        console.warn(note)
    if dry_run:
        return
    if planned.pending and planned.restart:
        again = "" if request.remove else ", then run this command again: it asks the runtime"
        console.say(f"Next: {planned.restart}{again}.")
    if proof is None or request.mirror is None:
        return
    if proof.probe is not None and proof.probe.outcome is Outcome.PROVEN:
        console.say(
            f"Proven: asked for an image that can't exist, the runtime asked {request.mirror.url} and nobody else."
        )
    elif proof.probe is not None:
        console.say("No program to ask the runtime with was found; its files show no way around the registry.")
    else:
        console.say("The runtime was not asked; its files show no way around the registry.")


def _as_json(planned: NodePlan, proof: Proof | None, *, dry_run: bool) -> dict[str, Any]:
    return {
        "runtime": planned.runtime.value,
        "written": not dry_run,
        "changes": [
            {"path": str(change.path), "action": change.action, "diff": change.diff()} for change in planned.changes
        ],
        "restart": planned.restart if planned.pending else None,
        "notes": list(planned.notes),
        "probe": None
        if proof is None or proof.probe is None
        else {"outcome": proof.probe.outcome.value, "command": list(proof.probe.command), "said": proof.probe.said},
    }
