// Owns drawing a long list of things so that a new one at its end costs the same however many there are.
import { Fragment, memo, type ReactNode } from "react";

const length = 16;

/**
 * Draws each of `items` with `draw`, which gives them their keys; of those that are the same as before, whole runs are passed over.
 * `className`: each run gets an element of its own.
 */
export function Runs<T>(props: {
  readonly items: readonly T[];
  readonly draw: (item: T, i: number) => ReactNode;
  readonly className?: string;
}): ReactNode {
  const { items, draw, className } = props;
  const runs: ReactNode[] = [];
  for (let at = 0; at < items.length; at += length) {
    const run = items.slice(at, at + length);
    const make = (): ReactNode => run.map((item, i) => draw(item, at + i));
    runs.push(<Run key={at} items={run} same={draw} className={className} make={make} />);
  }
  return <Fragment>{runs}</Fragment>;
}

type RunProps = {
  readonly items: readonly unknown[];
  readonly same: unknown;
  readonly className: string | undefined;
  readonly make: () => ReactNode;
};

const Run = memo(
  function Run({ make, className }: RunProps): ReactNode {
    if (className === undefined) return <Fragment>{make()}</Fragment>;
    return <div className={className}>{make()}</div>;
  },
  (before, after) =>
    before.same === after.same &&
    before.items.length === after.items.length &&
    before.items.every((item, i) => item === after.items[i]),
);
