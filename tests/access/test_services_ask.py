"""Every service that does something for a person asks whether they may: no door can forget it."""

import ast
import inspect
import pkgutil
from importlib import import_module

from lsq_ops import services
from lsq_ops.services import may

# These only answer; nothing is written.
ANSWERS = {
    "may": {
        "roles_of",
        "may",
        "may_vote",
        "need",
        "involved",
        "grant_in_force",
        "standing_vote",
        "suspension",
        "took_part",
    },
    "sight": {"may_take"},
    "waiting": {"waiting_for", "not_for"},
    "people": {"must_change_password"},
    "sign_in": {"standing", "is_privileged", "factor_required", "may_be_idle", "votes_would_wait"},
    "second_factor": {"has", "of", "wanted_for", "need_fresh"},
}
# Everybody's own, given only by the door that has just signed them in: there is nobody to ask about it. `suspend` can
# only take votes away, and the services that change a password or a factor call it.
ONES_OWN = {
    "sign_in": {"change_password", "suspend"},
    "second_factor": {"set_up", "new_codes", "remove"},
}


def modules():
    return [import_module(f"lsq_ops.services.{found.name}") for found in pkgutil.iter_modules(services.__path__)]


def for_a_person(module):
    """Its public functions that a person is given to first."""
    short = module.__name__.rpartition(".")[2]
    free = ANSWERS.get(short, set()) | ONES_OWN.get(short, set())
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ != module.__name__ or name.startswith("_"):
            continue
        first = next(iter(inspect.signature(function).parameters.values()), None)
        if first and first.name in ("user", "by") and name not in free:
            yield name, function, first.name


def calls_with(tree, person):
    """Names of the functions that are called with the person first."""
    for node in ast.walk(tree):
        first = node.args[0] if isinstance(node, ast.Call) and node.args else None
        if isinstance(first, ast.Name) and first.id == person:
            function = node.func
            yield function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_every_service_for_a_person_asks_or_calls_one_that_does():
    called, asking = {}, {"need"}
    for module in modules():
        for name, function, person in for_a_person(module):
            tree = ast.parse(inspect.getsource(function).lstrip())
            called[f"{module.__name__}.{name}"] = (name, set(calls_with(tree, person)))
    while more := {name for name, calls in called.values() if calls & asking} - asking:
        asking |= more
    silent = sorted(where for where, (_, calls) in called.items() if not calls & asking)
    assert silent == []
    assert len(called) > 25, "the walk has lost its way"


def test_every_verb_that_a_service_asks_for_is_known():
    for module in modules():
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "need" and len(node.args) > 1:
                verbs = {one.value for one in ast.walk(node.args[1]) if isinstance(one, ast.Constant)}
                assert verbs & {*may.ROLE_OF, "look"}, (module.__name__, node.lineno)
