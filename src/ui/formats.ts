// Owns how dates and durations are written in a language, by Intl. It holds no words of its own.

export type Formats = {
  /** The hour and minute. */
  time(at: string): string;
  /** The whole of it, for titles. */
  full(at: string): string;
  /** A day as a heading: today, yesterday, or its date. */
  day(at: string, now: number): string;
  /** The same for two times of one day, in the reader's time zone. */
  dayKey(at: string): string;
  relativeDay(days: number): string;
  /** A time to come, milliseconds since 1970: the hour and minute, with the day where it is another one. */
  soon(at: number, now: number): string;
  /** A time that is past, as it is said: "2 hours ago". */
  ago(at: string, now: number): string;
  month(at: string): string;
  /** Bytes, in the unit that suits: "1.2 MB". */
  size(bytes: number): string;
};

export function createFormats(locale: string): Formats {
  const { hourCycle } = new Intl.DateTimeFormat(locale, { hour: "numeric" }).resolvedOptions();
  // Of twenty-four hours the early ones have two digits as well: 4:00 alone says less than 04:00.
  const clock = { hour: hourCycle === "h23" ? "2-digit" : "numeric", minute: "2-digit" } as const;
  const time = new Intl.DateTimeFormat(locale, clock);
  const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });
  const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
  const dayOfYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });
  const dayAndTime = new Intl.DateTimeFormat(locale, { weekday: "long", ...clock });
  const month = new Intl.DateTimeFormat(locale, { month: "long", year: "numeric" });
  const inUnits = (["byte", "kilobyte", "megabyte", "gigabyte"] as const).map(
    (unit) =>
      new Intl.NumberFormat(locale, {
        style: "unit",
        unit,
        unitDisplay: unit === "byte" ? "long" : "short",
        maximumFractionDigits: 1,
      }),
  );
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const capital = (text: string): string => text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
  return {
    time: (at) => time.format(new Date(at)),
    full: (at) => full.format(new Date(at)),
    day(at, now) {
      const days = daysBetween(at, now);
      if (days < 2) return capital(relative.format(-days, "day"));
      return (new Date(at).getFullYear() === new Date(now).getFullYear() ? day : dayOfYear).format(new Date(at));
    },
    dayKey: (at) => new Date(at).toDateString(),
    relativeDay: (days) => capital(relative.format(-days, "day")),
    soon: (at, now) =>
      (new Date(at).toDateString() === new Date(now).toDateString() ? time : dayAndTime).format(new Date(at)),
    ago(at, now) {
      const minutes = Math.max(0, Math.floor((now - Date.parse(at)) / 60_000));
      if (minutes < 60) return relative.format(-minutes, "minute");
      const days = daysBetween(at, now);
      return days === 0 ? relative.format(-Math.floor(minutes / 60), "hour") : relative.format(-days, "day");
    },
    month: (at) => capital(month.format(new Date(at))),
    size(bytes) {
      const power = Math.min(3, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
      return inUnits[power]?.format(bytes / 1024 ** power) ?? "";
    },
  };
}

/** Midnights between a time and now, in the reader's time zone. Never negative: a clock that is behind shows today. */
export function daysBetween(at: string, now: number): number {
  const start = (date: Date): number => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.max(0, Math.round((start(new Date(now)) - start(new Date(at))) / 86_400_000));
}
