// Owns the operator's page: the token's form, the figures every few seconds, what stands where. It shows no text of a person.
import { useCallback, useEffect, useState, type FormEvent, type ReactElement } from "react";
import { createRoot } from "react-dom/client";
import { Blocks } from "./blocks.tsx";
import { fieldOf, forgetToken, hasToken, keepToken, readFigures, Refused, type Figures } from "./door.ts";
import { PeopleLists } from "./people.tsx";
import { Plot, type Line } from "./plot.tsx";

const everyMs = 5000;

function Page(): ReactElement {
  const [figures, setFigures] = useState<Figures>();
  const [shut, setShut] = useState(false);
  const [problem, setProblem] = useState("");
  const look = useCallback(async (): Promise<void> => {
    try {
      setFigures(await readFigures());
      setShut(false);
      setProblem("");
    } catch (error) {
      if (error instanceof Refused && error.shut) setShut(true);
      setProblem(error instanceof Refused ? error.message : "The answer cannot be read.");
    }
  }, []);
  useEffect(() => {
    void look();
    // A shut door is not knocked at again and again: that would count as failed sign-ins.
    if (shut) return undefined;
    const timer = setInterval(() => void look(), everyMs);
    return () => clearInterval(timer);
  }, [look, shut]);
  const enter = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    keepToken(fieldOf(event.currentTarget, "token"));
    void look();
  };
  const leave = (): void => {
    forgetToken();
    setFigures(undefined);
    void look();
  };

  return (
    <main>
      <header>
        <h1>Throughline</h1>
        {!shut && hasToken() && (
          <button type="button" onClick={leave}>
            Forget token
          </button>
        )}
      </header>
      <p role="alert" className="problem">
        {problem}
      </p>
      {shut ? (
        <form className="card" onSubmit={enter}>
          <label>
            Operator&apos;s token (ADMIN_TOKEN)
            <input name="token" type="password" required autoComplete="off" />
          </label>
          <button type="submit">Enter</button>
        </form>
      ) : (
        figures !== undefined && <Shown figures={figures} />
      )}
    </main>
  );
}

function Shown({ figures }: { figures: Figures }): ReactElement {
  const { slices, sockets, models, everySeconds } = figures;
  const of = (name: string, value: (slice: Figures["slices"][number]) => number | undefined): Line => ({
    name,
    values: slices.map(value),
  });
  const inAll = (...line: Parameters<typeof of>): Line => ({ ...of(...line), total: true });
  const codes = [...new Set(slices.flatMap(({ errors }) => Object.keys(errors)))].sort((a, b) => a.localeCompare(b));
  const perSecond = (count: number): number => count / everySeconds;
  return (
    <>
      <dl className="tiles">
        <Tile name="Connected" value={sockets.signedIn} />
        <Tile name="Not signed in yet" value={sockets.waiting} />
        <Tile name="Bytes that wait" value={sockets.queuedBytes} />
      </dl>
      <div className="plots">
        <Plot title="Connections" unit="" lines={[of("open", (slice) => slice.sockets)]} />
        <Plot title="Messages" unit="per second" lines={[of("sent", (slice) => perSecond(slice.messages))]} />
        <Plot title="Tokens" unit="per second" lines={[of("made", (slice) => perSecond(slice.tokens))]} />
        <Plot
          title="Time to first token"
          unit="ms"
          lines={[
            of("p50", (slice) => slice.firstMs?.p50),
            of("p95", (slice) => slice.firstMs?.p95),
            of("p99", (slice) => slice.firstMs?.p99),
          ]}
        />
        <Plot
          title="Errors by code"
          unit=""
          lines={
            codes.length === 0
              ? [of("none", () => 0)]
              : codes.map((code) => inAll(code, (slice) => slice.errors[code] ?? 0))
          }
        />
        <Plot title="Resumed readers" unit="" lines={[inAll("resumed", (slice) => slice.resumes)]} />
      </div>
      <section className="card">
        <h2>Models</h2>
        <ul className="rows">
          {models.map(({ name, circuit }) => (
            <li key={name}>
              <b>{name}</b> <span>{circuit === "open" ? "left alone after failures" : "in use"}</span>
            </li>
          ))}
        </ul>
      </section>
      <PeopleLists />
      <Blocks />
    </>
  );
}

const Tile = ({ name, value }: { name: string; value: number }): ReactElement => (
  <div>
    <dt>{name}</dt>
    <dd>{value.toLocaleString("en")}</dd>
  </div>
);

const root = document.getElementById("admin");
if (root !== null) createRoot(root).render(<Page />);
