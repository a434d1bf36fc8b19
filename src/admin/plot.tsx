// Owns one plot: lines over the last hour as plain SVG. It asks nothing.
import type { ReactElement } from "react";

/** `total`: beside the name stands the sum of the hour, not the latest value. */
export type Line = {
  readonly name: string;
  readonly values: readonly (number | undefined)[];
  readonly total?: boolean;
};

const width = 320;
const height = 96;
/** Slices that the width holds at least: a young process does not stretch one moment over the whole. */
const fewest = 30;

export function Plot({ title, unit, lines }: { title: string; unit: string; lines: readonly Line[] }): ReactElement {
  const most = Math.max(0, ...lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const top = most === 0 ? 1 : most * 1.1;
  const x = (i: number, length: number): number => width - ((length - 1 - i) / (Math.max(fewest, length) - 1)) * width;
  const y = (value: number): number => height - 1 - (value / top) * (height - 4);
  const path = (values: Line["values"]): string => {
    let pen = "M";
    return values
      .map((value, i) => {
        if (value === undefined) {
          pen = "M";
          return "";
        }
        const step = `${pen}${x(i, values.length).toFixed(1)} ${y(value).toFixed(1)}`;
        // A single point is drawn too: a round end of a line of no length.
        const dot = pen === "M" ? "h0" : "";
        pen = "L";
        return step + dot;
      })
      .join("");
  };
  const latest = lines.map((line) => `${line.name} ${show(valueOf(line))}`);
  const label = `${title}, in the last hour. ${latest.join(", ")} ${unit}. Most: ${show(most)} ${unit}.`;
  return (
    <section className="plot">
      <h2>{title}</h2>
      <svg viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label} preserveAspectRatio="none">
        <path className="ground" d={`M0 ${height - 1}H${width}`} />
        {lines.map(({ name, values }, i) => (
          <path key={name} className={`line line-${i % 4}`} d={path(values)} />
        ))}
      </svg>
      <p className="legend">
        {lines.map(({ name }, i) => (
          <span key={name}>
            <i className={`key line-${i % 4}`} />
            {latest[i]}
          </span>
        ))}
        <span className="most">
          most {show(most)} {unit}
        </span>
      </p>
    </section>
  );
}

const show = (value: number): string =>
  value >= 100 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(2);

const valueOf = ({ values, total }: Line): number =>
  total === true
    ? values.reduce<number>((sum, value) => sum + (value ?? 0), 0)
    : (values.findLast((value) => value !== undefined) ?? 0);
