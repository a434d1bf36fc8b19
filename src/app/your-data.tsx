// Owns the part of the settings about a person's data: export, import, the end of the account. Loaded when the settings are opened.
import { useId, useRef, useState, type ReactNode } from "react";
import { RequestError } from "../client/index.ts";
import { useClient, useReadable } from "../react/index.ts";
import { useUi } from "../ui/ui.tsx";
import { languageOf, preferences } from "./preferences.ts";
import { dataTexts } from "./your-data-texts.ts";
import { deleteAccount, importFile, saveEverything } from "./your-data-requests.ts";

export function YourData({ gone }: { readonly gone: () => void }): ReactNode {
  const { fail } = useUi();
  const client = useClient();
  const words = dataTexts[languageOf(useReadable(preferences))];
  const title = useId();
  const picker = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState("");
  const [asking, setAsking] = useState(false);

  /** One thing at a time; `now` is said meanwhile, and what comes of it afterwards. */
  const run = (now: string, act: () => Promise<string>): void => {
    setBusy(true);
    setSaid(now);
    act()
      .then(setSaid, (error: unknown) => {
        setSaid("");
        fail(error);
      })
      .finally(() => setBusy(false));
  };
  const take = async (file: File): Promise<string> => {
    try {
      const { imported, skipped, refused } = await importFile(client, file);
      return words.imported(imported, skipped, refused);
    } catch (error) {
      if (!(error instanceof RequestError) || !["invalid", "too_large"].includes(error.rejection.code)) throw error;
      return `${words.notImported} ${error.rejection.message}`;
    }
  };

  return (
    <section className="app-account" aria-labelledby={title}>
      <h3 id={title}>{words.title}</h3>
      <button
        type="button"
        className="tl-button"
        disabled={busy}
        onClick={() =>
          run(words.exporting, async () => {
            await saveEverything(client);
            return "";
          })
        }
      >
        {words.exportAll}
      </button>
      <button
        type="button"
        className="tl-button"
        disabled={busy}
        title={words.importHint}
        onClick={() => picker.current?.click()}
      >
        {words.import}
      </button>
      <input
        ref={picker}
        type="file"
        accept=".json,application/json"
        hidden
        aria-label={words.import}
        onChange={(event) => {
          const file = event.currentTarget.files?.[0];
          // The same file may be chosen again.
          event.currentTarget.value = "";
          if (file !== undefined) run(words.importing, () => take(file));
        }}
      />
      <button
        type="button"
        className="tl-button"
        aria-expanded={asking}
        disabled={busy}
        onClick={() => setAsking((before) => !before)}
      >
        {words.remove}
      </button>
      <p role="status">{said}</p>
      {asking && (
        <Confirm
          busy={busy}
          remove={() =>
            run("", async () => {
              await deleteAccount(client);
              gone();
              return "";
            })
          }
        />
      )}
    </section>
  );
}

/** The end is not one click away: a word has to be typed. */
function Confirm({ busy, remove }: { readonly busy: boolean; readonly remove: () => void }): ReactNode {
  const words = dataTexts[languageOf(useReadable(preferences))];
  const [typed, setTyped] = useState("");
  const sure = typed.trim().toLowerCase() === words.word;
  return (
    <form
      className="app-confirm"
      onSubmit={(event) => {
        event.preventDefault();
        if (sure && !busy) remove();
      }}
    >
      <p>{words.warning}</p>
      <label className="app-field">
        <span>{words.type(words.word)}</span>
        <input
          autoComplete="off"
          autoCapitalize="none"
          dir="auto"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      <button type="submit" className="tl-button" disabled={!sure || busy}>
        {words.removeNow}
      </button>
    </form>
  );
}
