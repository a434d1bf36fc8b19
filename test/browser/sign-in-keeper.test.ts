// @vitest-environment happy-dom
// Proves when the app hands out a token, and when none; and the way back from an issuer, whatever the address says.
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { createKeeper } from "../../src/app/sign-in-keeper.ts";
import { remember, takeReturn, type Begun } from "../../src/app/sign-in-return.ts";
import { memoryLocal } from "../../src/client/index.ts";

afterEach(() => void vi.unstubAllGlobals());

const project = { kind: "firebase" as const, key: "k" };
let given = 0;
/** Firebase answers with another token every time, or as the test says. */
function answering(status = 200, message = ""): void {
  vi.stubGlobal("fetch", () => {
    const token = `token ${++given}`;
    const body = { idToken: token, refreshToken: "r", expiresIn: "3600" };
    const renewed = { id_token: token, refresh_token: "r", expires_in: "3600" };
    return Promise.resolve(
      Response.json(status === 200 ? { ...body, ...renewed } : { error: { message } }, { status }),
    );
  });
}
async function signedIn() {
  given = 0;
  answering();
  let now = 1_000_000;
  const local = memoryLocal();
  const keeper = createKeeper({ ways: [project], local, tab: memoryLocal(), returned: undefined, now: () => now });
  expect(await keeper.token({ fresh: false })).toBeUndefined();
  expect(await keeper.withPassword(project, "a@b.c", "p")).toBe(true);
  const ask = (fresh = false): Promise<string | undefined> => keeper.token({ fresh });
  return { keeper, ask, local, pass: (ms: number) => void (now += ms) };
}

test("SG9 SG6 a token lets in once; after that there is a newer one for the open socket, and none for another", async () => {
  const { keeper, ask } = await signedIn();
  expect(await ask()).toBe("token 1");
  keeper.watch({ kind: "online", draining: false });
  expect(await ask()).toBeUndefined();
  expect(await Promise.all([ask(true), ask(true)])).toEqual(["token 2", "token 2"]);
  keeper.watch({ kind: "reconnecting", attempt: 1, at: 0 });
  expect([await ask(), await ask(true)]).toEqual([undefined, undefined]);
  keeper.watch({ kind: "online", draining: false });
  // Away is asked again; over is not.
  answering(503);
  expect(await ask(true)).toBeUndefined();
  answering();
  expect(await ask(true)).toBe("token 4");
  answering(400, "TOKEN_EXPIRED");
  expect(await ask(true)).toBeUndefined();
  answering();
  expect(await ask(true)).toBeUndefined();
  expect(keeper.problem.getSnapshot()).toBeUndefined();
});

test("SG9 a session that ended, or a person who left, takes the tokens along", async () => {
  for (const end of ["signed-out", "left"] as const) {
    const { keeper, ask } = await signedIn();
    await ask();
    keeper.watch({ kind: "online", draining: false });
    if (end === "left") keeper.leave();
    else keeper.watch({ kind: "signed-out" });
    keeper.watch({ kind: "online", draining: false });
    expect(await ask(true)).toBeUndefined();
    expect(given).toBe(1);
  }
});

test("SG10 a token that the server refuses, or stops for, is told and forgotten; one that ended meanwhile is told as that", async () => {
  const refused = await signedIn();
  await refused.ask();
  expect(await refused.ask(true)).toBeUndefined();
  expect(refused.keeper.problem.getSnapshot()).toEqual({ kind: "refused" });
  expect(await refused.ask()).toBeUndefined();
  refused.keeper.dismiss();
  expect(refused.keeper.problem.getSnapshot()).toBeUndefined();

  const stopped = await signedIn();
  await stopped.ask();
  stopped.keeper.watch({ kind: "stopped", code: 4403 });
  expect(stopped.keeper.problem.getSnapshot()).toEqual({ kind: "refused" });
  expect(await stopped.ask()).toBeUndefined();

  const late = await signedIn();
  await late.ask();
  late.pass(3_600_001);
  await late.ask(true);
  expect(late.keeper.problem.getSnapshot()).toEqual({ kind: "ended" });
});

const conversation = "0190a0a0-0000-7000-8000-000000000001";
const begun = (more: Partial<Begun> = {}): Begun => ({
  state: "s",
  nonce: "n",
  verifier: "v",
  issuer: "https://id.example",
  at: 1000,
  back: { conversation },
  ...more,
});

test("SG2 SG4 the way back: once, in time, with the state of this tab; the address is clean before anything else", () => {
  const tab = memoryLocal();
  const come = (address: string, now = 2000) => {
    history.replaceState(null, "", address);
    const back = takeReturn(tab, now);
    expect(location.pathname).not.toBe("/signed-in");
    expect([location.search, location.hash]).toEqual(["", ""]);
    return back;
  };
  remember(tab, begun());
  expect(come("/signed-in?code=c&state=s&iss=i")).toMatchObject({ begun: begun(), answer: { code: "c", iss: "i" } });
  expect(location.pathname).toBe(`/c/${conversation}`);
  expect(come("/signed-in?code=c&state=s")).toMatchObject({ begun: undefined });
  expect(location.pathname).toBe("/");
  remember(tab, begun());
  expect(come("/signed-in#error=access_denied&state=s&error_description=no")).toEqual({
    begun: begun(),
    answer: { code: undefined, iss: undefined, error: "access_denied", description: "no" },
  });
  remember(tab, begun());
  expect(come("/signed-in?code=c&state=s", 1000 + 3_600_001)).toMatchObject({ begun: undefined });
  remember(tab, begun());
  expect(come("/signed-in?code=c")).toMatchObject({ begun: undefined });
  expect(come("/signed-in")).toBeUndefined();
  expect(come(`/c/${conversation}`)).toBeUndefined();
});

test("SG4 no address and no store, whatever is in them, breaks the way back or leads elsewhere", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.json(), fc.boolean(), (text, kept, hash) => {
      const tab = memoryLocal();
      remember(tab, begun());
      const key = "throughline/sign-in-begun";
      expect(tab.getItem(key)).not.toBeNull();
      tab.setItem(key, kept);
      history.replaceState(
        null,
        "",
        `/signed-in${hash ? "#" : "?"}state=s&code=${encodeURIComponent(text.toWellFormed())}`,
      );
      expect(takeReturn(tab, 2000)?.begun).toBeUndefined();
      expect([location.pathname, location.search, location.hash]).toEqual(["/", "", ""]);
    }),
  );
});
