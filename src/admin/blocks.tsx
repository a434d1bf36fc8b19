// Owns the operator's list of blocks: what is shut out, a form for more, a way back. It decides nothing.
import { useCallback, useEffect, useState, type FormEvent, type ReactElement } from "react";
import { addBlock, fieldOf, liftBlock, readBlocks, type Block } from "./door.ts";

export function Blocks(): ReactElement {
  const [blocks, setBlocks] = useState<readonly Block[]>([]);
  const [problem, setProblem] = useState("");
  const act = useCallback(async (first?: () => Promise<unknown>): Promise<void> => {
    try {
      await first?.();
      setBlocks(await readBlocks());
      setProblem("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "This did not work.");
    }
  }, []);
  useEffect(() => void act(), [act]);
  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const form = event.currentTarget;
    const minutes = Number(fieldOf(form, "minutes"));
    const address = fieldOf(form, "address");
    void act(() => addBlock(address, minutes > 0 ? minutes : undefined));
    form.reset();
  };
  return (
    <section className="card">
      <h2>Blocks</h2>
      <form onSubmit={submit}>
        <label>
          Address or range
          <input name="address" required placeholder="192.0.2.0/24" autoComplete="off" />
        </label>
        <label>
          Minutes (empty: until lifted)
          <input name="minutes" type="number" min="1" max="5000000" />
        </label>
        <button type="submit">Block</button>
      </form>
      <p role="alert" className="problem">
        {problem}
      </p>
      <ul className="rows">
        {blocks.map(({ range, reach, by, until, reason }) => (
          <li key={range}>
            <span>
              <b>{range}</b> {reach}, by {by}
              {until === undefined ? "" : `, until ${new Date(until).toLocaleTimeString()}`}
              {reason === undefined ? "" : `: ${reason}`}
            </span>
            <button type="button" aria-label={`Lift ${range}`} onClick={() => void act(() => liftBlock(range))}>
              Lift
            </button>
          </li>
        ))}
      </ul>
      {blocks.length === 0 && <p>Nobody is shut out.</p>}
    </section>
  );
}
