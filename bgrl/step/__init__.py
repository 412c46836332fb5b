"""The step of an agent, part by part: each file writes what it is about into the `Blueprint`.

A part is a module with ``write(b, plan)``, which adds variables, links, code and operations to the
blueprint `b` for what the `bgrl.agent.plan.Plan` says, and, where something does not start from zero,
``start(agent, plan, seed)``, which gives the initial values of what it added. `bgrl.step.assemble` lists
the parts in order.
"""
