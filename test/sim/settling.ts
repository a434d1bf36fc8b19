// Owns the end of a world: the faults cease, everything must come to rest, be the same everywhere, and leave nothing behind.
import { canon } from "./canon.ts";
import type { Device } from "./device.ts";
import type { Stage } from "./world.ts";

/** Milliseconds of calm in which everything has to be well again. */
const patience = 180_000;

export async function settleDown(stage: Stage): Promise<void> {
  const { scheduler, weather, nodes, devices, witness, nature } = stage;
  stage.trace(() => "the storm is over");
  stage.calm();
  Object.assign(weather, { diskFull: false, lag: 0, commitMs: 0, crashInCall: 0 });
  for (const node of nodes) {
    node.skew = 0;
    if (node.current?.owner.paused === true) {
      node.current.pausedAt = scheduler.now();
      scheduler.resume(node.current.owner);
    }
  }
  for (const device of devices) for (const { link } of device.connections) link.stall(false);

  if (!(await until(stage, () => unfinished(stage)))) return;
  if (nature.lossy) {
    // A lost hint costs time until the next one: here it is.
    for (const history of witness.histories.values()) {
      const device = devices.find((other) => other.person().user === history.user && other.ready().length > 0);
      if (history.endedAt === undefined)
        device?.submit({ type: "conversation.update", conversation: history.id, title: "calm" });
    }
    if (!(await until(stage, () => unfinished(stage)))) return;
  }
  if (!(await until(stage, () => devices.flatMap((device) => behind(stage, device))))) return;
  await readCold(stage);
  if (stage.failed()) return;
  witness.audit();
  await goHome(stage);
}

/** Runs until nothing is wanting; false where that does not come about in time. */
async function until(stage: Stage, wanting: () => readonly string[]): Promise<boolean> {
  const { scheduler } = stage;
  const end = scheduler.now() + patience;
  while (wanting().length > 0) {
    if (stage.failed()) return false;
    if (scheduler.now() >= end) {
      stage.wrong("invariant 10", `it does not come to rest: ${wanting().slice(0, 5).join("; ")}`);
      return false;
    }
    await scheduler.run(stage.failed, scheduler.now() + 250);
  }
  return !stage.failed();
}

/** Who still waits for what. */
function unfinished(stage: Stage): string[] {
  const wanting: string[] = [];
  for (const node of stage.nodes) if (node.current?.engine.ready() !== true) wanting.push(`${node.name} is not ready`);
  for (const device of stage.devices) {
    const { name } = device;
    if (device.ready().length === 0) wanting.push(`${name} is not connected`);
    for (const sent of device.pending.values())
      wanting.push(`${name} waits for ${sent.id} ${JSON.stringify(sent.fields)}`);
    for (const connection of device.ready()) {
      for (const { sent, times } of connection.sent.values())
        if (times > 0) wanting.push(`${name} got no answer to ${JSON.stringify(sent.fields)}`);
    }
  }
  for (const turn of stage.witness.turns.values())
    if (turn.finishedAt === undefined) wanting.push(`turn ${turn.id} runs`);
  for (const shelf of stage.disk().shelves.values()) {
    for (const turn of shelf.turns.values())
      if (turn.status !== "running" && !turn.settled) wanting.push(`turn ${turn.id} is not settled`);
  }
  return wanting;
}

/** What a device has not got of the log. */
function behind(stage: Stage, device: Device): string[] {
  const wanting: string[] = [];
  for (const view of device.views.values()) {
    const history = stage.witness.histories.get(view.conversation);
    const head = stage.witness.head(view.conversation);
    const gone = history === undefined || (history.endedAt !== undefined && (view.first.deleted || stage.nature.lossy));
    if (!gone && (view.live.size === 0 || view.first.seq !== head)) {
      wanting.push(
        `${device.name} is at ${view.first.seq} of ${head} in ${view.conversation}${view.live.size > 0 ? "" : ", not live"}`,
      );
    }
  }
  if (device.rows.size === 0 || stage.nature.lossy) return wanting;
  for (const [id, row] of device.rows) {
    const history = stage.witness.histories.get(id);
    if (history === undefined) continue;
    const ended = history.endedAt !== undefined;
    if (ended ? !row.deleted : row.seq !== history.events.length) {
      wanting.push(
        `${device.name} has the row of ${id} at ${row.seq} of ${history.events.length}${ended ? ", deleted" : ""}`,
      );
    }
  }
  return wanting;
}

/** A reader that has nothing, and one that begins at 0: both must see the log, as must the list and the pages of messages. */
async function readCold(stage: Stage): Promise<void> {
  const { witness } = stage;
  for (const person of new Set(stage.devices.map((device) => device.person()))) {
    const own = [...witness.histories.values()].filter(
      (history) => history.user === person.user && history.endedAt === undefined,
    );
    const session = stage.devices.find((device) => device.person() === person)?.session();
    const reader = stage.addDevice(`cold ${person.mark}`, person, { session });
    if (!(await until(stage, () => (reader.ready().length > 0 ? [] : ["a cold reader cannot connect"])))) return;
    for (const from of [undefined, 0]) {
      for (const history of own.slice(0, 32)) reader.openAt(history.id, from);
      if (!(await until(stage, () => behind(stage, reader)))) return;
      for (const history of own.slice(0, 32)) await readPages(stage, reader, history.id);
      for (const history of own.slice(0, 32)) reader.leave(history.id);
    }
    const listed: string[] = [];
    for (const archived of [false, true]) {
      const rows = (await ask(stage, reader, { type: "conversation.list", limit: 100, archived }))["conversations"];
      for (const row of (rows ?? []) as { id: string; seq: number; title?: string; turn?: string }[]) {
        listed.push(row.id);
        const story = witness.last(row.id);
        const fits =
          story?.seq === row.seq && story.title === row.title && row.turn === undefined && story.archived === archived;
        if (!fits) stage.wrong("invariant 3", `row ${JSON.stringify(row)}, the log says ${story?.seq} ${story?.title}`);
      }
    }
    if (canon(listed.sort()) !== canon(own.map((history) => history.id).sort())) {
      stage.wrong("invariant 3", `${person.mark} has ${own.length} conversations, listed are ${listed.length}`);
    }
  }
}

async function readPages(stage: Stage, reader: Device, conversation: string): Promise<void> {
  const messages: unknown[] = [];
  let before: string | undefined;
  for (let more = true; more;) {
    const page = await ask(stage, reader, {
      type: "conversation.history",
      conversation,
      limit: 7,
      ...(before && { before }),
    });
    const part = (page["messages"] ?? []) as { id: string }[];
    messages.unshift(...part);
    more = page["more"] === true && part.length > 0;
    before = part[0]?.id;
    if (stage.failed()) return;
  }
  const told = stage.witness.last(conversation)?.messages ?? [];
  if (canon(messages) !== canon([...told])) stage.wrong("invariant 3", `the pages of ${conversation} are not the fold`);
}

async function ask(
  stage: Stage,
  reader: Device,
  fields: { type: string } & Record<string, unknown>,
): Promise<Readonly<Record<string, unknown>>> {
  const { id } = reader.submit(fields);
  const asked = await until(stage, () => (reader.done.has(id) ? [] : [`no answer to ${fields.type}`]));
  return asked ? (reader.done.get(id)?.ack ?? {}) : {};
}

/** Everybody leaves: nothing may be left behind. */
async function goHome(stage: Stage): Promise<void> {
  const { scheduler } = stage;
  for (const device of stage.devices) device.end();
  await scheduler.run(stage.failed, scheduler.now() + 90_000);
  for (const { current } of stage.nodes) {
    if (current === undefined) continue;
    const { name, engine, owner } = current;
    if (engine.sockets() > 0) stage.wrong("invariant 16", `${name} still has ${engine.sockets()} sockets`);
    if (owner.timers > current.baseline + 1)
      stage.wrong("invariant 16", `${name} has ${owner.timers} timers, at its start ${current.baseline}`);
    if (current.subscriptions() > 1)
      stage.wrong("invariant 16", `${name} has ${current.subscriptions()} subscriptions`);
  }
  for (const call of stage.calls) {
    const lives = stage.nodes.some((node) => node.current?.calls.has(call) === true);
    if (lives && call.state === "running") stage.wrong("invariant 16", `the model still works on ${call.turn}`);
  }
}
