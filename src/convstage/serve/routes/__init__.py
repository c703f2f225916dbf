"""ROUTERS: all routes, one router for each topic."""

from __future__ import annotations

from . import about, evidence, filters, health, images, learn, maps, plan, predict, receipt, static, walk

ROUTERS = tuple(
    module.router
    for module in (predict, static, about, images, walk, maps, receipt, evidence, filters, plan, learn, health)
)
