"""exca's side of bench/execution.ts: prints microseconds an item, as JSON."""
import json, sys, tempfile, time, typing as tp, logging
import numpy as np, pydantic, exca
from exca import MapInfra, TaskInfra, steps

logging.disable(logging.CRITICAL)
n, n_step, rounds = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


class MapInts(pydantic.BaseModel):
    coeff: int = 2
    infra: MapInfra = MapInfra()

    @infra.apply(item_uid=str)
    def process(self, items: tp.Iterable[int]) -> tp.Iterator[int]:
        for x in items:
            yield x * self.coeff


class StepInts(steps.Step):
    coeff: int = 2

    def _run(self, x: int) -> int:
        return x * self.coeff


class MapArrays(pydantic.BaseModel):
    infra: MapInfra = MapInfra()

    @infra.apply(item_uid=str)
    def process(self, items: tp.Iterable[int]) -> tp.Iterator[np.ndarray]:
        for x in items:
            yield np.full((32, 32), x, dtype=np.float32)


class SmallTask(pydantic.BaseModel):
    x: int
    infra: TaskInfra = TaskInfra()

    @infra.apply
    def run(self) -> int:
        return self.x * 2


times: tp.Dict[str, tp.List[float]] = {}


def measure(name: str, count: int, action: tp.Callable[[], tp.Any]) -> None:
    start = time.perf_counter()
    action()
    times.setdefault(name, []).append((time.perf_counter() - start) * 1e6 / count)


def drain(items: tp.Iterable[tp.Any]) -> None:
    for _ in items:
        pass


for _ in range(rounds):
    with tempfile.TemporaryDirectory(dir=sys.argv[4]) as folder:
        ints = list(range(n))
        disk = lambda **more: {"folder": folder + "/s", "keep_in_ram": False, **more}
        measure("map cold", n, lambda: drain(MapInts(infra=disk()).process(ints)))
        warm = MapInts(infra=disk())
        drain(warm.process(ints))
        measure("map warm, disk", n, lambda: drain(warm.process(ints)))
        ram = MapInts(infra=disk(keep_in_ram=True))
        drain(ram.process(ints))
        measure("map warm, RAM", n, lambda: drain(ram.process(ints)))
        some = list(range(n_step))
        step = lambda: StepInts(infra={"backend": "Cached", "folder": folder + "/s"})
        measure("step cold", n_step, lambda: drain(step().run_many(some)))
        again = step()
        drain(again.run_many(some))
        measure("step warm, disk", n_step, lambda: drain(again.run_many(some)))
        measure("arrays cold", n, lambda: drain(MapArrays(infra=disk()).process(range(n))))
        arrays = MapArrays(infra=disk())
        drain(arrays.process(range(n)))
        measure("arrays warm", n, lambda: drain(arrays.process(range(n))))
        SmallTask(x=1, infra={"folder": folder + "/s"}).run()
        measure("task, fresh object", 200, lambda: [SmallTask(x=1, infra={"folder": folder + "/s"}).run() for _ in range(200)])

print(json.dumps({name: sorted(values)[len(values) // 2] for name, values in times.items()}))
