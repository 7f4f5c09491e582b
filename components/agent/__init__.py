"""The program that runs on the nodes, and what it must know of the lab."""

from components.agent.agent import Agent, AgentArgs

__all__ = ["Agent", "AgentArgs"]
