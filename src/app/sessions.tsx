// Owns the list of where a person is signed in, and ending one of those sessions. The session of this page ends by signing out.
import { useCallback, useEffect, useState, type ReactNode } from "react";
import type { SessionRow } from "../client/index.ts";
import { useClient, useConnection } from "../react/index.ts";
import { useUi } from "../ui/ui.tsx";

export function Sessions(): ReactNode {
  const { texts, toast, fail } = useUi();
  const client = useClient();
  const online = useConnection().kind === "online";
  const [rows, setRows] = useState<readonly SessionRow[]>();
  const load = useCallback(() => client.sessions().then(setRows), [client]);
  useEffect(() => {
    // Nobody is told anew what the banner says already.
    if (online) load().catch(fail);
  }, [online, load, fail]);
  const end = async (row: SessionRow): Promise<void> => {
    try {
      await client.revokeSession(row.id);
      toast({ text: texts.sessionEnded });
    } catch (error) {
      fail(error);
    }
    // Also where it was refused: it may have ended by itself.
    await load();
  };
  return (
    <section className="app-sessions" aria-labelledby="app-sessions">
      <h3 id="app-sessions">{texts.sessions}</h3>
      {rows === undefined ? (
        <p>{texts.loadingSessions}</p>
      ) : (
        <ul>
          {rows.map((row) => (
            <Session key={row.id} row={row} end={() => void end(row).catch(fail)} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Session({ row, end }: { readonly row: SessionRow; readonly end: () => void }): ReactNode {
  const { texts, formats } = useUi();
  const device = row.device === "unknown device" ? texts.unknownDevice : row.device;
  const places: Readonly<Record<string, string>> = texts.places;
  return (
    <li data-current={row.current}>
      <p>
        <bdi>{device}</bdi>
        <small>
          <bdi>{places[row.place] ?? row.place}</bdi>
          {" · "}
          {row.current ? (
            <strong>{texts.thisSession}</strong>
          ) : (
            <time dateTime={row.lastSeenAt} title={formats.full(row.lastSeenAt)}>
              {texts.lastSeen(formats.ago(row.lastSeenAt, Date.now()))}
            </time>
          )}
        </small>
      </p>
      {!row.current && (
        <button type="button" className="tl-button" aria-label={texts.endSessionOf(device)} onClick={end}>
          {texts.endSession}
        </button>
      )}
    </li>
  );
}
