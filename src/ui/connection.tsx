// Owns what is shown of the connection: a quiet dot always, a banner after a while of trouble. Never anything in the transcript.
import { useEffect, useState, type ReactNode } from "react";
import type { ConnectionState } from "../client/index.ts";
import { useClient, useConnection } from "../react/index.ts";
import { useLater } from "./notices.tsx";
import type { Texts } from "./texts.ts";
import { useUi } from "./ui.tsx";

/** Trouble shorter than this (ms) is nobody's business. */
const quietTime = 1500;

const isTrouble = (state: ConnectionState): boolean => state.kind !== "online" && state.kind !== "idle";

function sentence(texts: Texts, state: ConnectionState, now: number): string {
  switch (state.kind) {
    case "idle":
    case "connecting":
    case "authenticating":
      return state.kind === "idle" || state.attempt <= 1 ? texts.connecting : texts.reconnecting(0);
    case "online":
      return state.draining ? texts.maintenance : texts.online;
    case "reconnecting":
      return texts.reconnecting(Math.max(0, Math.ceil((state.at - now) / 1000)));
    case "offline":
      return texts.offline;
    case "signed-out":
      return texts.signedOut;
    case "stopped":
      return texts.stoppedConnection;
    default:
      return state satisfies never;
  }
}

/** The state as a coloured dot with its words. */
export function ConnectionDot(): ReactNode {
  const state = useConnection();
  const { texts } = useUi();
  const text = state.kind === "reconnecting" ? texts.reconnecting(0) : sentence(texts, state, 0);
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
      {state.kind === "signed-out" && (
        <button type="button" className="tl-text-button" onClick={() => (props.signIn ?? (() => client.signIn()))()}>
          {texts.signIn}
        </button>
      )}
    </div>
  );
}

/** The time, each second while `on`. */
function useNow(on: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!on) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}
