// Owns what is shown of the connection: a quiet dot always, a banner after a while of trouble. Never anything in the transcript.
import type { ReactNode } from "react";
import type { ConnectionState } from "../client/index.ts";
import { useClient, useConnection } from "../react/index.ts";
import type { Texts } from "./texts.ts";
import { secondsTo, useLater, useNow } from "./times.ts";
import { useUi } from "./ui.tsx";

/** Trouble shorter than this (ms) is nobody's business. */
const quietTime = 1500;

const isTrouble = (state: ConnectionState): boolean => state.kind !== "online" && state.kind !== "idle";

/** The close code of who is shut out; every other one that stops means that page and server speak differently. */
const shutOut = 4403;

function sentence(texts: Texts, state: ConnectionState, now: number): string {
  switch (state.kind) {
    case "idle":
    case "connecting":
    case "authenticating":
      return state.kind === "idle" || state.attempt <= 1 ? texts.connecting : texts.reconnecting(0);
    case "online":
      return state.draining ? texts.maintenance : texts.online;
    case "reconnecting":
      return (state.blocked === true ? texts.turnedAway : texts.reconnecting)(secondsTo(state.at, now));
    case "offline":
      return texts.offline;
    case "signed-out":
      return state.left === true ? texts.signedOutPlain : texts.signedOut;
    case "stopped":
      return state.code === shutOut ? texts.errors.blocked : texts.outdated;
    default:
      return state satisfies never;
  }
}

/** The state as a coloured dot with its words. */
export function ConnectionDot(): ReactNode {
  const state = useConnection();
  const { texts } = useUi();
  // Without the seconds: a label that changes is read again and again.
  const text = sentence(texts, state, Infinity);
  return <span className="tl-dot" data-state={state.kind} role="img" aria-label={text} title={text} />;
}

export function ConnectionBanner(props: { readonly signIn?: (() => void) | undefined }): ReactNode {
  const state = useConnection();
  const client = useClient();
  const { texts } = useUi();
  const now = useNow(state.kind === "reconnecting");
  const long = useLater(isTrouble(state), quietTime);
  const asks = state.kind === "signed-out" || state.kind === "stopped";
  if (!isTrouble(state) || !(long || asks)) return null;
  const waits = state.kind === "reconnecting" || state.kind === "offline";
  return (
    <div className="tl-banner" data-state={state.kind} role="status" aria-live="off">
      <span>{sentence(texts, state, now)}</span>
      {waits && (
        <button type="button" className="tl-text-button" onClick={() => client.tryNow()}>
          {texts.tryNow}
        </button>
      )}
      {state.kind === "stopped" && state.code === shutOut && (
        <button type="button" className="tl-text-button" onClick={() => client.signIn()}>
          {texts.tryNow}
        </button>
      )}
      {state.kind === "stopped" && state.code !== shutOut && (
        <button type="button" className="tl-text-button" onClick={() => location.reload()}>
          {texts.reload}
        </button>
      )}
      {state.kind === "signed-out" && (
        <button type="button" className="tl-text-button" onClick={() => (props.signIn ?? (() => client.signIn()))()}>
          {texts.signIn}
        </button>
      )}
    </div>
  );
}
