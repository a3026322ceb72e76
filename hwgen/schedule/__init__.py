"""Graph + board -> engine configuration, memory plan, program and the exact cycle count."""

from hwgen.schedule.compile import Design, compile_graph, compile_onto
from hwgen.schedule.config import EngineConfig

__all__ = ["Design", "EngineConfig", "compile_graph", "compile_onto"]
