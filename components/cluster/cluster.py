"""Wires the components: machines, key exchange, configuration, join, pgpool, and the wait until all agree."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_libvirt as libvirt
from pulumi_command import remote

from components.agent import Agent, AgentArgs
from components.cluster.node_configuration import node_configuration
from components.guard import CLOUD_IMAGE, OWN_IMAGE, KeptSettings, OneMachineAtATime
from components.identity import Identity, IdentityArgs
from components.image import BaseImage, BaseImageArgs
from components.network import LabNetwork, LabNetworkArgs
from components.node import Node, NodeArgs
from components.pgpool import Pgpool, PgpoolArgs, PgpoolCopy, PgpoolCopyArgs
from components.postgres import Postgres, PostgresArgs, PostgresClient, PostgresClientArgs, layout
from components.ssh_mesh import SshMesh, SshMeshArgs
from pgpool_lab.engine import LAST_STEP
from pgpool_lab.image import stock
from pgpool_lab.image.recipe import ImageRecipe
from pgpool_lab.paths import LabPaths
from pgpool_lab.settings import LabSettings, NodeSettings
from pgpool_lab.versions.distributions import DISTRIBUTIONS, family


class Cluster(pulumi.ComponentResource):
    """A lab of at least two nodes that is healthy when the last of its resources is there."""

    network: LabNetwork
    identity: Identity
    nodes: list[Node]
    witness: Node | None

    def __init__(
        self,
        name: str,
        *,
        settings: LabSettings,
        paths: LabPaths,
        domain_type: str,
        libvirt_uri: str,
        recipe: ImageRecipe,
    ) -> None:
        provider = libvirt.Provider("libvirt", uri=libvirt_uri)
        super().__init__("pgpool-lab:index:Cluster", name, None, pulumi.ResourceOptions(providers=[provider]))
        self._settings, self._paths, self._recipe = settings, paths, recipe
        self._names = [node.name for node in settings.nodes]
        child = pulumi.ResourceOptions(parent=self)

        self.identity = Identity(
            "identity",
            IdentityArgs(
                nodes=[machine.name for machine in settings.machines],
                addresses={machine.name: str(machine.ip) for machine in settings.machines},
                operator_key=paths.operator_key,
                known_hosts=paths.known_hosts,
            ),
            child,
        )
        self.network = LabNetwork(
            paths.name,
            LabNetworkArgs(
                cidr=str(settings.network.cidr),
                bridge=paths.bridge,
                pool_directory=str(paths.pool),
                outward=self._outward,
            ),
            child,
        )
        image_hash = recipe.content_hash()
        image = BaseImage(
            "image",
            BaseImageArgs(
                recipe=recipe.to_json(), content_hash=image_hash, stock=recipe.stock, pool=self.network.pool.name
            ),
            child,
        )
        kept = KeptSettings("kept-settings", kept_settings(settings), stack=paths.stack, parent=self)
        guard = OneMachineAtATime(paths.stack)
        machines = [
            Node(
                machine.name,
                self._node_args(
                    machine, domain_type=domain_type, image=image, image_hash=image_hash, kept=kept, guard=guard
                ),
                child,
            )
            for machine in settings.machines
        ]
        self.nodes = machines[: len(settings.nodes)]
        self.witness = machines[-1] if settings.witness else None
        self._set_up(child)
        self.register_outputs({})

    def _node_args(
        self,
        node: NodeSettings,
        *,
        domain_type: str,
        image: BaseImage,
        image_hash: str,
        kept: KeptSettings,
        guard: OneMachineAtATime,
    ) -> NodeArgs:
        # The witness is known to itself alone: it would be part of every node's first boot, and one that comes later
        # would have all of them replaced.
        known = dict.fromkeys((each.name, str(each.ip)) for each in (*self._settings.nodes, node))
        distribution = self._settings.image.distribution
        return NodeArgs(
            name=node.name,
            ip=str(node.ip),
            mac=node.mac,
            memory_mib=node.memory_mib,
            vcpus=node.vcpus,
            prefix_length=self._settings.network.cidr.prefixlen,
            hosts=list(known),
            domain_name=self._paths.domain(node.name),
            domain_type=domain_type,
            seeds=self._paths.seeds,
            network_id=self.network.network.id,
            pool=self.network.pool.name,
            base_volume_id=image.volume_id,
            base_hash=image_hash,
            host_key=self.identity.host_keys[node.name],
            operator_key=self.identity.operator,
            guard=guard,
            interpreter=DISTRIBUTIONS[distribution].interpreter,
            systemd=DISTRIBUTIONS[distribution].systemd,
            installation=self._installation(node),
            interface=family(distribution).interface if self._recipe.stock else None,
            gateway=str(self._settings.network.gateway) if self._outward else None,
            # A stock image's seeds are made of files that come with it.
            after=[kept.resource, *([image.command] if self._recipe.stock else [])],
        )

    @property
    def _outward(self) -> bool:
        """Whether the machines install packages from the internet."""
        return self._recipe.stock and self._settings.image.mirror is None

    def _installation(self, node: NodeSettings) -> stock.Installation | None:
        """What a stock image's machine installs: the first node compiles pgpool, the others get it from there."""
        if not self._recipe.stock:
            return None
        return stock.installation(
            self._recipe, compiles=node.name == self._names[0], mirror=self._settings.mirror_address
        )

    def _copies(self, machines: Sequence[Node], child: pulumi.ResourceOptions, mesh: SshMesh) -> list[pulumi.Resource]:
        """What brings pgpool to the machines that don't have it; nothing where the image has it."""
        if not self._recipe.stock:
            return []
        return [
            PgpoolCopy(
                f"pgpool-copy-{node.name}",
                PgpoolCopyArgs(
                    node=node, source=self.nodes[0], version=self._settings.pgpool.version, after=mesh.trusted
                ),
                child,
            ).command
            for node in machines[1:]
        ]

    def _set_up(self, child: pulumi.ResourceOptions) -> None:
        witness = [self.witness] if self.witness else []
        mesh = SshMesh(
            "ssh-mesh",
            SshMeshArgs(
                nodes=[*self.nodes, *witness],
                unnamed=witness,
                mesh=self._settings.ssh_mesh,
                operator_key=self.identity.operator,
                host_keys=self.identity.host_keys,
            ),
            child,
        )
        agents = [self._agent(node, child) for node in self.nodes]
        postgres = [self._postgres(node, child) for node in self.nodes]
        copies = self._copies([*self.nodes, *witness], child, mesh)
        pgpool = [
            # The copy on the machine itself, which takes the mesh; the first node compiled it. Nothing else does: what
            # goes by the mesh is changed on every node when one machine is replaced (pgpool_lab/rolling.py), and
            # another pgpool's files would be there before it.
            self._pgpool(index, node, child, copies[index - 1 : index])
            for index, node in enumerate([*self.nodes, *witness])
        ]
        files = [
            *[component.command for component in agents],
            *[component.command for component in postgres],
            *[command for node in witness for command in self._witness(node, child)],
        ]
        # What a running PostgreSQL has to read again, and what the agent writes its replication settings from.
        settings = [agent.digest for agent in agents] + [component.digest for component in postgres]
        # An update is what the state knows as an already initialised cluster: see the rules of join.
        join = self._on_first_node(
            "join",
            create="exec /usr/local/sbin/lab-node join",
            update="exec /usr/local/sbin/lab-node join --initialised",
            after=[*mesh.trusted, *files],
            also=settings,
        )
        serving = self._on_first_node(
            LAST_STEP,
            create="exec /usr/local/sbin/lab-node serve",
            update=None,
            after=[join, *[component.command for component in pgpool]],
            also=[*settings, *[component.digest for component in pgpool], *[node.domain_id for node in witness]],
        )
        # It logs in many times at once, which would starve an emulated node's way to healthy.
        mesh.check("ssh-mesh-check", after=[serving])

    def _witness(self, node: Node, child: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """What the witness has in place of a node's agent and PostgreSQL."""
        client = PostgresClient(
            f"postgres-{node.name}",
            PostgresClientArgs(node=node, addresses=self._addresses(), passwords=self.identity.passwords),
            child,
        )
        return [self._agent(node, child).command, client.command]

    def _addresses(self) -> list[str]:
        """Names and addresses under which PostgreSQL and pgpool are reached."""
        return [*self._names, *[str(node.ip) for node in self._settings.nodes], str(self._settings.network.vip)]

    def _agent(self, node: Node, child: pulumi.ResourceOptions) -> Agent:
        return Agent(
            f"agent-{node.name}",
            AgentArgs(
                node=node,
                configuration=node_configuration(self._settings, lab=self._paths.name, node=node.name),
                passwords=self.identity.passwords,
                witness=node is self.witness,
                after=[self.witness.ready] if self.witness and node is not self.witness else [],
            ),
            child,
        )

    def _postgres(self, node: Node, child: pulumi.ResourceOptions) -> Postgres:
        settings = self._settings
        return Postgres(
            f"postgres-{node.name}",
            PostgresArgs(
                node=node,
                addresses=self._addresses(),
                distribution=settings.image.distribution,
                version=settings.postgresql.version,
                source=settings.postgresql.source,
                port=settings.postgresql.port,
                cidr=str(settings.network.cidr),
                auth=settings.auth,
                passwords=self.identity.passwords,
            ),
            child,
        )

    def _pgpool(
        self, member_id: int, node: Node, child: pulumi.ResourceOptions, after: Sequence[pulumi.Resource]
    ) -> Pgpool:
        settings = self._settings
        return Pgpool(
            f"pgpool-{node.name}",
            PgpoolArgs(
                node=node,
                version=settings.pgpool.version,
                member_id=member_id,
                nodes=self._names,
                ips=[str(peer.ip) for peer in settings.nodes],
                witness=self.witness.ip if self.witness else None,
                vip=str(settings.network.vip),
                cidr=str(settings.network.cidr),
                ports={
                    "postgresql": settings.postgresql.port,
                    "pgpool": settings.pgpool.port,
                    "pcp": settings.pgpool.pcp_port,
                    "watchdog": settings.pgpool.wd_port,
                },
                data_directory=layout.DATA_DIRECTORY,
                users=layout.USERS,
                auth=settings.auth,
                restart=settings.pgpool.restart,
                timings=settings.pgpool.timings,
                overrides=settings.pgpool.parameters,
                passwords=self.identity.passwords,
                after=after,
            ),
            child,
        )

    def _on_first_node(
        self,
        name: str,
        *,
        create: str,
        update: str | None,
        after: Sequence[pulumi.Resource],
        also: Sequence[pulumi.Input[str]],
    ) -> remote.Command:
        """A step for the whole cluster, run on its first node.

        It runs again when a machine was replaced, or one of `also` has changed.
        """
        machines = {node.name: node.domain_id for node in self.nodes}
        return remote.Command(
            name,
            connection=self.nodes[0].connection,
            create=create,
            update=update,
            stdin=pulumi.Output.json_dumps({"machines": machines, "also": list(also)}),
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )


def kept_settings(settings: LabSettings) -> dict[str, str]:
    """What the data directories of a lab depend on, by the key that decides it.

    The binaries of one major version don't start another's data; collations come with the distribution's C library;
    the files belong to a number that the image has for the service account (see guard's ONE_WAY); a password that was
    stored for md5 is no password for scram (PostgreSQL manual, "Password Authentication").
    """
    return {
        "postgresql.version": settings.postgresql.version,
        "image.distribution": settings.image.distribution,
        "image.source": OWN_IMAGE if settings.image.source is None else CLOUD_IMAGE,
        "auth": "md5" if settings.auth == "md5" else "scram or trust",
    }
