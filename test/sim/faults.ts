// Owns when what goes wrong, until the storm is over.
import type { Chance } from "./chance.ts";
import { createOwner } from "./scheduler.ts";
import type { Incarnation } from "./node.ts";
import type { Stage } from "./world.ts";

export function createFaults(stage: Stage, chance: Chance): void {
  const { scheduler, nodes, devices, weather, nature, trace } = stage;
  const world = createOwner();
  const every = (mean: number, strike: () => void): void => {
    if (mean === 0) return;
    const next = (): void =>
      void scheduler.after(world, -Math.log(1 - chance.next()) * mean, () => {
        if (stage.phase() === "calm") return;
        strike();
        next();
      });
    next();
  };
  const { faults } = nature;
  const links = () => devices.flatMap((device) => [...device.connections].map((connection) => connection.link));

  // A process that died is started again, by whatever it died.
  const revive = (): void => {
    for (const node of nodes) {
      if (node.current === undefined) node.start();
    }
    scheduler.after(world, chance.whole(100, 2500), revive);
  };
  scheduler.after(world, 1000, revive);

  every(faults.crash, () => chance.pick(nodes).current?.crash(chance.maybe(0.2)));
  every(faults.pause, () => {
    const paused = chance.pick(nodes).current;
    if (paused === undefined || paused.owner.paused) return;
    trace(() => `${paused.name} is paused`);
    paused.owner.paused = true;
    scheduler.after(world, chance.pick([50, 400, 3000, 12_000]), () => {
      trace(() => `${paused.name} goes on`);
      paused.pausedAt = scheduler.now();
      scheduler.resume(paused.owner);
    });
  });
  every(faults.full, () => {
    trace(() => "the disk is full");
    weather.diskFull = true;
    scheduler.after(world, chance.pick([30, 400, 4000]), () => {
      trace(() => "the disk has room");
      weather.diskFull = false;
    });
  });
  every(faults.cut, () => {
    const all = links();
    if (all.length > 0) chance.pick(all).cut();
  });
  every(faults.silence, () => {
    const all = links();
    if (all.length > 0) chance.pick(all).silence(chance.pick(["up", "down", "both"]));
  });
  every(faults.stall, () => {
    const all = links();
    if (all.length === 0) return;
    const link = chance.pick(all);
    link.stall(true);
    scheduler.after(world, chance.pick([200, 2000, 8000, 70_000]), () => link.stall(false));
  });
  const leave = async (leaving: Incarnation, grace: number): Promise<void> => {
    const began = scheduler.now();
    try {
      await leaving.engine.drain(grace);
    } catch (error) {
      return stage.wrong("SO8", `drain failed: ${String(error)}`);
    }
    if (!leaving.owner.alive) return;
    const took = scheduler.now() - began;
    trace(() => `${leaving.name} has drained`);
    if (leaving.pausedAt < began && took > grace + 2000) stage.wrong("G12", `to drain in ${grace} ms took ${took}`);
    // What was sent goes out before the process ends.
    scheduler.after(leaving.owner, 50, () => leaving.crash(false));
  };
  every(faults.drain, () => {
    const leaving = chance.pick(nodes).current;
    if (leaving === undefined || leaving.draining || !leaving.engine.ready()) return;
    leaving.draining = true;
    trace(() => `${leaving.name} drains`);
    const grace = chance.pick([1000, 5000]);
    void leave(leaving, grace);
  });
  if (faults.restore) {
    scheduler.after(world, nature.storm * chance.next() * 0.5, () => {
      const restore = stage.backUp();
      scheduler.after(world, nature.storm * (0.1 + chance.next() * 0.3), restore);
    });
  }
  every(faults.skew, () => {
    const node = chance.pick(nodes);
    node.skew = chance.pick([-3_600_000, -10_000, 0, 10_000, 3_600_000]);
    trace(() => `${node.name} is ${node.skew} ms off`);
  });
}
