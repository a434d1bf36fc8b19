// Owns what the UI does with passing time: what is shown late, and seconds that are counted down. It draws nothing.
import { useEffect, useState } from "react";

/** True once `on` has been true for so long (ms). */
export function useLater(on: boolean, ms: number): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!on) return setLate(false);
    const timer = setTimeout(() => setLate(true), ms);
    return () => clearTimeout(timer);
  }, [on, ms]);
  return on && late;
}

/** The time, each second while `on`. */
export function useNow(on: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!on) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [on]);
  return now;
}

/** Whole seconds until then, never negative. */
export const secondsTo = (at: number, now: number): number => Math.max(0, Math.ceil((at - now) / 1000));

/** What is further away (s) is told as a time of day: nobody waits for it looking. */
export const countedDown = 120;
