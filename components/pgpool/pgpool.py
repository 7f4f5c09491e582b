"""Writes pgpool's files to one machine. Nothing is started here: that is the cluster's part (components/cluster)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_command import remote

from components.authentication import METHODS
from components.node import Node, NodeFile, write_files
from components.pgpool import layout
from components.pgpool.parameters import Value, in_watchdog_order, literal, pgpool_parameters
from components.ssh_mesh.layout import shared_login_to
from pgpool_lab.node.connections import dropping
from pgpool_lab.node.script import FENCE, KEPT_CONNECTION
from pgpool_lab.rendering import render
from pgpool_lab.versions.pgpool import traits

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class PgpoolArgs:
    node: Node
    version: str
    member_id: int
    """Its place among the watchdog's members: the nodes in backend order, then the witness."""
    nodes: Sequence[str]
    ips: Sequence[str]
    witness: str | None
    """The witness's address, by which it is known; None without one."""
    vip: str
    cidr: str
    ports: Mapping[str, int]
    """`postgresql`, `pgpool`, `pcp`, `watchdog`."""
    data_directory: str
    users: Mapping[str, str]
    auth: str
    restart: str
    timings: Mapping[str, Value]
    overrides: Mapping[str, Value]
    passwords: pulumi.Output[dict[str, str]]
    after: Sequence[pulumi.Resource] = ()
    """What goes before these files: nothing needs them until the join is done."""

    @property
    def watchdog_id(self) -> int:
        """The number under which the watchdog knows this member."""
        return in_watchdog_order(self.members).index(self.members[self.member_id])

    @property
    def members(self) -> list[str]:
        """How the watchdog's members are known to each other."""
        return [*self.nodes, *([self.witness] if self.witness else [])]

    @property
    def for_witness(self) -> bool:
        return self.member_id >= len(self.nodes)


class Pgpool(pulumi.ComponentResource):
    """pgpool's files on one machine. It is started after the join (components/cluster)."""

    command: remote.Command
    digest: pulumi.Output[str]
    """Changes with pgpool.conf and pool_hba.conf."""

    def __init__(self, name: str, args: PgpoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pgpool-lab:index:Pgpool", name, None, opts)
        written = args.passwords.apply(lambda passwords: configuration(args, passwords))
        # A hash tells nothing of the passwords in it.
        self.digest = pulumi.Output.unsecret(
            written.apply(lambda text: hashlib.sha256((text + access(args)).encode()).hexdigest())
        )
        self.command = write_files(
            f"{name}-files",
            node=args.node,
            files=pgpool_files(args, written),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[args.node.ready, *args.after], deleted_with=args.node.domain
            ),
        )
        self.register_outputs({})


def configuration(args: PgpoolArgs, passwords: dict[str, str]) -> str:
    """pgpool.conf of one member."""
    return render(
        TEMPLATES / "pgpool.conf.j2",
        literal=literal,
        groups=pgpool_parameters(
            traits=traits(args.version),
            nodes=args.nodes,
            members=args.members,
            this=args.members[args.member_id],
            vip=args.vip,
            ports=args.ports,
            data_directory=args.data_directory,
            check_user=args.users["check"],
            check_password=passwords["check"],
            auth=args.auth,
            wd_authkey=passwords["watchdog"],
            # The first node leads when all start together. A witness, which has the lowest, gives way to every node
            # that stands for leader.
            wd_priority=len(args.nodes) - args.member_id,
            timings=args.timings,
            overrides=args.overrides,
        ),
    )


def access(args: PgpoolArgs) -> str:
    """pool_hba.conf."""
    return render(TEMPLATES / "pool_hba.conf.j2", cidr=args.cidr, method=METHODS[args.auth])


def pgpool_files(args: PgpoolArgs, conf: pulumi.Input[str]) -> list[NodeFile]:
    """Every file that pgpool needs on a machine; pool_passwd is made there, by pgpool's own tool."""
    service = "postgres:postgres"
    scripts = {
        layout.FAILOVER: render(TEMPLATES / "failover.sh.j2", nice=layout.FAILOVER_NICE),
        **({layout.FOLLOW: render(TEMPLATES / "follow.sh.j2")} if len(args.nodes) > 2 else {}),
    }
    # A witness has no program that could bring the virtual IP up.
    virtual_ip = None if args.for_witness else layout.VIRTUAL_IP
    return [
        NodeFile(layout.CONFIG_FILE, conf, mode="0600", owner=service),
        *(
            [NodeFile(f"{layout.CONFIGURATION}/pgpool_node_id", f"{args.watchdog_id}\n", owner=service)]
            if traits(args.version).peers == "all"
            else []
        ),
        NodeFile(
            f"{layout.CONFIGURATION}/pcp.conf",
            args.passwords.apply(lambda passwords: f"{layout.PCP_USER}:{md5(passwords['pcp'])}\n"),
            mode="0600",
            owner=service,
        ),
        NodeFile(
            f"{layout.CONFIGURATION}/pool_hba.conf",
            access(args),
            owner=service,
        ),
        NodeFile(
            layout.PASSWORD_FILE,
            args.passwords.apply(
                lambda passwords: "".join(
                    f"{host}:{args.ports['pcp']}:{layout.PCP_USER}:{passwords['pcp']}\n"
                    for host in (*args.members, *args.ips, args.vip, "localhost", "127.0.0.1")
                )
            ),
            mode="0600",
            owner=service,
        ),
        NodeFile(
            layout.KEY_FILE,
            args.passwords.apply(lambda passwords: passwords["pgpool_key"]),
            mode="0600",
            owner=service,
        ),
        *[NodeFile(path, content, mode="0755", owner=service) for path, content in scripts.items()],
        *([] if args.for_witness else virtual_ip_files(args)),
        NodeFile(
            "/etc/sudoers.d/pgpool-lab",
            render(
                TEMPLATES / "sudoers.j2",
                virtual_ip=virtual_ip,
                restart=layout.RESTART,
                fence=None if args.for_witness else FENCE,
                dropping=[] if args.for_witness else dropping_commands(args),
            ),
            mode="0440",
        ),
        NodeFile(
            f"/etc/systemd/system/{layout.SERVICE}",
            render(
                TEMPLATES / "lab-pgpool.service.j2",
                prefix=layout.PREFIX,
                virtual_ip=virtual_ip,
                restart=args.restart,
                failover_nice=layout.FAILOVER_NICE,
                logins=shared_logins(args),
            ),
        ),
    ]


def dropping_commands(args: PgpoolArgs) -> list[str]:
    """How a host lets go of each PostgreSQL that may fail, as sudoers(5) wants it: `=` is a sign of its own there."""
    return [" ".join(dropping(ip, args.ports["postgresql"])).replace("=", "\\=") for ip in args.ips]


def shared_logins(args: PgpoolArgs) -> list[str]:
    """The services that keep a login to each peer: a failover and a handover wait for no key exchange then.

    A witness hands nothing over, and rarely leads a failover.
    """
    if args.for_witness:
        return []
    return [shared_login_to(peer) for index, peer in enumerate(args.nodes) if index != args.member_id]


def virtual_ip_files(args: PgpoolArgs) -> list[NodeFile]:
    """What moves the virtual IP, on the nodes and between them alone."""
    service = "postgres:postgres"
    escalation = render(
        TEMPLATES / "escalation.sh.j2",
        nodes=args.nodes,
        virtual_ip=layout.VIRTUAL_IP,
        kept_connection=KEPT_CONNECTION,
        prefix=layout.PREFIX,
        postgresql_port=args.ports["postgresql"],
        pcp_port=args.ports["pcp"],
        pcp_user=layout.PCP_USER,
        health_statistics=traits(args.version).health_statistics,
    )
    commands = render(
        TEMPLATES / "lab-vip.j2",
        vip=args.vip,
        cidr=args.cidr,
        restart=layout.RESTART,
        listens=listens(args.ports["pgpool"]),
    )
    return [
        NodeFile(layout.DEESCALATION, handover(args), mode="0755", owner=service),
        NodeFile(layout.ESCALATION, escalation, mode="0755", owner=service),
        NodeFile(layout.VIRTUAL_IP, commands, mode="0755"),
    ]


def handover(args: PgpoolArgs) -> str:
    """The script with which a holder that is stopped hands the virtual IP to its successor."""
    return render(
        TEMPLATES / "deescalation.sh.j2",
        nodes=args.nodes,
        virtual_ip=layout.VIRTUAL_IP,
        kept_connection=KEPT_CONNECTION,
        listens=listens(args.ports["pgpool"]),
    )


def listens(port: int) -> str:
    """The shell's words for whether a program listens on a port.

    By the kernel's table (proc_pid_net(5), port in hex, state 0A): systemd would have to be asked by root, and a
    program that looks would have to be started.
    """
    return f'[[ $(</proc/net/tcp) == *":{port:04X} 00000000:0000 0A"* ]]'


def md5(password: str) -> str:
    """pcp.conf's form of a password (what pgpool's pg_md5 prints)."""
    return hashlib.md5(password.encode()).hexdigest()
