"""What is done to a lab, what must follow, and the run that finds out."""

from pgpool_lab.harness.scenarios.model import Scenario
from pgpool_lab.harness.scenarios.run import ScenarioRun
from pgpool_lab.harness.scenarios.runner import Runner
from pgpool_lab.harness.scenarios.table import SCENARIOS, scenario_named

__all__ = ["SCENARIOS", "Runner", "Scenario", "ScenarioRun", "scenario_named"]
