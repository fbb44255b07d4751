"""The queue's doorbell, which may lose a ring, give it twenty times, late or in the wrong order."""

from typing import TYPE_CHECKING

from . import scene

if TYPE_CHECKING:
    from .scene import Scene

TAKES = 0.05  # seconds from a ring until a worker takes it


class Bell:
    def __init__(self, scene: "Scene") -> None:
        self.scene = scene
        self.waiting = False
        self.workers = 2  # with one alone a ring waits until the job before it is over

    def put(self, job: str, row_id: int | None) -> None:
        """In place of queue._put: called when a transaction is committed."""
        actor = self.scene.actors[-1] if self.scene.actors else None
        fault = self.scene.plan.take("ring") if actor and actor.kind != "harness" else None
        if fault is None:
            return self._ring()
        self.scene.fire(fault)
        if fault.name == "kill at ring" and actor is not None:
            self.scene.kill(actor)
        elif fault.name == "ring 20 times":
            for number in range(20):
                self.scene.later(TAKES + number / 10, self._work)
        elif fault.name == "rings in reverse":
            self.scene.later(3.0, self._work)
        elif fault.name == "ring late":
            self.scene.later(300.0, self._work)

    def _ring(self) -> None:
        """A worker that is called ten times in a moment looks once: the tables say the same each time. One that is
        alone and rings for itself finds in its own round what it rang for."""
        actors = [actor for actor in self.scene.actors if actor.kind != "harness"]
        if self.workers == 1 and actors and actors[-1].kind == "worker":
            return
        if not self.waiting:
            self.scene.later(TAKES, self._answer)
        self.waiting = True

    def _answer(self) -> None:
        busy = sum(actor.kind == "worker" and not actor.stopped for actor in self.scene.actors)
        if busy >= self.workers:
            return self.scene.later(1.0, self._answer)
        self.waiting = False
        self._work()

    def _work(self) -> None:
        self.scene.work(scene.work)
        self.scene.rest()
