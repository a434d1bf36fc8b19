// Owns the few words that stand on the host page before the window is there. The window's own are in ui/texts.ts.

export type Words = {
  readonly lang: string;
  readonly title: string;
  readonly open: string;
  readonly close: string;
  readonly unread: string;
  readonly loading: string;
  readonly failed: string;
  readonly again: string;
};

const english: Words = {
  lang: "en",
  title: "Chat",
  open: "Open chat",
  close: "Close chat",
  unread: "unread",
  loading: "Loading",
  failed: "The chat cannot be loaded right now.",
  again: "Try again",
};

const words: Readonly<Record<string, Words>> = {
  en: english,
  de: {
    lang: "de",
    title: "Chat",
    open: "Chat öffnen",
    close: "Chat schließen",
    unread: "ungelesen",
    loading: "Lädt",
    failed: "Der Chat lässt sich gerade nicht laden.",
    again: "Noch einmal versuchen",
  },
  ar: {
    lang: "ar",
    title: "محادثة",
    open: "فتح المحادثة",
    close: "إغلاق المحادثة",
    unread: "غير مقروءة",
    loading: "جارٍ التحميل",
    failed: "لا يمكن تحميل المحادثة الآن.",
    again: "حاول مرة أخرى",
  },
};

/** English where the language is not there. */
export function wordsFor(tag: string): Words {
  const name = (/^[a-z]+/i.exec(tag)?.[0] ?? "").toLowerCase();
  return (Object.hasOwn(words, name) ? words[name] : undefined) ?? english;
}
