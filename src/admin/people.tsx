// Owns the operator's lists of people and connections, and the ends of both. It decides nothing and shows no text of a person.
import { useCallback, useEffect, useState, type ReactElement } from "react";
import { disconnect, readConnections, readPeople, readSessions, revoke } from "./door.ts";
import type { Connections, People, Session } from "./door.ts";

const everyMs = 5000;
const time = (at: string): string => new Date(at).toLocaleTimeString();

export function PeopleLists(): ReactElement {
  const [connections, setConnections] = useState<Connections>();
  const [people, setPeople] = useState<People>();
  const [chosen, setChosen] = useState<string>();
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const [problem, setProblem] = useState("");

  const look = useCallback(async (): Promise<void> => {
    try {
      const [first, second] = await Promise.all([readConnections(), readPeople()]);
      setConnections(first);
      setPeople(second);
    } catch {
      // The page's own look at the figures says what is wrong with the door.
      setProblem("The lists cannot be read now.");
      return;
    }
    setProblem("");
  }, []);
  const act = async (what: () => Promise<unknown>, user: string | undefined): Promise<void> => {
    let failure = "";
    try {
      await what();
      setSessions(user === undefined ? [] : await readSessions(user));
      setChosen(user);
    } catch (error) {
      failure = error instanceof Error ? error.message : "This did not work.";
    }
    await look();
    if (failure !== "") setProblem(failure);
  };
  useEffect(() => {
    void look();
    const timer = setInterval(() => void look(), everyMs);
    return () => clearInterval(timer);
  }, [look]);

  return (
    <>
      <p role="alert" className="problem">
        {problem}
      </p>
      <section className="card">
        <h2>People{people === undefined ? "" : ` (${people.count})`}</h2>
        <ul className="rows">
          {people?.people.map(({ user, sockets, turns, tokens, limit }) => (
            <li key={user}>
              <span>
                <b>{user}</b> {tokens.toLocaleString("en")}
                {limit === undefined ? "" : ` of ${limit.toLocaleString("en")}`} tokens today, {sockets} connected
                {turns === 0 ? "" : `, ${turns} ${turns === 1 ? "reply" : "replies"} being made`}
              </span>
              <button
                type="button"
                aria-label={`Sessions of ${user}`}
                aria-expanded={chosen === user}
                onClick={() => void act(() => Promise.resolve(), chosen === user ? undefined : user)}
              >
                Sessions
              </button>
              {chosen === user && (
                <ul className="rows inner">
                  {sessions.map(({ id, device, place, lastSeenAt }) => (
                    <li key={id}>
                      <span>
                        {device}, {place}, last seen {time(lastSeenAt)}
                      </span>
                      <button
                        type="button"
                        aria-label={`Revoke ${device}, ${id}`}
                        onClick={() => void act(() => revoke(user, id), user)}
                      >
                        Revoke
                      </button>
                    </li>
                  ))}
                  {sessions.length === 0 && <li>No session.</li>}
                </ul>
              )}
            </li>
          ))}
        </ul>
        {people?.count === 0 && <p>Nobody yet.</p>}
      </section>
      <section className="card">
        <h2>Latest connections{connections === undefined ? "" : ` (${connections.count})`}</h2>
        <ul className="rows">
          {connections?.connections.map(({ number, since, user, device, place, queuedBytes }) => (
            <li key={number}>
              <span>
                <b>{number}</b> {user ?? "not signed in"}, {device}, {place}, since {time(since)}
                {queuedBytes > 0 ? `, ${queuedBytes} bytes wait` : ""}
              </span>
              <button
                type="button"
                aria-label={`Disconnect ${number}`}
                onClick={() => void act(() => disconnect(number), chosen)}
              >
                Disconnect
              </button>
            </li>
          ))}
        </ul>
        {connections?.count === 0 && <p>Nobody is connected.</p>}
      </section>
    </>
  );
}
